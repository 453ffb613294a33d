// Softmaxes under way: rows with their largest score, sum and outputs so far.
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/AttentionParts.h"
#include "passes/lower/cpu/emit/VectorMath.h"

using namespace mlir;

namespace plexus::emit {

/// Below every score, and finite: e^(score - lowest) of a hidden score (-inf) is 0, not NaN.
static constexpr double kLowest = -1e30;

Value maximum(const Code &code, Value a, Value b) {
  return code.select(code.make<arith::CmpFOp>(arith::CmpFPredicate::OGT, a, b), a, b);
}

Value reduceLanes(const Code &code, Value vector, llvm::function_ref<Value(Value, Value)> combine) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    Value low = code.make<vector::ExtractStridedSliceOp>(vector, int64_t{0}, half, 1);
    Value high = code.make<vector::ExtractStridedSliceOp>(vector, half, half, 1);
    vector = combine(low, high);
  }
  return code.make<vector::ExtractOp>(vector, llvm::ArrayRef<int64_t>{0});
}

static Value exponential(const Code &code, Value x, Value less) {
  return emitExp(code.builder, code.loc, code.make<arith::SubFOp>(x, less));
}

Softmaxes SoftmaxRows::onStack(int64_t rows) const {
  Type f32 = code.builder.getF32Type();
  return {code.stackBuffer(rows, f32), code.stackBuffer(rows * lanes, f32),
          code.stackBuffer(rows * valueDim, f32)};
}

void SoftmaxRows::clear(const Softmaxes &rows, Value row) const {
  code.pieces(valueDim, lanes, [&](Value i, VectorType type) {
    code.storeVector(code.constant(type, 0), rows.outputs, {code.add(code.mul(row, valueDim), i)});
  });
  code.storeVector(code.constant(code.floats(lanes), 0), rows.sums, {code.mul(row, lanes)});
  code.make<memref::StoreOp>(code.constant(code.builder.getF32Type(), kLowest), rows.largest,
                             ValueRange{row});
}

void SoftmaxRows::merge(const Softmaxes &total, Value row, const Softmaxes &part,
                        Value partRow) const {
  Value before = code.loadScalar(total.largest, {row}),
        own = code.loadScalar(part.largest, partRow);
  Value now = maximum(code, before, own);
  Value keep = exponential(code, before, now), take = exponential(code, own, now);
  code.make<memref::StoreOp>(now, total.largest, ValueRange{row});
  auto mix = [&](Value to, Value toPlace, Value from, Value fromPlace, VectorType type) {
    int64_t width = type.getNumElements();
    Value added =
        code.make<arith::MulFOp>(code.loadVector(type, from, {fromPlace}), code.splat(width, take));
    Value kept = code.loadVector(type, to, {toPlace});
    code.storeVector(code.fma(kept, code.splat(width, keep), added), to, {toPlace});
  };
  mix(total.sums, code.mul(row, lanes), part.sums, code.mul(partRow, lanes), code.floats(lanes));
  code.pieces(valueDim, lanes, [&](Value i, VectorType type) {
    mix(total.outputs, code.add(code.mul(row, valueDim), i), part.outputs,
        code.add(code.mul(partRow, valueDim), i), type);
  });
}

void SoftmaxRows::grow(const Softmaxes &rows, Value row, Value now, Value added) const {
  Value before = code.loadScalar(rows.largest, {row});
  Value larger = code.make<arith::CmpFOp>(arith::CmpFPredicate::UGT, now, before);
  Value sumPlace = code.mul(row, lanes);
  code.ifThen(larger, [&] {
    Value factor = exponential(code, before, now);
    auto scale = [&](Value memref, Value place, VectorType type) {
      Value kept = code.loadVector(type, memref, {place});
      kept = code.make<arith::MulFOp>(kept, code.splat(type.getNumElements(), factor));
      code.storeVector(kept, memref, {place});
    };
    scale(rows.sums, sumPlace, code.floats(lanes));
    code.pieces(valueDim, lanes, [&](Value i, VectorType type) {
      scale(rows.outputs, code.add(code.mul(row, valueDim), i), type);
    });
    code.make<memref::StoreOp>(now, rows.largest, ValueRange{row});
  });
  Value sum = code.loadVector(code.floats(lanes), rows.sums, {sumPlace});
  code.storeVector(code.make<arith::AddFOp>(sum, added), rows.sums, {sumPlace});
}

void SoftmaxRows::finish(const Softmaxes &total, Value row, Value sink,
                         llvm::function_ref<void(Value, Value)> store) const {
  auto plus = [&](Value x, Value y) { return code.make<arith::AddFOp>(x, y).getResult(); };
  Value sum = reduceLanes(
      code, code.loadVector(code.floats(lanes), total.sums, {code.mul(row, lanes)}), plus);
  Value factor = code.constant(code.builder.getF32Type(), 1);
  if (sink) {
    Value top = code.loadScalar(total.largest, {row});
    Value now = maximum(code, sink, top);
    factor = exponential(code, top, now);
    sum = code.fma(sum, factor, exponential(code, sink, now));
  }
  Value scale = code.make<arith::DivFOp>(factor, sum);
  code.pieces(valueDim, lanes, [&](Value i, VectorType type) {
    Value output = code.loadVector(type, total.outputs, {code.add(code.mul(row, valueDim), i)});
    store(i, code.make<arith::MulFOp>(output, code.splat(type.getNumElements(), scale)));
  });
}

} // namespace plexus::emit
