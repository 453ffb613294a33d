// Activations as integers of 8 bits: checks and decompositions.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Verify.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;

using Values = FailureOr<SmallVector<Value>>;

LogicalResult FakeQuantizeOp::verify() {
  auto range = cast<RankedTensorType>(getRange().getType());
  return verifyEqual(*this, "range", "size", range.getDimSize(0), int64_t(2));
}

Values FakeQuantizeOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  auto read = [&](ImplicitLocOpBuilder &b, int64_t index, Type type) {
    Value value = tensor::ExtractOp::create(b, getRange(), ValueRange{indexConstant(b, index)});
    return convertFloat(b, value, type);
  };
  return SmallVector<Value>{
      mapElements(b, sizesOf(b, getInput()), elementOf(getInput()), getInput(),
                  rangeMap(b, rank, 0, rank), [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                    Type type = v[0].getType();
                    Value scale = read(b, 0, type), zero = read(b, 1, type);
                    Value inverse = arith::DivFOp::create(b, floatConstant(b, type, 1), scale);
                    Value steps = arith::MulFOp::create(b, v[0], inverse);
                    Value q = math::RoundEvenOp::create(b, steps);
                    q = arith::AddFOp::create(b, q, zero);
                    q = arith::MaxNumFOp::create(b, q, floatConstant(b, type, -127));
                    q = arith::MinNumFOp::create(b, q, floatConstant(b, type, 127));
                    return arith::MulFOp::create(b, arith::SubFOp::create(b, q, zero), scale);
                  })};
}

/// `[O, C / groups, K...]` of a weight in quads of one axis.
static Value ofQuads(ImplicitLocOpBuilder &b, Value matrix, ArrayRef<int64_t> kernel,
                     int64_t quadAxis) {
  auto read = [&](ImplicitLocOpBuilder &b, ValueRange) -> Value {
    Value place = indexConstant(b, 0);
    auto append = [&](int64_t axis, int64_t extent) {
      place = arith::MulIOp::create(b, place, indexConstant(b, extent));
      place = arith::AddIOp::create(b, place, loopIndex(b, axis));
    };
    for (int64_t axis = 1; axis < static_cast<int64_t>(kernel.size()); ++axis)
      if (axis != quadAxis)
        append(axis, kernel[axis]);
    append(quadAxis, (kernel[quadAxis] + 3) / 4 * 4);
    return tensor::ExtractOp::create(b, matrix, ValueRange{loopIndex(b, 0), place});
  };
  SmallVector<OpFoldResult> sizes;
  for (int64_t extent : kernel)
    sizes.push_back(b.getIndexAttr(extent));
  return mapElements(b, sizes, elementOf(matrix), {}, {}, read);
}

Values QuantizedConvOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  auto shape = cast<RankedTensorType>(getWeight().getType()).getShape();
  auto dense = RankedTensorType::get(shape, b.getF32Type());
  Value weight = UnpackOp::create(b, dense, getWeight());
  weight = ofQuads(b, weight, getKernel(), getQuadAxis());
  Value x = FakeQuantizeOp::create(b, getInput().getType(), getInput(), getRange());
  return SmallVector<Value>{ConvOp::create(
      b, getType(), x, weight, getBias(), getStridesAttr(), getDilationsAttr(), getPadsBeginAttr(),
      getPadsEndAttr(), getGroupsAttr(), getActivationAttr(), DenseI64ArrayAttr(), IntegerAttr())};
}
