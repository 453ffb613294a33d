// What the emitters of scans share: step sizes, and state entries in groups that fit the registers.
#include "passes/lower/cpu/emit/ScanParts.h"
#include "dialects/plx/Activations.h"
#include "passes/lower/cpu/emit/VectorMath.h"
#include "llvm/Support/MathExtras.h"

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

Value emitScaledRate(const Code &code, Value rate) {
  return code.make<arith::MulFOp>(rate, code.constant(rate.getType(), llvm::numbers::log2e));
}

Value emitDecay(const Code &code, Value step, Value scaledRate) {
  return emitPowerOfTwo(code.builder, code.loc, code.make<arith::MulFOp>(step, scaledRate));
}

void forEntryGroups(const Code &code, const Isa &isa, int64_t entries, int64_t vectors,
                    GroupBody body) {
  int64_t group = std::min(entries, isa.vectorRegisters / 2 / vectors),
          whole = entries / group * group;
  body(code.index(0), group, true);
  if (whole > group)
    code.loop(group, whole, group, [&](Value entry) { body(entry, group, false); });
  if (entries > whole)
    body(code.index(whole), entries - whole, false);
}

} // namespace plexus::emit
