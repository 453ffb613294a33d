// Diagonal plus low-rank state spaces in vectors of channels.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_DPLR_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_DPLR_H

#include "passes/lower/cpu/emit/Carry.h"
#include "passes/lower/cpu/emit/Fourier.h"
#include "passes/lower/cpu/emit/LongConvolution.h"

namespace plexus::emit {

/// `ssm.dplr` with its step's factors: with e, g and r of the op, `solved = carry s' - low <q, s'>
/// + drive u`, `s = solved - low r <q, solved>`, with carry = e (g + l), low = e p, drive = 2 e b.
struct DplrSystem {
  int64_t modes, channels, lanes;
  bool reverse;
  mlir::Value input, out;                 ///< f32 memrefs [T, channels]
  mlir::Value q, c;                       ///< [2, modes, channels]
  mlir::Value carry[2], low[2], drive[2]; ///< [modes, channels]
  mlir::Value correction;                 ///< r: [channels]
};

/// A vector of channels of one sequence, from its state or zeros; modes are on the stack.
void emitDplrRecurrence(const Code &code, const DplrSystem &system, const CarryFields &fields,
                        mlir::Value sequence, mlir::Value channel, mlir::VectorType type);

/// Adds the answer to an impulse, rows l < `length`, to a part.
void emitDplrKernel(const Code &code, const DplrSystem &system, const KernelPart &part,
                    mlir::Value length);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_DPLR_H
