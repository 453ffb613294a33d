// Verifier messages in one form: the operand's name, what was expected, what was found.
#include "dialects/plx/Verify.h"
#include <limits>

using namespace mlir;

LogicalResult plx::verifyVector(Operation *op, StringRef name, Value vector, Value of) {
  if (!vector)
    return success();
  auto ofType = cast<RankedTensorType>(of.getType());
  return verifyEqual(op, name, "size", cast<RankedTensorType>(vector.getType()).getDimSize(0),
                     ofType.getShape().back());
}

LogicalResult plx::verifyMinRank(Operation *op, StringRef name, Value value, int64_t rank) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() >= rank && !ShapedType::isDynamic(type.getShape().back()))
    return success();
  return op->emitOpError("'") << name << "' must have rank " << rank
                              << " or more and a static last axis, found " << type;
}

LogicalResult plx::verifyRows(Operation *op, StringRef name, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() >= 1 && type.isDynamicDim(0))
    return success();
  return op->emitOpError("'") << name
                              << "' must have a dynamic leading axis (rows of the batch), found "
                              << type;
}

LogicalResult plx::verifyTokenCount(Operation *op, StringRef name, int64_t count) {
  if (count >= 0 && count <= std::numeric_limits<int32_t>::max())
    return success();
  return op->emitOpError("'") << name << "' must be from 0 to 2^31 - 1, found " << count;
}
