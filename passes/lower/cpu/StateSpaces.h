// What the lowerings of state spaces with constant coefficients share.
#ifndef PLEXUS_PASSES_LOWER_CPU_STATESPACES_H
#define PLEXUS_PASSES_LOWER_CPU_STATESPACES_H

#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/LongConvolution.h"

namespace plexus::compiler {

/// A convolution of the rows of `input` [T, channels], with buffers of its own to work in.
inline emit::LongConvolution longConvolution(SegmentLowering &segment, mlir::Location loc,
                                             mlir::Value input, mlir::Value out, int64_t channels,
                                             bool reverse, const emit::BatchFields &batch) {
  emit::Code code{segment.builder(), loc};
  mlir::Value rows = segment.buffer(input), tokens = segment.rows(loc, rows);
  emit::LongConvolution made{channels, segment.isa().lanes(), reverse, rows, out, batch, {}, {},
                             {}};
  auto allocate = [&](llvm::ArrayRef<int64_t> shape, mlir::Value size) {
    return segment.allocate(mlir::MemRefType::get(shape, code.builder.getF32Type()), size);
  };
  constexpr int64_t kDynamic = mlir::ShapedType::kDynamic;
  made.rows = allocate({made.pairs(), kDynamic, 2 * made.lanes}, code.mul(tokens, 4));
  made.kernel = allocate({made.pairs(), kDynamic, 2 * made.lanes}, code.mul(tokens, 4));
  made.roots = allocate({2, kDynamic}, code.add(code.mul(tokens, 2), made.lanes));
  return made;
}

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_STATESPACES_H
