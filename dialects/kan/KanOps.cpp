// The ops of kan: shapes and checks.
#include "dialects/kan/KanOps.h"
#include "dialects/kan/KanFunctions.h"
#include "dialects/plx/Verify.h"

using namespace mlir;
using namespace mlir::kan;

//===--- Shared -------------------------------------------------------------------------------===//

static RankedTensorType tensorType(Value value) {
  return dyn_cast<RankedTensorType>(value.getType());
}

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// `input` with a last axis of `size`.
static LogicalResult inferLast(Value input, int64_t size, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(input);
  if (!type || type.getRank() < 1)
    return failure();
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = size;
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

/// A layer's result: as many columns as the last axis of `weight`.
static LogicalResult inferLayer(Value input, Value weight, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(weight);
  if (!type || type.getRank() < 2)
    return failure();
  return inferLast(input, type.getShape().back(), types);
}

static LogicalResult inferSame(Value input, SmallVectorImpl<Type> &types) {
  types.push_back(input.getType());
  return success();
}

/// Checks that `weight` is [in, .., out] as `like` is.
static LogicalResult verifyEdges(Operation *op, StringRef name, Value weight, Value like) {
  if (!weight)
    return success();
  if (failed(plx::verifyEqual(op, name, "inputs", shapeOf(weight).front(), shapeOf(like).front())))
    return failure();
  return plx::verifyEqual(op, name, "outputs", shapeOf(weight).back(), shapeOf(like).back());
}

/// Checks the operands that all layers have.
static LogicalResult verifyLayer(Operation *op, Value input, StringRef name, Value weight,
                                 Value bias, Value result) {
  if (failed(plx::verifyMinRank(op, "input", input, 1)) ||
      failed(
          plx::verifyEqual(op, name, "inputs", shapeOf(weight).front(), shapeOf(input).back())) ||
      failed(plx::verifyVector(op, "bias", bias, result)))
    return failure();
  if (!cast<RankedTensorType>(weight.getType()).hasStaticShape())
    return op->emitOpError("'") << name << "' must have a static shape, found " << weight.getType();
  return success();
}

//===--- Layers -------------------------------------------------------------------------------===//

#define INFER(Op, ...)                                                                             \
  LogicalResult Op::inferReturnTypes(MLIRContext *, std::optional<Location>, Op::Adaptor adaptor,  \
                                     SmallVectorImpl<Type> &types) {                               \
    return __VA_ARGS__;                                                                            \
  }

INFER(BSplineOp, inferLayer(adaptor.getInput(), adaptor.getCoef(), types))
INFER(RbfOp, inferLayer(adaptor.getInput(), adaptor.getCoef(), types))
INFER(ChebyshevOp, inferLayer(adaptor.getInput(), adaptor.getCoef(), types))
INFER(FourierOp, inferLayer(adaptor.getInput(), adaptor.getCoef(), types))
INFER(WaveletOp, inferLayer(adaptor.getInput(), adaptor.getWeight(), types))
INFER(RationalOp, inferSame(adaptor.getInput(), types))
INFER(SelectOp, inferSame(adaptor.getInput(), types))
INFER(SymbolicOp, inferLast(adaptor.getInput(), adaptor.getSize(), types))

LogicalResult BSplineOp::verify() {
  constexpr int64_t kLargestOrder = 15;
  if (failed(verifyLayer(*this, getInput(), "coef", getCoef(), getBias(), getResult())) ||
      failed(verifyEdges(*this, "base", getBase(), getCoef())) ||
      failed(
          plx::verifyEqual(*this, "grid", "inputs", shapeOf(getGrid())[1], shapeOf(getCoef())[0])))
    return failure();
  int64_t order = getOrder();
  if (order < 0 || order > kLargestOrder)
    return emitOpError("'order' must be from 0 to ") << kLargestOrder << ", found " << order;
  if (shapeOf(getCoef())[1] <= order)
    return emitOpError("'coef' has ") << shapeOf(getCoef())[1] << " functions, expected more than "
                                      << "the order, " << order;
  return plx::verifyEqual(*this, "grid", "knots", shapeOf(getGrid())[0],
                          shapeOf(getCoef())[1] + order + 1);
}

LogicalResult RbfOp::verify() {
  if (failed(verifyLayer(*this, getInput(), "coef", getCoef(), getBias(), getResult())))
    return failure();
  if (!(getWidth().convertToDouble() > 0))
    return emitOpError("'width' must be positive, found ") << getWidth().convertToDouble();
  return plx::verifyEqual(*this, "centers", "size", shapeOf(getCenters())[0],
                          shapeOf(getCoef())[1]);
}

LogicalResult ChebyshevOp::verify() {
  return verifyLayer(*this, getInput(), "coef", getCoef(), getBias(), getResult());
}

LogicalResult FourierOp::verify() {
  if (failed(verifyLayer(*this, getInput(), "coef", getCoef(), getBias(), getResult())))
    return failure();
  if (shapeOf(getCoef())[1] % 2)
    return emitOpError("'coef' has ")
           << shapeOf(getCoef())[1] << " functions, expected as many cosines as sines";
  return success();
}

LogicalResult WaveletOp::verify() {
  if (failed(verifyLayer(*this, getInput(), "weight", getWeight(), getBias(), getResult())) ||
      failed(verifyEdges(*this, "translation", getTranslation(), getWeight())) ||
      failed(verifyEdges(*this, "scale", getScale(), getWeight())))
    return failure();
  return verifyEdges(*this, "base", getBase(), getWeight());
}

LogicalResult SymbolicOp::verify() {
  size_t edges = getFunctions().size();
  if (failed(plx::verifyMinRank(*this, "input", getInput(), 1)) ||
      failed(plx::verifyEqual(*this, "inputs", "size", getInputs().size(), edges)) ||
      failed(plx::verifyEqual(*this, "outputs", "size", getOutputs().size(), edges)) ||
      failed(plx::verifyEqual<int64_t>(*this, "affine", "rows", shapeOf(getAffine())[0], edges)) ||
      failed(plx::verifyEqual<int64_t>(*this, "affine", "columns", shapeOf(getAffine())[1], 4)))
    return failure();
  auto inside = [](ArrayRef<int64_t> nodes, int64_t size) {
    return llvm::all_of(nodes, [&](int64_t node) { return node >= 0 && node < size; });
  };
  if (!inside(getInputs(), shapeOf(getInput()).back()))
    return emitOpError("'inputs' must be from 0 to ") << shapeOf(getInput()).back() - 1;
  if (getSize() < 1 || !inside(getOutputs(), getSize()))
    return emitOpError("'outputs' must be from 0 to ") << getSize() - 1;
  for (auto name : getFunctions().getAsValueRange<StringAttr>())
    if (!isSymbolicFunction(name))
      return emitOpError("'functions' has '") << name << "'; known are " << symbolicFunctionList();
  return success();
}

//===--- Nodes --------------------------------------------------------------------------------===//

LogicalResult RationalOp::verify() {
  if (failed(plx::verifyMinRank(*this, "input", getInput(), 1)))
    return failure();
  int64_t groups = shapeOf(getDenominator())[0], columns = shapeOf(getInput()).back();
  if (groups < 1 || columns % groups)
    return emitOpError("'denominator' has ")
           << groups << " groups, which do not divide " << columns << " channels";
  int64_t own = shapeOf(getNumerator())[0];
  if (own != 1 && own != groups)
    return emitOpError("'numerator' has ") << own << " groups, expected 1 or " << groups;
  if (shapeOf(getNumerator())[1] < 1)
    return emitOpError("'numerator' needs a coefficient");
  return success();
}

LogicalResult SelectOp::verify() {
  if (failed(plx::verifyMinRank(*this, "input", getInput(), 1)) ||
      failed(plx::verifyEqual<int64_t>(*this, "functions", "size", getFunctions().size(),
                                       shapeOf(getInput()).back())))
    return failure();
  for (auto name : getFunctions().getAsValueRange<StringAttr>())
    if (!isNodeFunction(name))
      return emitOpError("'functions' has '") << name << "'; known are " << symbolicFunctionList()
                                              << ", and the activations of plx.activation";
  return success();
}

LogicalResult MultiplyOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                           MultiplyOp::Adaptor adaptor,
                                           SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t sums = adaptor.getSums(), arity = adaptor.getArity();
  if (!type || type.getRank() < 1 || arity < 1 || sums < 0)
    return failure();
  return inferLast(adaptor.getInput(), sums + (type.getShape().back() - sums) / arity, types);
}

LogicalResult MultiplyOp::verify() {
  if (failed(plx::verifyMinRank(*this, "input", getInput(), 1)))
    return failure();
  int64_t sums = getSums(), arity = getArity(), columns = shapeOf(getInput()).back();
  if (sums > columns || (columns - sums) % arity)
    return emitOpError("'input' has ")
           << columns << " channels, expected " << sums << " and a multiple of " << arity;
  return success();
}

INFER(PickOp, inferLast(adaptor.getInput(), adaptor.getColumns().size(), types))

LogicalResult PickOp::verify() {
  if (failed(plx::verifyMinRank(*this, "input", getInput(), 1)))
    return failure();
  int64_t size = shapeOf(getInput()).back();
  if (getColumns().empty() ||
      llvm::any_of(getColumns(), [&](int64_t column) { return column < 0 || column >= size; }))
    return emitOpError("'columns' must be from 0 to ") << size - 1;
  return success();
}

//===--- Images -------------------------------------------------------------------------------===//

namespace {
/// Sizes of an image and of what is made of it.
struct Windows {
  int64_t channels = 0, positions = 1;
  bool fits = false;
};
} // namespace

static Windows windowsOf(RankedTensorType type, ArrayRef<int64_t> kernel, ArrayRef<int64_t> stride,
                         ArrayRef<int64_t> padding, ArrayRef<int64_t> dilation, bool last) {
  Windows w;
  bool pairs =
      kernel.size() == 2 && stride.size() == 2 && padding.size() == 2 && dilation.size() == 2;
  if (!type || type.getRank() != 4 || !pairs)
    return w;
  w.channels = type.getDimSize(last ? 3 : 1);
  for (int64_t axis = 0; axis < 2; ++axis) {
    if (kernel[axis] < 1 || stride[axis] < 1 || padding[axis] < 0 || dilation[axis] < 1)
      return w;
    int64_t size = type.getDimSize(axis + (last ? 1 : 2)),
            reach = dilation[axis] * (kernel[axis] - 1) + 1;
    if (ShapedType::isDynamic(size) || size + 2 * padding[axis] < reach)
      return w;
    w.positions *= (size + 2 * padding[axis] - reach) / stride[axis] + 1;
  }
  w.fits = !ShapedType::isDynamic(w.channels);
  return w;
}

LogicalResult PatchesOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                          PatchesOp::Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  Windows w = windowsOf(type, adaptor.getKernel(), adaptor.getStride(), adaptor.getPadding(),
                        adaptor.getDilation(), adaptor.getChannelsLast());
  if (!w.fits)
    return failure();
  ArrayRef<int64_t> kernel = adaptor.getKernel();
  types.push_back(
      RankedTensorType::get({type.getDimSize(0), w.positions, w.channels * kernel[0] * kernel[1]},
                            type.getElementType()));
  return success();
}

LogicalResult PatchesOp::verify() { return success(); }

LogicalResult SwapOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                       SwapOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  if (!type || type.getRank() < 2)
    return failure();
  SmallVector<int64_t> shape(type.getShape());
  std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult SwapOp::verify() { return success(); }

#define GET_OP_CLASSES
#include "dialects/kan/KanOps.cpp.inc"
