// Decompositions of the elementwise ops and of those that move elements.
#include "dialects/plx/Activations.h"
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;

using Values = FailureOr<SmallVector<Value>>;

//===--- Elementwise --------------------------------------------------------------------------===//

/// A value of the type of `inputs[0]`; later inputs have its shape, or a trailing part of it.
static Values mapLike(Operation *op, OpBuilder &builder, ValueRange inputs, ScalarBody body) {
  ImplicitLocOpBuilder b(op->getLoc(), builder);
  int64_t rank = rankOf(inputs[0]);
  SmallVector<AffineMap> maps;
  for (Value input : inputs)
    maps.push_back(rangeMap(b, rank, rank - rankOf(input), rankOf(input)));
  return SmallVector<Value>{
      mapElements(b, sizesOf(b, inputs[0]), elementOf(inputs[0]), inputs, maps, body)};
}

Values ActivationOp::decompose(OpBuilder &builder) {
  return mapLike(*this, builder, getInput(), [&](ImplicitLocOpBuilder &b, ValueRange v) {
    return buildActivation(b, getKind(), v[0]);
  });
}

Values GluOp::decompose(OpBuilder &builder) {
  return mapLike(*this, builder, {getGate(), getUp()},
                 [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                   return arith::MulFOp::create(b, buildActivation(b, getKind(), v[0]), v[1]);
                 });
}

template <typename ArithOp>
static Values decomposeBinary(Operation *op, OpBuilder &builder) {
  return mapLike(op, builder, op->getOperands(),
                 [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                   return ArithOp::create(b, v[0], convertFloat(b, v[1], v[0].getType()));
                 });
}

Values AddOp::decompose(OpBuilder &builder) {
  return decomposeBinary<arith::AddFOp>(*this, builder);
}
Values SubOp::decompose(OpBuilder &builder) {
  return decomposeBinary<arith::SubFOp>(*this, builder);
}
Values MulOp::decompose(OpBuilder &builder) {
  return decomposeBinary<arith::MulFOp>(*this, builder);
}

Values ScaleOp::decompose(OpBuilder &builder) {
  return mapLike(*this, builder, getInput(), [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Type type = v[0].getType();
    Value factor = getScalar() ? convertFloat(b, getScalar(), type)
                               : floatConstant(b, type, getFactor()->convertToDouble());
    return arith::MulFOp::create(b, v[0], factor);
  });
}

Values SoftcapOp::decompose(OpBuilder &builder) {
  return mapLike(*this, builder, getInput(), [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value cap = floatConstant(b, v[0].getType(), getCap().convertToDouble());
    Value limited = math::TanhOp::create(b, arith::DivFOp::create(b, v[0], cap));
    return arith::MulFOp::create(b, cap, limited);
  });
}

//===--- Shapes -------------------------------------------------------------------------------===//

Values ReshapeOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  return SmallVector<Value>{buildReshape(b, getInput(), getType())};
}

Values SliceOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0)), strides(rank, b.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  offsets.back() = b.getIndexAttr(getBegin());
  sizes.back() = b.getIndexAttr(getSize());
  return SmallVector<Value>{
      tensor::ExtractSliceOp::create(b, getType(), getInput(), offsets, sizes, strides)};
}

Values ReorderOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = rankOf(getInput()), columns = getType().getShape().back();
  auto lookUp = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value column = arith::FPToSIOp::create(b, b.getI32Type(), v[0]);
    column = arith::IndexCastOp::create(b, b.getIndexType(), column);
    column = arith::MaxSIOp::create(b, column, indexConstant(b, 0));
    column = arith::MinSIOp::create(b, column, indexConstant(b, columns - 1));
    SmallVector<Value> indices;
    for (int64_t dim = 0; dim < rank - 1; ++dim)
      indices.push_back(loopIndex(b, dim));
    indices.push_back(column);
    return tensor::ExtractOp::create(b, getInput(), indices);
  };
  return SmallVector<Value>{mapElements(b, sizesOf(b, getInput()), getType().getElementType(),
                                        getOrder(), dimsMap(b, rank, {rank - 1}), lookUp)};
}

Values ConcatOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = getType().getRank(), column = 0;
  SmallVector<OpFoldResult> whole = sizesOf(b, getInputs().front());
  whole.back() = b.getIndexAttr(getType().getShape().back());
  SmallVector<OpFoldResult> strides(rank, b.getIndexAttr(1));
  Value result = tensor::EmptyOp::create(b, whole, getType().getElementType());
  for (Value input : getInputs()) {
    int64_t columns = cast<RankedTensorType>(input.getType()).getShape().back();
    SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0)), sizes = whole;
    offsets.back() = b.getIndexAttr(column);
    sizes.back() = b.getIndexAttr(columns);
    result = tensor::InsertSliceOp::create(b, input, result, offsets, sizes, strides);
    column += columns;
  }
  return SmallVector<Value>{result};
}
