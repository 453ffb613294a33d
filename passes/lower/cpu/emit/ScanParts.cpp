// What the emitters of scans share: step sizes, and state entries in groups that fit the registers.
#include "passes/lower/cpu/emit/ScanParts.h"
#include "dialects/plx/Activations.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace plexus::emit {

Value emitStepSize(const Code &code, const StepSize &spec, Value delta, Value bias) {
  Value step = bias ? code.make<arith::AddFOp>(delta, bias).getResult() : delta;
  if (spec.softplus) {
    ImplicitLocOpBuilder b(code.loc, code.builder);
    step = plx::buildActivation(b, plx::ActivationKind::Softplus, step);
  }
  if (spec.least)
    step = code.make<arith::MaximumFOp>(step, code.constant(step.getType(), *spec.least));
  if (spec.most)
    step = code.make<arith::MinimumFOp>(step, code.constant(step.getType(), *spec.most));
  return step;
}

Value emitRate(const Code &code, Value aLog) {
  return code.make<arith::NegFOp>(code.make<math::ExpOp>(aLog));
}

void forEntryGroups(const Code &code, const Isa &isa, int64_t entries, GroupBody body) {
  int64_t group = std::min(entries, isa.vectorRegisters / 2), whole = entries / group * group;
  body(code.index(0), group, true);
  if (whole > group)
    code.loop(group, whole, group, [&](Value entry) { body(entry, group, false); });
  if (entries > whole)
    body(code.index(whole), entries - whole, false);
}

} // namespace plexus::emit
