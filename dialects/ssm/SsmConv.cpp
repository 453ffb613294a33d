// Convolutions along the tokens of a sequence: checks and meaning.
#include "dialects/plx/Activations.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Recurrence.h"
#include "dialects/ssm/SsmOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

LogicalResult CausalConvOp::verify() {
  auto weight = getWeight().getType();
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyMinRank(*this, "input", getInput(), 2)))
    return failure();
  int64_t channels = getType().getDimSize(1);
  if (!weight.hasStaticShape() || weight.getDimSize(0) < 1)
    return emitOpError("'weight' must be static [kernel, channels], found ") << weight;
  if (failed(verifyEqual(*this, "weight", "channels", weight.getDimSize(1), channels)) ||
      failed(verifyVector(*this, "bias", getBias(), getInput())))
    return failure();
  if (getReverse() && getState())
    return emitOpError("'reverse' is for whole sequences, which have no 'state'");
  if (getState() && weight.getDimSize(0) == 1)
    return emitOpError("'state' of a kernel of 1 would hold nothing");
  return verifyCarry(*this, "state", getState(), {weight.getDimSize(0) - 1, channels});
}

/// `act(bias + sum_j weight[j, :] window[j, :])`: [channels].
static Value weigh(ImplicitLocOpBuilder &b, CausalConvOp op, Value window) {
  SmallVector<OpFoldResult> sizes = {b.getIndexAttr(op.getType().getDimSize(1))};
  AffineMap channel = dimsMap(b, 1, {0}), entry = dimsMap(b, 2, {1, 0});
  Value sum =
      reduceElements(b, sizes, b.getF32Type(), 0.0, 1, {window, op.getWeight()}, {entry, entry},
                     [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       return arith::AddFOp::create(b, v[2], arith::MulFOp::create(b, v[0], v[1]));
                     });
  SmallVector<Value> inputs = {sum};
  if (op.getBias())
    inputs.push_back(op.getBias());
  SmallVector<AffineMap> maps(inputs.size(), channel);
  return mapElements(b, sizes, elementOf(op.getInput()), inputs, maps,
                     [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       Value y = v.size() > 1 ? arith::AddFOp::create(b, v[0], v[1]) : v[0];
                       return buildActivation(b, op.getActivation(), y);
                     });
}

FailureOr<SmallVector<Value>> CausalConvOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Type f32 = b.getF32Type();
  int64_t kernel = getWeight().getType().getDimSize(0), channels = getType().getDimSize(1);
  Recurrence recurrence{getBatch(), {}, {}, {getType()}, getReverse()};
  if (kernel > 1) {
    recurrence.states = {getState()};
    recurrence.carried = {RankedTensorType::get({kernel - 1, channels}, f32)};
  }
  auto index = [&](int64_t value) { return b.getIndexAttr(value); };
  SmallVector<OpFoldResult> unit = {index(1), index(1)};
  return buildRecurrence(
      b, rowCount(b, getInput()), recurrence,
      [&](ImplicitLocOpBuilder &b, Value token, ValueRange carried) -> SmallVector<Value> {
        Value window = tensor::EmptyOp::create(b, {kernel, channels}, f32);
        SmallVector<OpFoldResult> past = {index(kernel - 1), index(channels)};
        if (kernel > 1)
          window = tensor::InsertSliceOp::create(
              b, carried[0], window, SmallVector<OpFoldResult>{index(0), index(0)}, past, unit);
        window = tensor::InsertSliceOp::create(
            b, rowAt(b, getInput(), token), window,
            SmallVector<OpFoldResult>{index(kernel - 1), index(0)},
            SmallVector<OpFoldResult>{index(1), index(channels)}, unit);
        Value y = weigh(b, *this, window);
        if (kernel == 1)
          return {y};
        Value next = tensor::ExtractSliceOp::create(
            b, window, SmallVector<OpFoldResult>{index(1), index(0)}, past, unit);
        return {next, y};
      });
}
