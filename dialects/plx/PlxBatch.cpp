// Ops that read the batch: shapes and checks.
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Verify.h"

using namespace mlir;
using namespace mlir::plx;

LogicalResult SelectRowsOp::verify() { return verifyRows(*this, "input", getInput()); }
LogicalResult PoolOp::verify() { return verifyRows(*this, "input", getInput()); }

LogicalResult PositionsOp::verify() { return verifyTokenCount(*this, "offset", getOffset()); }

/// tensor<?xi32>: one entry for each token, sequence or wanted row.
static LogicalResult inferIndices(MLIRContext *context, SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get({ShapedType::kDynamic}, IntegerType::get(context, 32)));
  return success();
}

LogicalResult PositionsOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                            PositionsOp::Adaptor, SmallVectorImpl<Type> &types) {
  return inferIndices(context, types);
}
LogicalResult TokenTypesOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                             TokenTypesOp::Adaptor, SmallVectorImpl<Type> &types) {
  return inferIndices(context, types);
}
LogicalResult BatchFieldOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                             BatchFieldOp::Adaptor, SmallVectorImpl<Type> &types) {
  return inferIndices(context, types);
}
