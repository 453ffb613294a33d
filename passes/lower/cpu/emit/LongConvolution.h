// Convolution of whole sequences by Fourier transforms.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_LONGCONVOLUTION_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_LONGCONVOLUTION_H

#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/Code.h"

namespace plexus::emit {

/// The tokens of a sequence in the order in which a recurrence meets them.
struct Span {
  mlir::Value begin, end;
  bool reverse;

  static Span of(const Code &code, const BatchFields &batch, mlir::Value sequence, bool reverse);
  mlir::Value length(const Code &code) const { return code.sub(end, begin); }
  mlir::Value token(const Code &code, mlir::Value number) const;
};

/// Channels of a kernel: rows are numbered by their distance in tokens.
struct KernelPart {
  mlir::Value channel;
  mlir::VectorType type;
  mlir::Value memref;
  mlir::Value item;
  int64_t place; ///< in a row of the scratch

  llvm::SmallVector<mlir::Value> at(const Code &code, mlir::Value row) const {
    return {item, row, code.index(place)};
  }
  void add(const Code &code, mlir::Value row, mlir::Value value) const;
};

/// Each channel of input [T, channels] convolved with a kernel of its own to out, f32 memrefs.
struct LongConvolution {
  int64_t channels, lanes;
  bool reverse;
  mlir::Value input, out;
  BatchFields batch;
  /// What it works in: [pairs, >= 4 T, 2 lanes] twice, [2, >= 2 T + lanes]. Pairs of vectors of
  /// channels are one complex vector.
  mlir::Value rows, kernel, roots;

  int64_t pairs() const { return (channels + 2 * lanes - 1) / (2 * lanes); }
};

/// All sequences of at least `shortest` tokens. A pair of vectors of channels is one item; its
/// kernel is computed anew where the length of transforms changes from a sequence to the next:
/// `make` adds the rows [0, length) to a part of zeros; `length` is a power of 2.
using KernelMaker = llvm::function_ref<void(const KernelPart &part, mlir::Value length)>;
void emitLongConvolution(const Code &code, const LongConvolution &convolution, int64_t shortest,
                         KernelMaker make);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_LONGCONVOLUTION_H
