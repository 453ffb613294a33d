// Generates the scan of Mamba-2 (state space duality) over ragged batches.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_SSD_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_SSD_H

#include "passes/lower/cpu/emit/ScanParts.h"

namespace plexus::emit {

struct SsdSpec {
  int64_t heads = 0, width = 0, groups = 0, entries = 0;
  StepSize step;
  bool reverse = false;
  bool streams = false;    ///< See CarryFields.
  int64_t chunkedFrom = 0; ///< Chains of so many tokens are left out; 0: none.
};

/// Operands of `ssm.ssd`: memrefs input, out [T, heads, width], delta [T, heads], b, c [T, groups,
/// entries], rate, deltaBias, skip [heads], the last two or null; !llvm.ptr batch, and state or
/// null. `steps` and `decays` [T, heads] are scratch.
struct SsdOperands {
  mlir::Value input, delta, rate, b, c, deltaBias, skip, batch, state, out, steps, decays;
};

/// Emits a loop over tokens that fills `steps` and `decays`.
void emitSsdSteps(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa, const SsdSpec &spec,
                  const SsdOperands &operands);

/// Emits a parallel loop over sequences, heads and vectors of a head's width; state entries are
/// registers along the tokens, a group of them at a time.
void emitSsd(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa, const SsdSpec &spec,
             const SsdOperands &operands);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_SSD_H
