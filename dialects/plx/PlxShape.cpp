// Ops that move elements: shapes, checks and folds.
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Verify.h"

using namespace mlir;
using namespace mlir::plx;

//===--- Reshape ------------------------------------------------------------------------------===//

/// Number of dynamic axes and product of the static ones.
static std::pair<int64_t, int64_t> countElements(RankedTensorType type) {
  int64_t product = 1;
  for (int64_t size : type.getShape())
    if (!ShapedType::isDynamic(size))
      product *= size;
  return {type.getNumDynamicDims(), product};
}

LogicalResult ReshapeOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto [inputDynamic, inputProduct] = countElements(input);
  auto [resultDynamic, resultProduct] = countElements(getType());
  if (input.getRank() < 1 || getType().getRank() < 1 || inputDynamic > 1 ||
      inputDynamic != resultDynamic || inputProduct != resultProduct ||
      input.getElementType() != getType().getElementType())
    return emitOpError("'result' has type ")
           << getType() << ", expected one with the elements of " << input
           << " (one axis or more, at most one of them dynamic)";
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  auto producer = getInput().getDefiningOp<ReshapeOp>();
  if (!producer)
    return {};
  if (producer.getInput().getType() == getType())
    return producer.getInput();
  getInputMutable().assign(producer.getInput());
  return getResult();
}

//===--- Slice --------------------------------------------------------------------------------===//

LogicalResult SliceOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                        SliceOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto input = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  if (!input || input.getRank() < 1)
    return failure();
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = adaptor.getSize();
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

LogicalResult SliceOp::verify() {
  if (failed(verifyMinRank(*this, "input", getInput(), 1)))
    return failure();
  int64_t columns = cast<RankedTensorType>(getInput().getType()).getShape().back();
  int64_t begin = getBegin(), size = getSize();
  if (begin < 0 || size < 1 || begin > columns || size > columns - begin)
    return emitOpError("from ") << begin << " size " << size << " leaves the " << columns
                                << " columns of 'input'";
  return success();
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? getInput() : Value();
}

//===--- Reorder ------------------------------------------------------------------------------===//

LogicalResult ReorderOp::verify() {
  if (failed(verifyMinRank(*this, "input", getInput(), 1)))
    return failure();
  ArrayRef<int64_t> shape = cast<RankedTensorType>(getInput().getType()).getShape();
  auto order = cast<RankedTensorType>(getOrder().getType());
  if (order.getShape() != shape.take_back() || !order.getElementType().isF32())
    return emitOpError("'order' must have an f32 index for each of the ")
           << shape.back() << " columns of 'input', found " << order;
  return success();
}

//===--- Concat -------------------------------------------------------------------------------===//

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                         ConcatOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  int64_t columns = 0;
  RankedTensorType first;
  for (Value value : adaptor.getInputs()) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || type.getRank() < 1)
      return failure();
    first = first ? first : type;
    columns += type.getShape().back();
  }
  if (!first)
    return failure();
  SmallVector<int64_t> shape(first.getShape());
  shape.back() = columns;
  types.push_back(RankedTensorType::get(shape, first.getElementType()));
  return success();
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError("needs at least one operand");
  auto first = cast<RankedTensorType>(getInputs().front().getType());
  for (auto [index, value] : llvm::enumerate(getInputs())) {
    if (failed(verifyMinRank(*this, "inputs", value, 1)))
      return failure();
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getElementType() != first.getElementType() ||
        type.getShape().drop_back() != first.getShape().drop_back())
      return emitOpError("operand #")
             << index << " has type " << type << ", expected that of operand #0, " << first
             << ", but for the last axis";
  }
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 ? getInputs().front() : Value();
}
