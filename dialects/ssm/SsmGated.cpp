// Recurrences with gates: checks and meaning.
#include "dialects/plx/Activations.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Forms.h"
#include "dialects/ssm/GateMath.h"
#include "dialects/ssm/Recurrence.h"
#include "dialects/ssm/SsmOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

using Values = FailureOr<SmallVector<Value>>;

static RankedTensorType floats(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, b.getF32Type());
}

static SmallVector<OpFoldResult> sizes(ImplicitLocOpBuilder &b, ArrayRef<int64_t> values) {
  return getAsIndexOpFoldResult(b.getContext(), values);
}

/// i1: whether `token` is its sequence's position 0.
static Value isFirst(ImplicitLocOpBuilder &b, Value positions, Value token) {
  Value position = tensor::ExtractOp::create(b, positions, ValueRange{token});
  Value zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, position, zero);
}

/// Rows [token] of the operands, and the operands that are the same for every token.
static SmallVector<Value> rowsAt(ImplicitLocOpBuilder &b, Value token, ValueRange rows,
                                 ValueRange uniform) {
  SmallVector<Value> values;
  for (Value each : rows)
    values.push_back(rowAt(b, each, token));
  llvm::append_range(values, uniform);
  return values;
}

/// `value` [...] with elements of type `element`.
static Value converted(ImplicitLocOpBuilder &b, Value value, Type element) {
  if (elementOf(value) == element)
    return value;
  return mapElements(b, sizesOf(b, value), element, value,
                     rangeMap(b, rankOf(value), 0, rankOf(value)),
                     [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
}

//===--- RG-LRU -------------------------------------------------------------------------------===//

LogicalResult RgLruOp::verify() {
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyMinRank(*this, "input", getInput(), 2)) ||
      failed(verifyVector(*this, "decay", getDecay(), getInput())))
    return failure();
  return verifyCarry(*this, "state", getState(), {getType().getDimSize(1)});
}

Values RgLruOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t channels = getType().getDimSize(1);
  Value positions = batchField(b, BatchField::Position, getBatch());
  Recurrence recurrence{getBatch(), {getState()}, {floats(b, {channels})}, {getType()}};
  auto step = [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
    Value first = isFirst(b, positions, token);
    SmallVector<Value> inputs =
        rowsAt(b, token, {getInput(), getInputGate(), getRecurrenceGate()}, {getDecay(), last[0]});
    SmallVector<AffineMap> maps(inputs.size(), dimsMap(b, 1, {0}));
    Value h = mapElements(b, sizes(b, {channels}), b.getF32Type(), inputs, maps,
                          [&](ImplicitLocOpBuilder &b, ValueRange v) {
                            return buildRgLru(b, v[0], v[1], v[2], v[3], first, v[4]);
                          });
    return {h, converted(b, h, elementOf(getInput()))};
  };
  return buildRecurrence(b, rowCount(b, getInput()), recurrence, step);
}

//===--- WKV ----------------------------------------------------------------------------------===//

LogicalResult WkvOp::verify() {
  if (failed(verifyRows(*this, "key", getKey())) ||
      failed(verifyMinRank(*this, "key", getKey(), 2)) ||
      failed(verifyVector(*this, "decay", getDecay(), getKey())) ||
      failed(verifyVector(*this, "first", getFirst(), getKey())))
    return failure();
  return verifyCarry(*this, "state", getState(), {3, getType().getDimSize(1)});
}

/// What a step makes of `inputs` (key, value, decay, first, each [channels]) and the state `last`:
/// `rows` of it, [rows, channels], that `pick` chooses by loop 0.
static Value mapWkv(ImplicitLocOpBuilder &b, int64_t rows, ValueRange inputs, Value last,
                    function_ref<Value(ImplicitLocOpBuilder &, const Wkv &)> pick) {
  int64_t channels = cast<RankedTensorType>(last.getType()).getDimSize(1);
  SmallVector<AffineMap> maps(inputs.size(), dimsMap(b, 2, {1}));
  return mapElements(b, sizes(b, {rows, channels}), b.getF32Type(), inputs, maps,
                     [&](ImplicitLocOpBuilder &b, ValueRange v) {
                       auto part = [&](int64_t row) -> Value {
                         return tensor::ExtractOp::create(
                             b, last, ValueRange{indexConstant(b, row), loopIndex(b, 1)});
                       };
                       Wkv before{{}, part(0), part(1), part(2)};
                       return pick(b, buildWkv(b, v[0], v[1], v[2], v[3], before));
                     });
}

Values WkvOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t channels = getType().getDimSize(1);
  Recurrence recurrence{getBatch(), {getState()}, {floats(b, {3, channels})}, {getType()}};
  auto step = [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
    SmallVector<Value> inputs = rowsAt(b, token, {getKey(), getValue()}, {getDecay(), getFirst()});
    Value state =
        mapWkv(b, 3, inputs, last[0], [](ImplicitLocOpBuilder &b, const Wkv &made) -> Value {
          Value row = loopIndex(b, 0);
          auto is = [&](int64_t which) -> Value {
            return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, row, indexConstant(b, which));
          };
          Value rest = arith::SelectOp::create(b, is(1), made.denominator, made.largest);
          return arith::SelectOp::create(b, is(0), made.numerator, rest);
        });
    Value y = mapWkv(b, 1, inputs, last[0],
                     [](ImplicitLocOpBuilder &, const Wkv &made) { return made.result; });
    y = buildReshape(b, y, floats(b, {channels}));
    return {state, converted(b, y, elementOf(getKey()))};
  };
  return buildRecurrence(b, rowCount(b, getKey()), recurrence, step);
}

//===--- Delta rule ---------------------------------------------------------------------------===//

LogicalResult DeltaRuleOp::verify() {
  auto key = cast<RankedTensorType>(getKey().getType()), value = getType();
  if (failed(verifyRows(*this, "value", getValue())) ||
      failed(verifyMinRank(*this, "value", getValue(), 3)) ||
      failed(verifyMinRank(*this, "key", getKey(), 3)))
    return failure();
  int64_t heads = value.getDimSize(1), keyHeads = key.getDimSize(1);
  if (getQuery().getType() != getKey().getType())
    return emitOpError("'query' is ")
           << getQuery().getType() << ", expected the key's type, " << key;
  if (keyHeads < 1 || heads % keyHeads)
    return emitOpError("'value' has ")
           << heads << " heads, expected a multiple of the key's " << keyHeads;
  auto perHead = [&](StringRef name, Value tensor) {
    return verifyEqual(*this, name, "heads",
                       cast<RankedTensorType>(tensor.getType()).getShape().back(), heads);
  };
  if (failed(perHead("step", getStep())) || failed(perHead("beta", getBeta())) ||
      failed(perHead("rate", getRate())) || failed(perHead("step_bias", getStepBias())) ||
      failed(verifyForm(*this, {getForm(), getFormLength(), /*reverse=*/false, getState()},
                        {Form::Recurrent, Form::Chunked})))
    return failure();
  return verifyCarry(*this, "state", getState(), {heads, key.getDimSize(2), value.getDimSize(2)});
}

namespace {
/// One token of the delta rule on its way. The state's axes: h, i (key), j (value).
struct DeltaStep {
  ImplicitLocOpBuilder &b;
  DeltaRuleOp op;
  Value token;
  int64_t heads = op.getType().getDimSize(1), width = op.getType().getDimSize(2),
          depth = cast<RankedTensorType>(op.getKey().getType()).getDimSize(2),
          group = heads / cast<RankedTensorType>(op.getKey().getType()).getDimSize(1);

  Value perHead(ValueRange inputs, ScalarBody body) {
    SmallVector<AffineMap> maps(inputs.size(), dimsMap(b, 1, {0}));
    return mapElements(b, sizes(b, {heads}), b.getF32Type(), inputs, maps, body);
  }
  Value decay() {
    return perHead(
        {rowAt(b, op.getStep(), token), op.getRate(), op.getStepBias()},
        [](ImplicitLocOpBuilder &b, ValueRange v) { return buildDecay(b, v[1], v[0], v[2]); });
  }
  Value beta() {
    return perHead(rowAt(b, op.getBeta(), token),
                   [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                     Value gate = buildActivation(b, ActivationKind::Sigmoid, v[0]);
                     double scale = op.getBetaScale().convertToDouble();
                     return arith::MulFOp::create(b, gate, floatConstant(b, gate.getType(), scale));
                   });
  }
  /// Entry (h / group, i) of a row [key heads, keyDim]; h is loop 0, i loop `loop`.
  Value entry(ImplicitLocOpBuilder &b, Value row, int64_t loop) {
    Value head = arith::DivUIOp::create(b, loopIndex(b, 0), indexConstant(b, group));
    Value value = tensor::ExtractOp::create(b, row, ValueRange{head, loopIndex(b, loop)});
    return convertFloat(b, value, b.getF32Type());
  }
  /// `sum_i row[h / group, i] state[h, i, j]`. Loops: h, j, i.
  Value contract(Value state, Value row) {
    return reduceElements(b, sizes(b, {heads, width}), b.getF32Type(), 0.0, 1, state,
                          dimsMap(b, 3, {0, 2, 1}),
                          [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                            Value product = arith::MulFOp::create(b, entry(b, row, 2), v[0]);
                            return arith::AddFOp::create(b, v[1], product);
                          });
  }
  Value faded(Value last) {
    return mapElements(b, sizes(b, {heads, depth, width}), b.getF32Type(), {last, decay()},
                       {rangeMap(b, 3, 0, 3), dimsMap(b, 3, {0})},
                       [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                         return arith::MulFOp::create(b, v[0], v[1]);
                       });
  }
  /// What is written for the key: b (v - what it recalls).
  Value written(Value state, Value key) {
    SmallVector<Value> inputs{rowAt(b, op.getValue(), token), beta()};
    SmallVector<AffineMap> maps{rangeMap(b, 2, 0, 2), dimsMap(b, 2, {0})};
    if (!op.getAccumulate()) {
      inputs.push_back(contract(state, key));
      maps.push_back(rangeMap(b, 2, 0, 2));
    }
    return mapElements(b, sizes(b, {heads, width}), b.getF32Type(), inputs, maps,
                       [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                         Value x = v[0];
                         if (v.size() > 2)
                           x = arith::SubFOp::create(b, x, v[2]);
                         return arith::MulFOp::create(b, x, v[1]);
                       });
  }
  SmallVector<Value> build(Value last) {
    Value key = rowAt(b, op.getKey(), token), kept = faded(last);
    Value state =
        mapElements(b, sizes(b, {heads, depth, width}), b.getF32Type(), {kept, written(kept, key)},
                    {rangeMap(b, 3, 0, 3), dimsMap(b, 3, {0, 2})},
                    [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                      Value more = arith::MulFOp::create(b, entry(b, key, 1), v[1]);
                      return arith::AddFOp::create(b, v[0], more);
                    });
    Value y = contract(state, rowAt(b, op.getQuery(), token));
    return {state, converted(b, y, elementOf(op.getValue()))};
  }
};
} // namespace

Values DeltaRuleOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  auto key = cast<RankedTensorType>(getKey().getType());
  Recurrence recurrence{
      getBatch(),
      {getState()},
      {floats(b, {getType().getDimSize(1), key.getDimSize(2), getType().getDimSize(2)})},
      {getType()}};
  return buildRecurrence(b, rowCount(b, getValue()), recurrence,
                         [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) {
                           return DeltaStep{b, *this, token}.build(last[0]);
                         });
}
