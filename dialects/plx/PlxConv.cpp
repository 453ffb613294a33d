// Convolutions and pools over windows: shapes and checks.
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Verify.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "runtime/io/Spectrum.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::plx;

using Sizes = std::optional<ArrayRef<int64_t>>;

//===--- Windows ------------------------------------------------------------------------------===//

std::optional<WindowAxes> plx::windowAxes(ArrayRef<int64_t> sizes, ArrayRef<int64_t> kernel,
                                          Sizes strides, Sizes dilations, Sizes begin, Sizes end) {
  if (kernel.size() != sizes.size())
    return std::nullopt;
  for (Sizes list : {strides, dilations, begin, end})
    if (list && list->size() != sizes.size())
      return std::nullopt;
  auto at = [](Sizes list, size_t axis, int64_t otherwise) {
    return list ? (*list)[axis] : otherwise;
  };
  WindowAxes axes;
  for (size_t i = 0; i < sizes.size(); ++i)
    axes.push_back({sizes[i], kernel[i], at(strides, i, 1), at(dilations, i, 1), at(begin, i, 0),
                    at(end, i, 0)});
  return axes;
}

SmallVector<int64_t> plx::filterBlocks(int64_t filters) {
  constexpr int64_t kLargest = 8;
  int64_t count = (filters + kLargest - 1) / kLargest;
  SmallVector<int64_t> sizes(count, filters / count);
  for (int64_t i = 0; i < filters % count; ++i)
    ++sizes[i];
  return sizes;
}

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// `[rows, channels]` and a size for each axis.
static RankedTensorType mapType(RankedTensorType input, int64_t channels, const WindowAxes &axes) {
  SmallVector<int64_t> shape = {input.getDimSize(0), channels};
  for (const WindowAxis &axis : axes)
    shape.push_back(axis.result());
  return RankedTensorType::get(shape, input.getElementType());
}

/// Checks that maps have static spatial sizes and that a window fits on each axis.
static LogicalResult verifyAxes(Operation *op, RankedTensorType input, const WindowAxes &axes) {
  for (int64_t size : input.getShape().drop_front())
    if (ShapedType::isDynamic(size))
      return op->emitOpError("'input' has type ") << input << "; only its row axis may be dynamic";
  for (auto [index, axis] : llvm::enumerate(axes)) {
    if (axis.kernel < 1 || axis.stride < 1 || axis.dilation < 1 || axis.begin < 0 || axis.end < 0)
      return op->emitOpError("axis ")
             << index
             << " needs a kernel, stride and dilation of 1 or more and "
                "pads of 0 or more, found kernel "
             << axis.kernel << ", stride " << axis.stride << ", dilation " << axis.dilation
             << ", pads " << axis.begin << " and " << axis.end;
    if (axis.result() < 1)
      return op->emitOpError("axis ") << index << ": a window of " << axis.span()
                                      << " does not fit " << axis.padded() << " places";
  }
  return success();
}

/// The axes of a map, or failure where lists and ranks do not fit each other.
template <typename Op>
static FailureOr<WindowAxes> inferAxes(Op op, RankedTensorType input, ArrayRef<int64_t> kernel) {
  if (!input || input.getRank() < 3)
    return failure();
  auto axes = windowAxes(input.getShape().drop_front(2), kernel, op.getStrides(), op.getDilations(),
                         op.getPadsBegin(), op.getPadsEnd());
  if (!axes || llvm::any_of(*axes, [](const WindowAxis &a) { return a.stride < 1; }))
    return failure();
  return *axes;
}

//===--- Convolution --------------------------------------------------------------------------===//

/// `[O, C / groups, K...]` of a weight that may be blocked.
template <typename Op>
static ArrayRef<int64_t> kernelShape(Op op) {
  if (std::optional<ArrayRef<int64_t>> blocked = op.getBlocked())
    return *blocked;
  auto type = dyn_cast<RankedTensorType>(op.getWeight().getType());
  return type ? type.getShape() : ArrayRef<int64_t>();
}

/// The map that a convolution makes; `name`: of the operand or attribute that has the kernel's
/// shape.
template <typename Adaptor>
static LogicalResult inferConv(std::optional<Location> loc, Adaptor adaptor,
                               ArrayRef<int64_t> kernel, StringRef name,
                               SmallVectorImpl<Type> &types) {
  auto input = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  if (kernel.size() < 3)
    return emitOptionalError(loc, "'", name, "' of a convolution is [O, C / groups, K...]");
  auto axes = inferAxes(adaptor, input, kernel.drop_front(2));
  if (failed(axes))
    return emitOptionalError(loc, "'input' ", adaptor.getInput().getType(), ", kernel [", kernel,
                             "], strides, dilations and pads do not fit each other");
  types.push_back(mapType(input, kernel[0], *axes));
  return success();
}

LogicalResult ConvOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                       ConvOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferConv(loc, adaptor, kernelShape(adaptor), "weight", types);
}

SmallVector<int64_t> ConvOp::getKernelShape() { return llvm::to_vector(kernelShape(*this)); }

WindowAxes ConvOp::getAxes() {
  return *inferAxes(*this, tensorType(getInput()), kernelShape(*this).drop_front(2));
}

static LogicalResult verifyPoints(ConvOp conv) {
  int64_t points = *conv.getPoints();
  WindowAxis last = conv.getAxes().back();
  if (points < 2 * plexus::kSpectrumLanes || !llvm::isPowerOf2_64(points) || points < last.kernel)
    return conv.emitOpError("'points' ")
           << points << " must be a power of 2 of at least " << 2 * plexus::kSpectrumLanes
           << " and not less than the " << last.kernel << " places of the kernel";
  if (!conv.getBlocked() || conv.getGroups() != 1 || last.stride != 1 || last.dilation != 1)
    return conv.emitOpError("'points' needs 'blocked', one group, and stride and dilation 1 along "
                            "the last axis");
  return success();
}

LogicalResult ConvOp::verify() {
  ArrayRef<int64_t> kernel = kernelShape(*this);
  RankedTensorType input = tensorType(getInput());
  if (failed(verifyAxes(*this, input, getAxes())))
    return failure();
  int64_t groups = getGroups();
  if (groups < 1 || kernel[0] % groups || kernel[1] * groups != input.getDimSize(1))
    return emitOpError("'weight' [") << kernel << "] in " << groups << " groups does not fit the "
                                     << input.getDimSize(1) << " channels of 'input'";
  if (getPoints() && failed(verifyPoints(*this)))
    return failure();
  if (getBlocked()) {
    RankedTensorType flat = tensorType(getWeight());
    int64_t elements = ShapedType::getNumElements(kernel);
    if (std::optional<uint64_t> points = getPoints())
      elements = elements / kernel.back() * static_cast<int64_t>(*points);
    if (flat.getRank() != 1 || flat.getDimSize(0) != elements)
      return emitOpError("'weight' has type ") << flat << ", expected a vector of the " << elements
                                               << " elements that 'blocked' says";
  }
  if (!getBias())
    return success();
  return verifyEqual(*this, "bias", "size", tensorType(getBias()).getDimSize(0), kernel[0]);
}

//===--- Quantized convolution ---------------------------------------------------------------===//

LogicalResult QuantizedConvOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                                QuantizedConvOp::Adaptor adaptor,
                                                SmallVectorImpl<Type> &types) {
  return inferConv(loc, adaptor, adaptor.getKernel(), "kernel", types);
}

WindowAxes QuantizedConvOp::getAxes() {
  return *inferAxes(*this, tensorType(getInput()), getKernel().drop_front(2));
}

LogicalResult QuantizedConvOp::verify() {
  ArrayRef<int64_t> kernel = getKernel();
  RankedTensorType input = tensorType(getInput());
  if (failed(verifyAxes(*this, input, getAxes())))
    return failure();
  int64_t groups = getGroups(), axis = getQuadAxis();
  if (groups < 1 || kernel[0] % groups || kernel[1] * groups != input.getDimSize(1))
    return emitOpError("'kernel' [") << kernel << "] in " << groups << " groups does not fit the "
                                     << input.getDimSize(1) << " channels of 'input'";
  if (axis < 1 || axis >= static_cast<int64_t>(kernel.size()))
    return emitOpError("'quad_axis' is ") << axis << ", expected an axis of 'kernel' behind its "
                                          << "first, 1 to " << kernel.size() - 1;
  int64_t others = ShapedType::getNumElements(kernel.drop_front()) / kernel[axis];
  SmallVector<int64_t> expected = {kernel[0], others * ((kernel[axis] + 3) / 4 * 4)};
  RankedTensorType weight = tensorType(getWeight());
  if (weight.getShape() != ArrayRef<int64_t>(expected))
    return emitOpError("'weight' has type ")
           << weight << ", expected the shape [" << expected << "]";
  if (failed(verifyEqual(*this, "range", "size", tensorType(getRange()).getDimSize(0), int64_t(2))))
    return failure();
  if (!getBias())
    return success();
  return verifyEqual(*this, "bias", "size", tensorType(getBias()).getDimSize(0), kernel[0]);
}

//===--- Pool ---------------------------------------------------------------------------------===//

LogicalResult PoolWindowOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                             PoolWindowOp::Adaptor adaptor,
                                             SmallVectorImpl<Type> &types) {
  auto input = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  auto axes = inferAxes(adaptor, input, adaptor.getKernel());
  if (failed(axes))
    return emitOptionalError(loc, "'input' ", adaptor.getInput().getType(), ", kernel [",
                             adaptor.getKernel(),
                             "], strides, dilations and pads do not fit each other");
  types.push_back(mapType(input, input.getDimSize(1), *axes));
  return success();
}

WindowAxes PoolWindowOp::getAxes() {
  return *inferAxes(*this, tensorType(getInput()), getKernel());
}

LogicalResult PoolWindowOp::verify() {
  WindowAxes axes = getAxes();
  if (failed(verifyAxes(*this, tensorType(getInput()), axes)))
    return failure();
  for (auto [index, axis] : llvm::enumerate(axes))
    if (axis.begin >= axis.span() || axis.end >= axis.span())
      return emitOpError("axis ") << index << ": a window of " << axis.span()
                                  << " could lie in the pads " << axis.begin << " and " << axis.end
                                  << " alone";
  return success();
}

//===--- Others -------------------------------------------------------------------------------===//

LogicalResult ChannelAffineOp::verify() {
  if (failed(verifyMinRank(*this, "input", getInput(), 2)))
    return failure();
  int64_t channels = tensorType(getInput()).getDimSize(1);
  if (failed(verifyEqual(*this, "scale", "size", tensorType(getScale()).getDimSize(0), channels)))
    return failure();
  return verifyEqual(*this, "shift", "size", tensorType(getShift()).getDimSize(0), channels);
}

static bool fitsOrder(RankedTensorType input, ArrayRef<int64_t> order) {
  return input && input.getRank() == static_cast<int64_t>(order.size()) && !order.empty() &&
         order[0] == 0 && isPermutationVector(order);
}

LogicalResult PermuteOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                          PermuteOp::Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  auto input = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  if (!fitsOrder(input, adaptor.getOrder()))
    return emitOptionalError(loc, "'order' [", adaptor.getOrder(),
                             "] must permute the axes of 'input' ", adaptor.getInput().getType(),
                             " and begin with 0");
  types.push_back(RankedTensorType::get(applyPermutation(input.getShape(), adaptor.getOrder()),
                                        input.getElementType()));
  return success();
}

LogicalResult PermuteOp::verify() { return success(); }

OpFoldResult PermuteOp::fold(FoldAdaptor) {
  return isIdentityPermutation(getOrder()) ? getInput() : Value();
}

LogicalResult MatmulOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                         MatmulOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto lhs = dyn_cast<RankedTensorType>(adaptor.getLhs().getType());
  auto rhs = dyn_cast<RankedTensorType>(adaptor.getRhs().getType());
  bool ranks = lhs && rhs && lhs.getRank() == rhs.getRank() && lhs.getRank() >= 3;
  int64_t inner = adaptor.getTransposed() ? 1 : 2, outer = 3 - inner;
  if (!ranks || lhs.getShape().drop_back(2) != rhs.getShape().drop_back(2) ||
      lhs.getShape().back() != rhs.getDimSize(rhs.getRank() - inner))
    return emitOptionalError(loc, "'lhs' ", adaptor.getLhs().getType(), " and 'rhs' ",
                             adaptor.getRhs().getType(), " cannot be multiplied row by row");
  SmallVector<int64_t> shape(lhs.getShape());
  shape.back() = rhs.getDimSize(rhs.getRank() - outer);
  types.push_back(RankedTensorType::get(shape, lhs.getElementType()));
  return success();
}

LogicalResult MatmulOp::verify() { return success(); }

LogicalResult LogOp::verify() {
  if (getMin().isNegative() || !getMin().isFinite())
    return emitOpError("'min' must be finite and not negative, found ")
           << getMin().convertToDouble();
  return success();
}
