// States of f64 as the bits of f32.
#include "dialects/brain/WideState.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;

static constexpr unsigned kHalf = 32;

static Value integer(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantOp::create(b, b.getI64IntegerAttr(value));
}

Value brain::unpackState(ImplicitLocOpBuilder &b, Value state) {
  auto type = cast<RankedTensorType>(state.getType());
  SmallVector<OpFoldResult> sizes{b.getIndexAttr(type.getDimSize(0)),
                                  b.getIndexAttr(type.getDimSize(1))};
  return mapElements(
      b, sizes, b.getF64Type(), {}, {}, [&](ImplicitLocOpBuilder &b, ValueRange) -> Value {
        auto half = [&](int64_t which) -> Value {
          Value bits = tensor::ExtractOp::create(
              b, state, ValueRange{loopIndex(b, 0), loopIndex(b, 1), indexConstant(b, which)});
          bits = arith::BitcastOp::create(b, b.getI32Type(), bits);
          return arith::ExtUIOp::create(b, b.getI64Type(), bits);
        };
        Value high = arith::ShLIOp::create(b, half(1), integer(b, kHalf));
        return arith::BitcastOp::create(b, b.getF64Type(), arith::OrIOp::create(b, high, half(0)));
      });
}

/// [columns, 2] of f32: the bits of a row of f64.
static Value halvesOf(ImplicitLocOpBuilder &b, Value row) {
  SmallVector<OpFoldResult> sizes{sizesOf(b, row)[0], b.getIndexAttr(2)};
  return mapElements(b, sizes, b.getF32Type(), row, dimsMap(b, 2, {0}),
                     [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       Value bits = arith::BitcastOp::create(b, b.getI64Type(), v[0]);
                       Value which = arith::IndexCastOp::create(b, b.getI64Type(), loopIndex(b, 1));
                       Value shift = arith::MulIOp::create(b, which, integer(b, kHalf));
                       Value half = arith::TruncIOp::create(b, b.getI32Type(),
                                                            arith::ShRUIOp::create(b, bits, shift));
                       return arith::BitcastOp::create(b, b.getF32Type(), half);
                     });
}

Value brain::packState(ImplicitLocOpBuilder &b, ValueRange rows) {
  int64_t columns = cast<RankedTensorType>(rows[0].getType()).getDimSize(0);
  Value state = tensor::EmptyOp::create(
      b, ArrayRef<int64_t>{static_cast<int64_t>(rows.size()), columns, 2}, b.getF32Type());
  SmallVector<OpFoldResult> strides(3, b.getIndexAttr(1)),
      sizes{b.getIndexAttr(1), b.getIndexAttr(columns), b.getIndexAttr(2)};
  for (auto [number, row] : llvm::enumerate(rows)) {
    SmallVector<OpFoldResult> offsets{b.getIndexAttr(number), b.getIndexAttr(0), b.getIndexAttr(0)};
    state = tensor::InsertSliceOp::create(b, halvesOf(b, row), state, offsets, sizes, strides);
  }
  return state;
}

Value brain::mapWide(ImplicitLocOpBuilder &b, ValueRange vectors, ScalarBody body) {
  SmallVector<AffineMap> maps(vectors.size(), dimsMap(b, 1, {0}));
  return mapElements(b, sizesOf(b, vectors[0]), b.getF64Type(), vectors, maps,
                     [&](ImplicitLocOpBuilder &b, ValueRange v) {
                       SmallVector<Value> wide;
                       for (Value each : v)
                         wide.push_back(convertFloat(b, each, b.getF64Type()));
                       return body(b, wide);
                     });
}

Value brain::narrow(ImplicitLocOpBuilder &b, Value vector, Type element) {
  return mapElements(b, sizesOf(b, vector), element, vector, dimsMap(b, 1, {0}),
                     [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
}
