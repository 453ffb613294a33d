// Accessors of recurrent states: effects and checks.
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Verify.h"

using namespace mlir;
using namespace mlir::plx;

LogicalResult plx::verifyCarry(Operation *op, StringRef name, Value state,
                               ArrayRef<int64_t> shape) {
  if (!state || cast<CarryType>(state.getType()).getShape() == shape)
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError("'")
                                  << name << "' is " << state.getType() << ", expected "
                                  << CarryType::get(op->getContext(), shape);
  return diagnostic;
}

/// The state's shape is the tensor's, in f32.
static LogicalResult verifyWhole(Operation *op, StringRef name, Value tensor, Value state) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.hasStaticShape() || !type.getElementType().isF32())
    return op->emitOpError("'") << name << "' must be a static f32 tensor, found " << type;
  return verifyCarry(op, "state", state, type.getShape());
}

LogicalResult CarryReadOp::verify() { return verifyWhole(*this, "last", getLast(), getState()); }

void CarryReadOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  if (getState())
    effects.emplace_back(MemoryEffects::Read::get(), &getStateMutable()[0]);
}

LogicalResult CarryWriteOp::verify() { return verifyWhole(*this, "value", getValue(), getState()); }

void CarryWriteOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Write::get(), &getStateMutable());
}
