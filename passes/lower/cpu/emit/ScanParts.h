// What the emitters of scans share: step sizes, and state entries in groups that fit the registers.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_SCANPARTS_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_SCANPARTS_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Isa.h"

#include <optional>

namespace plexus::emit {

/// How `delta` becomes the step size of a scan.
struct StepSize {
  bool softplus = false;
  std::optional<float> least, most;
};

/// The step sizes of `type`'s lanes from their deltas; `bias` may be null.
mlir::Value emitStepSize(const Code &code, const StepSize &spec, mlir::Value delta,
                         mlir::Value bias);

/// `rate` as emitDecay takes it.
mlir::Value emitScaledRate(const Code &code, mlir::Value rate);
/// `exp(step * rate)`, of a rate from emitScaledRate.
mlir::Value emitDecay(const Code &code, mlir::Value step, mlir::Value scaledRate);

/// Calls `body` for groups of the entries [0, entries) of a state, so large that `vectors` of each
/// fill half the registers: first the group at 0, then those behind it. `body` gets the first
/// entry, the number of entries, and whether it is the first group, which begins the sums that the
/// others add to.
using GroupBody = llvm::function_ref<void(mlir::Value entry, int64_t count, bool first)>;
void forEntryGroups(const Code &code, const Isa &isa, int64_t entries, int64_t vectors,
                    GroupBody body);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_SCANPARTS_H
