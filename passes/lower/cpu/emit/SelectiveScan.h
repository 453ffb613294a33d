// Generates the selective scan of Mamba over ragged batches.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_SELECTIVESCAN_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_SELECTIVESCAN_H

#include "passes/lower/cpu/emit/ScanParts.h"

namespace plexus::emit {

struct SelectiveScanSpec {
  int64_t channels = 0, entries = 0;
  StepSize step;
  bool reverse = false;
  bool streams = false; ///< See CarryFields.
};

/// Operands of `ssm.selective_scan`: memrefs input, delta, out [T, channels], rate [entries,
/// channels], b, c [T, entries], deltaBias, skip [channels] or null; !llvm.ptr batch, and state or
/// null. `steps` [vectors of channels, T, lanes] is scratch.
struct SelectiveScanOperands {
  mlir::Value input, delta, rate, b, c, deltaBias, skip, batch, state, out, steps;
};

/// Emits a parallel loop over sequences and vectors of channels; the state's entries are registers
/// along the tokens.
void emitSelectiveScan(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                       const SelectiveScanSpec &spec, const SelectiveScanOperands &operands);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_SELECTIVESCAN_H
