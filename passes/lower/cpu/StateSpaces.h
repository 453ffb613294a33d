// What the lowerings of recurrences with a choice of forms share.
#ifndef PLEXUS_PASSES_LOWER_CPU_STATESPACES_H
#define PLEXUS_PASSES_LOWER_CPU_STATESPACES_H

#include "dialects/ssm/SsmOps.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/ChunkedScan.h"
#include "passes/lower/cpu/emit/LongConvolution.h"
#include "passes/raise/Taps.h"

namespace plexus::compiler {

/// The form that runs. What has a state is token by token where bits must not depend on where a
/// sequence is cut, as generated products have it.
inline mlir::ssm::Form formOf(const SegmentLowering &segment, std::optional<mlir::ssm::Form> form,
                              mlir::Value state) {
  if (state && segment.options().products == Products::Generated)
    return mlir::ssm::Form::Recurrent;
  return form.value_or(mlir::ssm::Form::Recurrent);
}

/// Whether the states of all runs of `op`'s segment are too large to stay in the caches until the
/// next token.
inline bool outgrowsCaches(mlir::Operation *op, mlir::Value state) {
  if (!state)
    return false;
  constexpr int64_t kCaches = int64_t(8) << 20;
  auto segment = op->getParentOfType<mlir::plx::SegmentOp>();
  llvm::StringRef name = segment.getSymName();
  name.consume_back(kTappedSuffix);
  int64_t runs = 0;
  segment->getParentOfType<mlir::ModuleOp>().walk(
      [&](mlir::plx::RunOp run) { runs += run.getSegment() == name; });
  auto shape = mlir::cast<mlir::plx::CarryType>(state.getType()).getShape();
  return runs * mlir::ShapedType::getNumElements(shape) * int64_t(sizeof(float)) >= kCaches;
}

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

/// Tokens from which on sequences run in chunks; 0: none do. A state's block is on the stack.
inline int64_t chunkedFrom(const SegmentLowering &segment, std::optional<mlir::ssm::Form> form,
                           std::optional<int64_t> length, mlir::Value state, int64_t entries) {
  bool chunked = formOf(segment, form, state) == mlir::ssm::Form::Chunked && entries <= 512;
  return chunked ? length.value_or(1) : 0;
}

/// For reports.
inline std::string formReport(int64_t chunkedFrom, llvm::StringRef recurrent) {
  std::string text = "recurrent form, " + recurrent.str();
  if (chunkedFrom > 0)
    text += "; chunks of " + std::to_string(emit::kChunkTokens) + " tokens where a sequence has " +
            std::to_string(chunkedFrom) + " or more";
  return text;
}

/// The sequences that run in chunks; `prepare` emits what makes the decays and weights of tokens.
inline void emitChunks(SegmentLowering &segment, mlir::Location loc,
                       const emit::ChunkedScanSpec &spec, emit::ChunkedScanOperands operands,
                       llvm::function_ref<void()> prepare) {
  emit::Code code{segment.builder(), loc};
  mlir::Value tokens = segment.rows(loc, operands.value);
  auto products = mlir::MemRefType::get(
      {mlir::ShapedType::kDynamic, spec.groups, emit::kChunkTokens}, code.builder.getF32Type());
  operands.forQuery = segment.allocate(products, tokens);
  if (spec.erase)
    operands.forKey = segment.allocate(products, tokens);
  mlir::Value sequences = segment.size(mlir::plx::SizeSymbol::Sequences);
  mlir::Value rows = code.add(tokens, code.mul(sequences, emit::kChunkTokens));
  operands.keys = segment.allocate(
      mlir::MemRefType::get({mlir::ShapedType::kDynamic}, code.builder.getF32Type()),
      code.mul(rows, spec.groups * spec.entries));
  int64_t work = emit::kChunkTokens * spec.entries;
  code.ifElse(
      code.less(tokens, code.index(spec.shortest)), [] {},
      [&] {
        prepare();
        segment.emitParallel(work * spec.groups, [&] {
          emit::emitChunkProducts(code.builder, loc, segment.isa(), spec, operands);
        });
        segment.emitParallel(work * spec.width, [&] {
          emit::emitChunkedScan(code.builder, loc, segment.isa(), spec, operands);
        });
      });
}

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_STATESPACES_H
