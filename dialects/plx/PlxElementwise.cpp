// Elementwise ops: checks and folds.
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Verify.h"

using namespace mlir;
using namespace mlir::plx;

OpFoldResult ActivationOp::fold(FoldAdaptor) {
  return getKind() == ActivationKind::Identity ? getInput() : Value();
}

/// The right operand must have the left one's shape, or its trailing part.
static LogicalResult verifyBroadcast(Operation *op) {
  auto lhs = cast<RankedTensorType>(op->getOperand(0).getType());
  auto rhs = cast<RankedTensorType>(op->getOperand(1).getType());
  if (rhs.getRank() <= lhs.getRank() && lhs.getShape().take_back(rhs.getRank()) == rhs.getShape())
    return success();
  return op->emitOpError("'rhs' has type ")
         << rhs << ", expected the shape of " << lhs << " or its trailing part";
}

LogicalResult AddOp::verify() { return verifyBroadcast(*this); }
LogicalResult SubOp::verify() { return verifyBroadcast(*this); }
LogicalResult MulOp::verify() { return verifyBroadcast(*this); }

LogicalResult ScaleOp::verify() {
  if (!getScalar() == !getFactor())
    return emitOpError("needs either a 'scalar' operand or a 'factor' attribute");
  return success();
}

OpFoldResult ScaleOp::fold(FoldAdaptor) {
  return getFactor() && getFactor()->isExactlyValue(1.0) ? getInput() : Value();
}

LogicalResult SoftcapOp::verify() {
  if (getCap().isNegative() || getCap().isZero() || !getCap().isFinite())
    return emitOpError("'cap' must be positive, found ") << getCap().convertToDouble();
  return success();
}
