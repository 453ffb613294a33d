// State space models whose matrices depend on the input: checks and meaning.
#include "dialects/plx/Activations.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Forms.h"
#include "dialects/ssm/Recurrence.h"
#include "dialects/ssm/SsmOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

using Values = FailureOr<SmallVector<Value>>;

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// Checks that `value`, a tensor over rows of the batch, has the static sizes `sizes` behind them.
static LogicalResult verifyShape(Operation *op, StringRef name, Value value,
                                 ArrayRef<int64_t> sizes) {
  if (failed(verifyRows(op, name, value)))
    return failure();
  if (shapeOf(value).drop_front() == sizes)
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError("'")
                                  << name << "' is " << value.getType() << ", expected [T";
  for (int64_t size : sizes)
    diagnostic << ", " << size;
  return diagnostic << "]";
}

static LogicalResult verifySize(Operation *op, StringRef name, Value vector, int64_t size) {
  return vector ? verifyEqual(op, name, "size", shapeOf(vector)[0], size) : success();
}

static LogicalResult verifyReverse(Operation *op, bool reverse, Value state) {
  if (reverse && state)
    return op->emitOpError("'reverse' is for whole sequences, which have no 'state'");
  return success();
}

//===--- Scalar steps -------------------------------------------------------------------------===//

static Value mul(ImplicitLocOpBuilder &b, Value x, Value y) {
  return arith::MulFOp::create(b, x, y);
}
static Value add(ImplicitLocOpBuilder &b, Value x, Value y) {
  return arith::AddFOp::create(b, x, y);
}

/// The step size of each channel or head: `delta` + bias, softplus, clamp.
static Value stepSize(ImplicitLocOpBuilder &b, Value delta, Value bias, bool softplus,
                      std::optional<APFloat> least = {}, std::optional<APFloat> most = {}) {
  SmallVector<Value> inputs = {delta};
  if (bias)
    inputs.push_back(bias);
  SmallVector<AffineMap> maps(inputs.size(), rangeMap(b, 1, 0, 1));
  return mapElements(b, sizesOf(b, delta), b.getF32Type(), inputs, maps,
                     [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       Value d = v.size() > 1 ? add(b, v[0], v[1]) : v[0];
                       if (softplus)
                         d = buildActivation(b, ActivationKind::Softplus, d);
                       auto constant = [&](const APFloat &x) {
                         return floatConstant(b, d.getType(), x.convertToDouble());
                       };
                       if (least)
                         d = arith::MaximumFOp::create(b, d, constant(*least));
                       if (most)
                         d = arith::MinimumFOp::create(b, d, constant(*most));
                       return d;
                     });
}

/// `exp(step rate)`.
static Value decayOf(ImplicitLocOpBuilder &b, Value step, Value rate) {
  return math::ExpOp::create(b, mul(b, step, rate));
}

/// `v[0] + v[1] v[2]`, for inputs in front of the accumulator.
static Value accumulate(ImplicitLocOpBuilder &b, ValueRange v) {
  return add(b, v[2], mul(b, v[0], v[1]));
}

//===--- Selective scan -----------------------------------------------------------------------===//

LogicalResult SelectiveScanOp::verify() {
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyMinRank(*this, "input", getInput(), 2)) ||
      failed(verifyReverse(*this, getReverse(), getState())))
    return failure();
  int64_t channels = getType().getDimSize(1), entries = getRate().getType().getDimSize(0);
  if (!getRate().getType().hasStaticShape())
    return emitOpError("'rate' must be static [N, channels], found ") << getRate().getType();
  if (failed(verifyEqual(*this, "rate", "channels", getRate().getType().getDimSize(1), channels)) ||
      failed(verifyShape(*this, "delta", getDelta(), {channels})) ||
      failed(verifyShape(*this, "b", getB(), {entries})) ||
      failed(verifyShape(*this, "c", getC(), {entries})) ||
      failed(verifySize(*this, "delta_bias", getDeltaBias(), channels)) ||
      failed(verifySize(*this, "skip", getSkip(), channels)))
    return failure();
  return verifyCarry(*this, "state", getState(), {entries, channels});
}

Values SelectiveScanOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  RankedTensorType stateType =
      RankedTensorType::get(getRate().getType().getShape(), b.getF32Type());
  AffineMap entry = dimsMap(b, 2, {0}), channel = dimsMap(b, 2, {1}), both = rangeMap(b, 2, 0, 2);
  auto step = [&](ImplicitLocOpBuilder &b, Value token, ValueRange carried) -> SmallVector<Value> {
    Value x = rowAt(b, getInput(), token);
    Value d = stepSize(b, rowAt(b, getDelta(), token), getDeltaBias(), getSoftplus());
    Value next = mapElements(b, sizesOf(b, carried[0]), b.getF32Type(),
                             {carried[0], getRate(), d, x, rowAt(b, getB(), token)},
                             {both, both, channel, channel, entry},
                             [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                               Value decay = decayOf(b, v[2], v[1]);
                               return add(b, mul(b, decay, v[0]), mul(b, mul(b, v[2], v[3]), v[4]));
                             });
    // Loops: c, n.
    Value y =
        reduceElements(b, sizesOf(b, x), b.getF32Type(), 0.0, 1, {next, rowAt(b, getC(), token)},
                       {dimsMap(b, 2, {1, 0}), dimsMap(b, 2, {1})}, accumulate);
    if (getSkip())
      y = mapElements(b, sizesOf(b, x), b.getF32Type(), {y, getSkip(), x},
                      SmallVector<AffineMap>(3, rangeMap(b, 1, 0, 1)),
                      [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                        return add(b, v[0], mul(b, v[1], v[2]));
                      });
    return {next, y};
  };
  return buildRecurrence(b, rowCount(b, getInput()),
                         {getBatch(), {getState()}, {stateType}, {getType()}, getReverse()}, step);
}

//===--- State space duality ------------------------------------------------------------------===//

LogicalResult SsdOp::verify() {
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyForm(*this, {getForm(), getFormLength(), getReverse(), getState()},
                        {Form::Recurrent, Form::Chunked})))
    return failure();
  ArrayRef<int64_t> shape = shapeOf(getInput()), keys = shapeOf(getB());
  if (ShapedType::isDynamicShape(shape.drop_front()) ||
      ShapedType::isDynamicShape(keys.drop_front()))
    return emitOpError("'input' and 'b' must be static beyond their rows");
  int64_t heads = shape[1], groups = keys[1];
  if (groups < 1 || heads % groups)
    return emitOpError("'input' has ")
           << heads << " heads, expected a multiple of the " << groups << " groups of 'b'";
  if (failed(verifyShape(*this, "delta", getDelta(), {heads})) ||
      failed(verifyShape(*this, "b", getB(), keys.drop_front())) ||
      failed(verifyShape(*this, "c", getC(), keys.drop_front())) ||
      failed(verifySize(*this, "rate", getRate(), heads)) ||
      failed(verifySize(*this, "delta_bias", getDeltaBias(), heads)) ||
      failed(verifySize(*this, "skip", getSkip(), heads)))
    return failure();
  return verifyCarry(*this, "state", getState(), {heads, keys[2], shape[2]});
}

Values SsdOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t heads = shapeOf(getInput())[1], width = shapeOf(getInput())[2];
  int64_t groups = shapeOf(getB())[1], entries = shapeOf(getB())[2];
  auto stateType = RankedTensorType::get({heads, entries, width}, b.getF32Type());
  /// Of the loops h, n, p or h, p, n: the entry of the head's group.
  auto groupMap = [&](int64_t entryLoop) {
    AffineExpr group = b.getAffineDimExpr(0).floorDiv(heads / groups);
    return AffineMap::get(3, 0, {group, b.getAffineDimExpr(entryLoop)}, b.getContext());
  };
  auto step = [&](ImplicitLocOpBuilder &b, Value token, ValueRange carried) -> SmallVector<Value> {
    Value x = rowAt(b, getInput(), token);
    Value d = stepSize(b, rowAt(b, getDelta(), token), getDeltaBias(), getSoftplus(), getDeltaMin(),
                       getDeltaMax());
    AffineMap all = rangeMap(b, 3, 0, 3), head = dimsMap(b, 3, {0});
    Value next = mapElements(b, sizesOf(b, carried[0]), b.getF32Type(),
                             {carried[0], getRate(), d, x, rowAt(b, getB(), token)},
                             {all, head, head, dimsMap(b, 3, {0, 2}), groupMap(1)},
                             [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                               Value decay = decayOf(b, v[2], v[1]);
                               return add(b, mul(b, decay, v[0]), mul(b, mul(b, v[2], v[3]), v[4]));
                             });
    Value y =
        reduceElements(b, sizesOf(b, x), b.getF32Type(), 0.0, 1, {next, rowAt(b, getC(), token)},
                       {dimsMap(b, 3, {0, 2, 1}), groupMap(2)}, accumulate);
    if (getSkip())
      y = mapElements(b, sizesOf(b, x), b.getF32Type(), {y, getSkip(), x},
                      {rangeMap(b, 2, 0, 2), dimsMap(b, 2, {0}), rangeMap(b, 2, 0, 2)},
                      [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                        return add(b, v[0], mul(b, v[1], v[2]));
                      });
    return {next, y};
  };
  return buildRecurrence(b, rowCount(b, getInput()),
                         {getBatch(), {getState()}, {stateType}, {getType()}, getReverse()}, step);
}
