// Layers of which each row picks one: checks and meaning.
#include "dialects/brain/BrainOps.h"
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::brain;

using Values = FailureOr<SmallVector<Value>>;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// `index`, an i32, as an index within 0 .. count - 1.
static Value clamped(ImplicitLocOpBuilder &b, Value index, int64_t count) {
  Value place = arith::MaxSIOp::create(b, toIndex(b, index), indexConstant(b, 0));
  return arith::MinSIOp::create(b, place, indexConstant(b, count - 1));
}

//===--- SwitchedLinear -----------------------------------------------------------------------===//

LogicalResult SwitchedLinearOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                                 Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto type = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  if (!type || type.getRank() < 2)
    return failure();
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = adaptor.getColumns();
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

SmallVector<unsigned> SwitchedLinearOp::getProductWeights() { return {2}; }

LogicalResult SwitchedLinearOp::verify() {
  auto input = tensorType(getInput()), weight = tensorType(getWeight());
  auto parts = static_cast<int64_t>(getParts()), columns = static_cast<int64_t>(getColumns());
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyMinRank(*this, "input", getInput(), 2)))
    return failure();
  if (parts < 1 || columns < 1)
    return emitOpError("'parts' and 'columns' must be positive, found ")
           << parts << " and " << columns;
  if (failed(
          verifyEqual(*this, "weight", "columns", weight.getDimSize(1), input.getShape().back())))
    return failure();
  int64_t rows = weight.getDimSize(0);
  if (rows % parts || rows / parts < columns)
    return emitOpError("'weight' has ")
           << rows << " rows, expected " << parts << " parts of " << columns << " or more each";
  if (!getBias())
    return success();
  auto bias = tensorType(getBias());
  if (failed(verifyEqual(*this, "bias", "rows", bias.getDimSize(0), parts)))
    return failure();
  return verifyEqual(*this, "bias", "columns", bias.getDimSize(1), columns);
}

Values SwitchedLinearOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value weight = denseWeight(b, getWeight());
  auto parts = static_cast<int64_t>(getParts());
  int64_t rank = rankOf(getInput()), rows = tensorType(weight).getDimSize(0) / parts;
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  sizes.back() = b.getIndexAttr(getColumns());
  // Loops: t, ..., n, k.
  SmallVector<int64_t> places = llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
  places.push_back(rank);
  auto term = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value first =
        arith::MulIOp::create(b, clamped(b, v[1], parts), indexConstant(b, rows)).getResult();
    Value row = arith::AddIOp::create(b, first, loopIndex(b, rank - 1));
    Value w = tensor::ExtractOp::create(b, weight, ValueRange{row, loopIndex(b, rank)});
    Value product = arith::MulFOp::create(b, v[0], convertFloat(b, w, v[0].getType()));
    return arith::AddFOp::create(b, v[2], product);
  };
  Value sum = reduceElements(b, sizes, b.getF32Type(), 0.0, 1, {getInput(), getIndex()},
                             {dimsMap(b, rank + 1, places), dimsMap(b, rank + 1, {0})}, term);
  auto finish = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    if (!getBias())
      return v[0];
    Value at = clamped(b, v[1], parts);
    Value bias = tensor::ExtractOp::create(b, getBias(), ValueRange{at, loopIndex(b, rank - 1)});
    return arith::AddFOp::create(b, v[0], convertFloat(b, bias, v[0].getType()));
  };
  return SmallVector<Value>{mapElements(b, sizes, elementOf(getInput()), {sum, getIndex()},
                                        {rangeMap(b, rank, 0, rank), dimsMap(b, rank, {0})},
                                        finish)};
}

//===--- Choose -------------------------------------------------------------------------------===//

LogicalResult ChooseOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  if (adaptor.getValues().empty())
    return failure();
  types.push_back(adaptor.getValues().front().getType());
  return success();
}

LogicalResult ChooseOp::verify() {
  if (getValues().empty())
    return emitOpError("needs one of 'values' at least");
  for (auto [number, value] : llvm::enumerate(getValues()))
    if (value.getType() != getType())
      return emitOpError("'values' ")
             << number << " is " << value.getType() << ", expected " << getType();
  return verifyRows(*this, "values", getValues().front());
}

Values ChooseOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = rankOf(getResult());
  SmallVector<Value> inputs(getValues());
  SmallVector<AffineMap> maps(inputs.size(), rangeMap(b, rank, 0, rank));
  inputs.push_back(getIndex());
  maps.push_back(dimsMap(b, rank, {0}));
  return SmallVector<Value>{mapElements(b, sizesOf(b, inputs[0]), elementOf(getResult()), inputs,
                                        maps, [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                          Value picked = v[0], index = toIndex(b, v.back());
                                          for (size_t i = 1; i + 1 < v.size(); ++i) {
                                            Value here = arith::CmpIOp::create(
                                                b, arith::CmpIPredicate::sge, index,
                                                indexConstant(b, int64_t(i)));
                                            picked = arith::SelectOp::create(b, here, v[i], picked);
                                          }
                                          return picked;
                                        })};
}

//===--- OfSequence ---------------------------------------------------------------------------===//

LogicalResult OfSequenceOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
  return success();
}

plx::SizeSymbol OfSequenceOp::getResultRows(unsigned) { return plx::SizeSymbol::Tokens; }

LogicalResult OfSequenceOp::verify() { return verifyRows(*this, "input", getInput()); }

Values OfSequenceOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value sequence = batchField(b, BatchField::Sequence, getBatch());
  int64_t rank = rankOf(getInput());
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  sizes[0] = sizesOf(b, sequence)[0];
  auto body = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    SmallVector<Value> place{toIndex(b, v[0])};
    for (int64_t axis = 1; axis < rank; ++axis)
      place.push_back(loopIndex(b, axis));
    return tensor::ExtractOp::create(b, getInput(), place);
  };
  return SmallVector<Value>{
      mapElements(b, sizes, elementOf(getInput()), sequence, dimsMap(b, rank, {0}), body)};
}
