// Diagonal state spaces over whole sequences: a scan of chunks, and the kernel of a convolution.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_DIAGONALFORMS_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_DIAGONALFORMS_H

#include "dialects/ssm/Diagonal.h"
#include "passes/lower/cpu/emit/Carry.h"
#include "passes/lower/cpu/emit/LongConvolution.h"

namespace plexus::emit {

/// `ssm.diagonal` on buffers: f32 memrefs input and out [T, channels], or [T, 2 channels] without a
/// readout; a, b and readout [modes, channels], real and imaginary parts.
struct DiagonalSystem {
  int64_t modes, channels, lanes;
  bool reverse;
  double factor; ///< of the readout
  mlir::Value input, out;
  mlir::Value a[2], b[2], readout[2];

  bool hasReadout() const { return readout[0] != nullptr; }
  mlir::ssm::Coefficients coefficients(const Code &code, mlir::Value mode, mlir::Value channel,
                                       mlir::VectorType type) const;
};

/// The scan of one sequence and a vector of channels: chunks run side by side, each from zero, so
/// that one does not wait for the other; then each gets what the state before it makes of its
/// tokens. The first goes on from the state of the span's first token, and what is behind the last
/// one is left there.
void emitDiagonalScan(const Code &code, const DiagonalSystem &system, const CarryFields &fields,
                      const Span &span, mlir::Value channel, mlir::VectorType type);

/// Adds the kernel `factor Re sum_n c b a^l` of rows l < `length`, a power of 2, to a part.
void emitDiagonalKernel(const Code &code, const DiagonalSystem &system, const KernelPart &part,
                        mlir::Value length);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_DIAGONALFORMS_H
