// Products, lookups and normalisations: shapes and checks.
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Verify.h"

using namespace mlir;
using namespace mlir::plx;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// `type` with its last axis of size `size`.
static RankedTensorType withLastAxis(RankedTensorType type, int64_t size) {
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = size;
  return RankedTensorType::get(shape, type.getElementType());
}

/// Type of `input` times a weight of `rows / divisor` output columns; fails on unranked or rank 0.
static LogicalResult inferProduct(Value input, Value weight, int64_t divisor,
                                  SmallVectorImpl<Type> &types) {
  auto inputType = dyn_cast<RankedTensorType>(input.getType());
  auto weightType = dyn_cast<RankedTensorType>(weight.getType());
  if (!inputType || !weightType || inputType.getRank() < 1 || weightType.getRank() != 2)
    return failure();
  types.push_back(withLastAxis(inputType, weightType.getDimSize(0) / divisor));
  return success();
}

static LogicalResult verifyProduct(Operation *op, Value input, Value weight) {
  if (failed(verifyMinRank(op, "input", input, 1)))
    return failure();
  return verifyEqual(op, "weight", "input columns", tensorType(weight).getDimSize(1),
                     tensorType(input).getShape().back());
}

//===--- Embedding ----------------------------------------------------------------------------===//

void EmbeddingOp::build(OpBuilder &builder, OperationState &state, Value ids, Value table) {
  int64_t rows = tensorType(ids).getDimSize(0);
  int64_t columns = tensorType(table).getDimSize(1);
  build(builder, state, RankedTensorType::get({rows, columns}, builder.getF32Type()), ids, table);
}

LogicalResult EmbeddingOp::verify() {
  SmallVector<int64_t> expected = {tensorType(getIds()).getDimSize(0),
                                   tensorType(getTable()).getDimSize(1)};
  RankedTensorType found = getType();
  if (found.getShape() != ArrayRef<int64_t>(expected))
    return emitOpError("'result' has type ")
           << found << ", expected " << RankedTensorType::get(expected, found.getElementType());
  return success();
}

//===--- Products -----------------------------------------------------------------------------===//

LogicalResult LinearOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                         LinearOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferProduct(adaptor.getInput(), adaptor.getWeight(), 1, types);
}

SmallVector<unsigned> LinearOp::getProductWeights() { return {1}; }
SmallVector<unsigned> FusedLinearOp::getProductWeights() { return {1}; }

LogicalResult LinearOp::verify() {
  if (failed(verifyProduct(*this, getInput(), getWeight())))
    return failure();
  if (!getBias())
    return success();
  return verifyEqual(*this, "bias", "size", tensorType(getBias()).getDimSize(0),
                     tensorType(getWeight()).getDimSize(0));
}

LogicalResult FusedLinearOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                              FusedLinearOp::Adaptor adaptor,
                                              SmallVectorImpl<Type> &types) {
  return inferProduct(adaptor.getInput(), adaptor.getWeight(), adaptor.getGated() ? 2 : 1, types);
}

LogicalResult FusedLinearOp::verify() {
  if (failed(verifyProduct(*this, getInput(), getWeight())))
    return failure();
  int64_t rows = tensorType(getWeight()).getDimSize(0);
  if (getGated() && rows % (2 * kGateBlock))
    return emitOpError("'weight' of a gated product needs a multiple of ")
           << 2 * kGateBlock << " rows, found " << rows;
  int64_t columns = getGated() ? rows / 2 : rows;
  RankedTensorType full = withLastAxis(tensorType(getInput()), columns);
  for (auto [index, extra] : llvm::enumerate(getExtras())) {
    RankedTensorType type = tensorType(extra);
    bool isVector = type.getRank() == 1 && type.getDimSize(0) == columns;
    if (!isVector && type.getShape() != full.getShape())
      return emitOpError("extra operand #")
             << index << " has type " << type << ", expected a vector of " << columns
             << " or the shape of " << full;
  }
  return success();
}

LogicalResult FusedLinearOp::verifyRegions() {
  Block &body = getEpilogue().front();
  unsigned expected = getNumAccumulators() + getExtras().size();
  if (failed(verifyEqual(*this, "epilogue", "arguments", body.getNumArguments(), expected)))
    return failure();
  for (BlockArgument argument : body.getArguments())
    if (!argument.getType().isF32())
      return emitOpError("'epilogue' argument #")
             << argument.getArgNumber() << " has type " << argument.getType() << ", expected f32";
  return verifyEqual<size_t>(body.getTerminator(), "values", "size",
                             body.getTerminator()->getNumOperands(), 1);
}

LogicalResult UnpackOp::verify() {
  if (tensorType(getInput()).getShape() != getType().getShape())
    return emitOpError("'result' has type ")
           << getType() << ", expected the shape of " << getInput().getType();
  return success();
}

OpFoldResult UnpackOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? getInput() : Value();
}

//===--- Normalisations -----------------------------------------------------------------------===//

static LogicalResult verifyEps(Operation *op, const APFloat &eps) {
  if (eps.isNegative() || !eps.isFinite())
    return op->emitOpError("'eps' must be finite and not negative, found ")
           << eps.convertToDouble();
  return success();
}

LogicalResult RmsNormOp::verify() {
  if (failed(verifyMinRank(*this, "input", getInput(), 1)) || failed(verifyEps(*this, getEps())))
    return failure();
  return verifyVector(*this, "weight", getWeight(), getInput());
}

LogicalResult LayerNormOp::verify() {
  if (failed(verifyMinRank(*this, "input", getInput(), 1)) || failed(verifyEps(*this, getEps())) ||
      failed(verifyVector(*this, "weight", getWeight(), getInput())))
    return failure();
  return verifyVector(*this, "bias", getBias(), getInput());
}

LogicalResult L2NormalizeOp::verify() {
  if (failed(verifyMinRank(*this, "input", getInput(), 1)))
    return failure();
  return verifyEps(*this, getEps());
}

LogicalResult SoftmaxOp::verify() { return verifyMinRank(*this, "input", getInput(), 1); }
