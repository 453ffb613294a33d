// Hidden Markov models: checks and meaning.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Number.h"
#include "dialects/ssm/Recurrence.h"
#include "dialects/ssm/SsmOps.h"
#include "dialects/ssm/TensorMatrices.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

using Values = FailureOr<SmallVector<Value>>;
using Effects = SmallVectorImpl<MemoryEffects::EffectInstance>;

static RankedTensorType typeOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()); }

//===--- Checks -------------------------------------------------------------------------------===//

LogicalResult EmissionOp::verify() {
  int64_t states = getBias().getType().getDimSize(0);
  if (failed(verifyRows(*this, "measurements", getMeasurements())))
    return failure();
  if (getWeight()) {
    if (failed(verifyEqual(*this, "weight", "rows", getWeight().getType().getDimSize(0), states)) ||
        failed(verifyEqual(*this, "weight", "columns", getWeight().getType().getDimSize(1),
                           getCovariates().getType().getDimSize(1))))
      return failure();
  }
  bool gaussian = getFamily() == EmissionFamily::Gaussian;
  if (gaussian != static_cast<bool>(getLogVariance()))
    return emitOpError(gaussian ? "gaussian needs 'log_variance'"
                                : "only gaussian has a 'log_variance'");
  return verifyVector(*this, "log_variance", getLogVariance(), getBias());
}

LogicalResult EmissionOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                           SmallVectorImpl<Type> &types) {
  auto rows = dyn_cast<RankedTensorType>(adaptor.getMeasurements().getType());
  auto bias = dyn_cast<RankedTensorType>(adaptor.getBias().getType());
  if (!rows || !bias || rows.getRank() != 1 || bias.getRank() != 1)
    return failure();
  types.push_back(
      RankedTensorType::get({rows.getDimSize(0), bias.getDimSize(0)}, rows.getElementType()));
  return success();
}

namespace {
/// Operands of the recursions; absent ones are null.
struct HiddenOperands {
  Value emissions, initial, transition, batch, inputs, inputWeight;
  int64_t states;
  /// In front of a recursion, once for all tokens: the initial logarithms, and those of transitions
  /// where no inputs move them.
  Value begin = {}, step = {};

  template <typename Op>
  static HiddenOperands of(Op op) {
    return {op.getEmissions(),
            op.getInitial(),
            op.getTransition(),
            op.getBatch(),
            op.getInputs(),
            op.getInputWeight(),
            typeOf(op.getInitial()).getDimSize(0)};
  }
};
} // namespace

static LogicalResult verifyHidden(Operation *op, const HiddenOperands &o) {
  int64_t k = o.states;
  if (failed(verifyRows(op, "emissions", o.emissions)) ||
      failed(verifyEqual(op, "emissions", "columns", typeOf(o.emissions).getDimSize(1), k)) ||
      failed(verifyEqual(op, "transition", "rows", typeOf(o.transition).getDimSize(0), k)) ||
      failed(verifyEqual(op, "transition", "columns", typeOf(o.transition).getDimSize(1), k)))
    return failure();
  if (!o.inputs)
    return success();
  if (failed(verifyEqual(op, "input_weight", "rows", typeOf(o.inputWeight).getDimSize(0), k)))
    return failure();
  return verifyEqual(op, "input_weight", "columns", typeOf(o.inputWeight).getDimSize(1),
                     typeOf(o.inputs).getDimSize(1));
}

LogicalResult HmmFilterOp::verify() {
  HiddenOperands o = HiddenOperands::of(*this);
  if (failed(verifyHidden(*this, o)))
    return failure();
  return verifyCarry(*this, "state", getState(), {2 + o.states, 2});
}
LogicalResult HmmSmootherOp::verify() { return verifyHidden(*this, HiddenOperands::of(*this)); }
LogicalResult ViterbiOp::verify() { return verifyHidden(*this, HiddenOperands::of(*this)); }

/// [T, 1] of emissions [T, K].
static RankedTensorType columnOf(RankedTensorType rows) {
  return RankedTensorType::get({rows.getDimSize(0), 1}, rows.getElementType());
}

LogicalResult HmmFilterOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  auto rows = dyn_cast<RankedTensorType>(adaptor.getEmissions().getType());
  if (!rows || rows.getRank() != 2)
    return failure();
  types.assign({rows, columnOf(rows)});
  return success();
}
LogicalResult HmmSmootherOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getEmissions().getType());
  return success();
}
LogicalResult ViterbiOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto rows = dyn_cast<RankedTensorType>(adaptor.getEmissions().getType());
  if (!rows || rows.getRank() != 2)
    return failure();
  types.assign(
      {RankedTensorType::get({rows.getDimSize(0)}, IntegerType::get(context, 32)), columnOf(rows)});
  return success();
}

void HmmFilterOp::getEffects(Effects &effects) {
  for (OpOperand &state : MutableOperandRange(getStateMutable())) {
    effects.emplace_back(MemoryEffects::Read::get(), &state);
    effects.emplace_back(MemoryEffects::Write::get(), &state);
  }
}

//===--- Meaning ------------------------------------------------------------------------------===//

namespace {
/// The scalar formulas of the three distributions: eta and y are f64.
struct Formula {
  EmissionFamily family;

  Number of(ImplicitLocOpBuilder &b, Number y, Number eta, Value logVariance) const {
    if (family == EmissionFamily::Bernoulli)
      return y * eta - softplus(b, eta);
    if (family == EmissionFamily::Poisson)
      return y * eta - eta.exp() - logFactorial(b, y);
    Number variance{b, logVariance}, rest = y - eta;
    constexpr double kLog2Pi = 1.8378770664093454836;
    return y.constant(-0.5) *
           (y.constant(kLog2Pi) + variance + rest * rest * (y.constant(0) - variance).exp());
  }

private:
  static Number log(Number x) { return x.apply<math::LogOp>(); }
  static Number pick(ImplicitLocOpBuilder &b, arith::CmpFPredicate predicate, Number x, Number than,
                     Number yes, Number no) {
    Value holds = arith::CmpFOp::create(b, predicate, x.v, than.v);
    return x.of(arith::SelectOp::create(b, holds, yes.v, no.v));
  }
  /// max(x, 0) + log(1 + exp(-|x|)).
  static Number softplus(ImplicitLocOpBuilder &b, Number x) {
    Number zero = x.constant(0);
    Number magnitude = pick(b, arith::CmpFPredicate::OLT, x, zero, zero - x, x);
    Number positive = pick(b, arith::CmpFPredicate::OLT, x, zero, zero, x);
    return positive + log(x.constant(1) + (zero - magnitude).exp());
  }
  /// log Gamma(y + 1) by Stirling's series, at y + 9 with a product divided out where y < 64.
  static Number logFactorial(ImplicitLocOpBuilder &b, Number y) {
    Number z = y + y.constant(1), one = y.constant(1), limit = y.constant(64);
    Number product = z;
    for (int i = 1; i < 8; ++i)
      product = product * (z + y.constant(i));
    auto small = [&](Number yes, Number no) {
      return pick(b, arith::CmpFPredicate::OLT, z, limit, yes, no);
    };
    Number x = small(z + y.constant(8), z), inverse = one / x, square = inverse * inverse;
    Number series = y.constant(1.0 / 1188);
    for (double term : {-1.0 / 1680, 1.0 / 1260, -1.0 / 360, 1.0 / 12})
      series = series * square + y.constant(term);
    constexpr double kHalfLog2Pi = 0.91893853320467274178;
    Number whole = (x - y.constant(0.5)) * log(x) - x + y.constant(kHalfLog2Pi);
    return whole + series * inverse - log(small(product, one));
  }
};
} // namespace

Values EmissionOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Type f64 = b.getF64Type();
  OpFoldResult rows = sizesOf(b, getMeasurements())[0];
  OpFoldResult states = b.getIndexAttr(getBias().getType().getDimSize(0));
  auto wide = [&](ImplicitLocOpBuilder &b, Value value) {
    return Number(b, convertFloat(b, value, f64));
  };
  SmallVector<Value> inputs{getMeasurements(), getBias()};
  SmallVector<AffineMap> maps{dimsMap(b, 2, {0}), dimsMap(b, 2, {1})};
  if (getWeight()) {
    inputs.push_back(reduceElements(b, {rows, states}, f64, 0.0, 1, {getCovariates(), getWeight()},
                                    {dimsMap(b, 3, {0, 2}), dimsMap(b, 3, {1, 2})},
                                    [&](ImplicitLocOpBuilder &b, ValueRange v) {
                                      return (Number(b, v[2]) + wide(b, v[0]) * wide(b, v[1])).v;
                                    }));
    maps.push_back(rangeMap(b, 2, 0, 2));
  }
  if (getLogVariance()) {
    inputs.push_back(getLogVariance());
    maps.push_back(dimsMap(b, 2, {1}));
  }
  Formula formula{getFamily()};
  return SmallVector<Value>{
      mapElements(b, {rows, states}, getType().getElementType(), inputs, maps,
                  [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                    Number y = wide(b, v[0]), eta = wide(b, v[1]);
                    if (getWeight())
                      eta = eta + Number(b, v[2]);
                    Value variance = getLogVariance() ? wide(b, v.back()).v : Value();
                    Number made = formula.of(b, y, eta, variance), none = y - y;
                    // NaN where y is not finite, whatever the formula says of it.
                    return convertFloat(b, (made + none).v, getType().getElementType());
                  })};
}

namespace {
/// Vectors [K] and matrices [K, K] of logarithms, in f64.
class HiddenMath {
public:
  HiddenMath(ImplicitLocOpBuilder &builder, const HiddenOperands &o) : b(builder), o(o) {}

  Value vector(ArrayRef<Value> inputs, ScalarBody body) {
    SmallVector<AffineMap> maps(inputs.size(), dimsMap(b, 1, {0}));
    return mapElements(b, size(), b.getF64Type(), inputs, maps, body);
  }
  Value add(Value x, Value y) {
    return vector({x, y}, [](ImplicitLocOpBuilder &b, ValueRange v) {
      return (Number(b, v[0]) + Number(b, v[1])).v;
    });
  }
  /// x less the scalar.
  Value less(Value x, Value scalar) {
    return vector({x}, [&](ImplicitLocOpBuilder &b, ValueRange v) {
      return (Number(b, v[0]) - Number(b, scalar)).v;
    });
  }
  Value zeros() {
    return vector({}, [](ImplicitLocOpBuilder &b, ValueRange) {
      return floatConstant(b, b.getF64Type(), 0);
    });
  }
  Value select(Value condition, Value yes, Value no) {
    return vector({yes, no}, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
      return arith::SelectOp::create(b, condition, v[0], v[1]);
    });
  }

  /// The largest entry, of a vector as a scalar; not below -1e300, so that differences exist.
  Value largest(Value x) { return scalarOf(fold({x}, {dimsMap(b, 2, {1})}, kLeast, max, 1)); }
  /// log sum exp of a vector.
  Value logSum(Value x) {
    Value top = largest(x);
    Value sum = fold(
        {x}, {dimsMap(b, 2, {1})}, 0,
        [&](ImplicitLocOpBuilder &b, ValueRange v) {
          return (Number(b, v[1]) + (Number(b, v[0]) - Number(b, top)).exp()).v;
        },
        1);
    return logOver(b, scalarOf(sum), top);
  }

  /// log softmax over j of transition[i, j] + (V u)_j into `token`: [K, K].
  Value transition(Value token) {
    if (o.step)
      return o.step;
    AffineMap all = rangeMap(b, 2, 0, 2), row = dimsMap(b, 2, {0}), column = dimsMap(b, 2, {1});
    SmallVector<Value> inputs{o.transition};
    SmallVector<AffineMap> maps{all};
    if (o.inputs) {
      inputs.push_back(drive(token));
      maps.push_back(column);
    }
    SmallVector<OpFoldResult> square{size(), size()};
    Value scores = mapElements(b, square, b.getF64Type(), inputs, maps,
                               [](ImplicitLocOpBuilder &b, ValueRange v) {
                                 Number sum{b, convertFloat(b, v[0], b.getF64Type())};
                                 for (Value more : v.drop_front())
                                   sum = sum + Number{b, more};
                                 return sum.v;
                               });
    Value normal = logSumRows(scores, zeros(), /*overColumns=*/true);
    return mapElements(b, square, b.getF64Type(), {scores, normal}, {all, row},
                       [](ImplicitLocOpBuilder &b, ValueRange v) {
                         return (Number(b, v[0]) - Number(b, v[1])).v;
                       });
  }

  /// log sum exp over the columns of m[i, j] + x[j], or over its rows of m[i, j] + x[i]: [K].
  Value logSumRows(Value m, Value x, bool overColumns) {
    Value top = foldMatrix(m, x, overColumns, kLeast, max);
    Value sum =
        fold({m, x, top}, mapsOf(overColumns), 0, [](ImplicitLocOpBuilder &b, ValueRange v) {
          Number term = Number(b, v[0]) + Number(b, v[1]) - Number(b, v[2]);
          return (Number(b, v[3]) + term.exp()).v;
        });
    return vector({sum, top},
                  [](ImplicitLocOpBuilder &b, ValueRange v) { return logOver(b, v[0], v[1]); });
  }
  /// The largest of m[i, j] + x[i] over i, and its i.
  std::pair<Value, Value> best(Value m, Value x) {
    Value top = foldMatrix(m, x, false, kLeast, max);
    Value number = fold({m, x, top}, mapsOf(false), double(o.states - 1),
                        [](ImplicitLocOpBuilder &b, ValueRange v) {
                          Number sum = Number(b, v[0]) + Number(b, v[1]);
                          return firstWhere(b, sum.v, v[2], v[3]);
                        });
    return {top, number};
  }
  /// The number of the largest entry, an f64.
  Value argmax(Value x) {
    Value top = largest(x);
    return scalarOf(fold(
        {x}, {dimsMap(b, 2, {1})}, double(o.states - 1),
        [&](ImplicitLocOpBuilder &b, ValueRange v) { return firstWhere(b, v[0], top, v[1]); }, 1));
  }

  /// log softmax of the initial scores.
  Value initial() {
    if (o.begin)
      return o.begin;
    Value scores = vector({o.initial}, [](ImplicitLocOpBuilder &b, ValueRange v) {
      return convertFloat(b, v[0], b.getF64Type());
    });
    return less(scores, logSum(scores));
  }
  /// The token's emissions; zeros where they are no measurement.
  Value emission(Value token) {
    return vector({rowAt(b, o.emissions, token)}, [](ImplicitLocOpBuilder &b, ValueRange v) {
      Number x{b, convertFloat(b, v[0], b.getF64Type())};
      Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x.v, x.v);
      return arith::SelectOp::create(b, none, x.constant(0).v, x.v).getResult();
    });
  }
  Value exponentials(Value x) {
    return vector({x},
                  [](ImplicitLocOpBuilder &b, ValueRange v) { return Number(b, v[0]).exp().v; });
  }

private:
  static constexpr double kLeast = -1e300;

  static Value max(ImplicitLocOpBuilder &b, ValueRange v) {
    Number sum{b, v[0]};
    for (Value more : v.drop_front().drop_back())
      sum = sum + Number{b, more};
    return ssm::max(sum, Number{b, v.back()}).v;
  }
  /// log(sum) + top.
  static Value logOver(ImplicitLocOpBuilder &b, Value sum, Value top) {
    return (Number(b, sum).apply<math::LogOp>() + Number(b, top)).v;
  }
  /// min(number, the reduced loop's index where value = top).
  static Value firstWhere(ImplicitLocOpBuilder &b, Value value, Value top, Value number) {
    Value index = arith::IndexCastOp::create(b, b.getI64Type(), loopIndex(b, 1));
    Value as = arith::SIToFPOp::create(b, b.getF64Type(), index);
    Value here = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, value, top);
    Value lower = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, as, number);
    return arith::SelectOp::create(b, arith::AndIOp::create(b, here, lower), as, number);
  }

  OpFoldResult size() { return b.getIndexAttr(o.states); }
  /// Of a matrix, a vector along the reduced loop, and one along the result's: loops r, k.
  SmallVector<AffineMap> mapsOf(bool overColumns) {
    AffineMap matrix = overColumns ? dimsMap(b, 2, {0, 1}) : dimsMap(b, 2, {1, 0});
    return {matrix, dimsMap(b, 2, {1}), dimsMap(b, 2, {0})};
  }
  Value foldMatrix(Value m, Value x, bool overColumns, double init, ScalarBody body) {
    return fold({m, x}, ArrayRef(mapsOf(overColumns)).drop_back(), init, body);
  }
  Value fold(ArrayRef<Value> inputs, ArrayRef<AffineMap> maps, double init, ScalarBody body,
             int64_t results = 0) {
    OpFoldResult count = results ? OpFoldResult(b.getIndexAttr(results)) : size();
    return reduceElements(b, count, b.getF64Type(), init, 1, inputs, maps, body);
  }
  Value scalarOf(Value one) {
    return tensor::ExtractOp::create(b, one, ValueRange{indexConstant(b, 0)});
  }
  /// V u of the token: [K].
  Value drive(Value token) {
    Value u = rowAt(b, o.inputs, token);
    return fold({o.inputWeight, u}, {dimsMap(b, 2, {0, 1}), dimsMap(b, 2, {1})}, 0,
                [](ImplicitLocOpBuilder &b, ValueRange v) {
                  auto wide = [&](Value value) {
                    return Number(b, convertFloat(b, value, b.getF64Type()));
                  };
                  return (Number(b, v[2]) + wide(v[0]) * wide(v[1])).v;
                });
  }

  ImplicitLocOpBuilder &b;
  const HiddenOperands &o;
};

/// The operands of `op` with what is the same for all tokens.
template <typename Op>
HiddenOperands operandsOf(ImplicitLocOpBuilder &b, Op op) {
  HiddenOperands o = HiddenOperands::of(op), made = o;
  made.begin = HiddenMath(b, o).initial();
  if (!o.inputs)
    made.step = HiddenMath(b, o).transition({});
  return made;
}

RankedTensorType f64Rows(ImplicitLocOpBuilder &b, int64_t columns) {
  return RankedTensorType::get({ShapedType::kDynamic, columns}, b.getF64Type());
}

/// `value` [K] of f64 as a row of `type`.
Value asRow(ImplicitLocOpBuilder &b, RankedTensorType type, Value value) {
  Type element = type.getElementType();
  return mapElements(b, sizesOf(b, value), element, value, dimsMap(b, 1, {0}),
                     [&](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
}
Value scalarRow(ImplicitLocOpBuilder &b, RankedTensorType type, Value scalar) {
  return mapElements(b, OpFoldResult(b.getIndexAttr(1)), type.getElementType(), {}, {},
                     [&](ImplicitLocOpBuilder &, ValueRange) { return scalar; });
}

/// Logarithms of a step of the forward recursion.
struct ForwardStep {
  Value posterior, sum; ///< [K]; log p(y_0 .. y_t), a scalar
  Value words;
};
ForwardStep forwardStep(ImplicitLocOpBuilder &b, const HiddenOperands &o, Value token,
                        Value words) {
  HiddenMath h(b, o);
  TensorMatrices m(b);
  int64_t k = o.states;
  auto f64 = b.getF64Type();
  Value begun = arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, m.numberFromWords(words, 0),
                                      floatConstant(b, f64, 0));
  Value last = buildReshape(b, m.fromWords(words, 2, 1, k), RankedTensorType::get({k}, f64));
  Value moved = h.logSumRows(h.transition(token), last, /*overColumns=*/false);
  Value joint = h.add(h.select(begun, moved, h.initial()), h.emission(token));
  Value scale = h.logSum(joint);
  Value sum = (Number(b, m.numberFromWords(words, 1)) + Number(b, scale)).v;
  Value posterior = h.less(joint, scale);
  return {posterior, sum, m.toWords(2 + k, {floatConstant(b, f64, 1), sum, posterior})};
}
} // namespace

Values HmmFilterOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  HiddenOperands o = operandsOf(b, *this);
  RankedTensorType rows = typeOf(getFiltered()), column = typeOf(getLogLikelihood());
  Recurrence recurrence{
      getBatch(), {getState()}, {TensorMatrices(b).wordsType(2 + o.states)}, {rows, column}, false};
  auto step = [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
    ForwardStep made = forwardStep(b, o, token, last[0]);
    Value posterior = HiddenMath(b, o).exponentials(made.posterior);
    return {made.words, asRow(b, rows, posterior), scalarRow(b, column, made.sum)};
  };
  return buildRecurrence(b, rowCount(b, getEmissions()), recurrence, step);
}

Values HmmSmootherOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  HiddenOperands o = operandsOf(b, *this);
  int64_t k = o.states;
  Value tokens = rowCount(b, getEmissions());
  Recurrence forward{
      getBatch(), {Value()}, {TensorMatrices(b).wordsType(2 + k)}, {f64Rows(b, k)}, false};
  Value filtered = buildRecurrence(
      b, tokens, forward,
      [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
        ForwardStep made = forwardStep(b, o, token, last[0]);
        return {made.words, made.posterior};
      })[0];
  // What is carried backward is log p(y_{t+1} .. | z_t): zeros at the last token.
  Recurrence backward{getBatch(), {Value()}, {TensorMatrices(b).wordsType(k)}, {getType()}, true};
  return buildRecurrence(
      b, tokens, backward,
      [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
        HiddenMath h(b, o);
        TensorMatrices m(b);
        Value future = buildReshape(b, m.fromWords(last[0], 0, 1, k),
                                    RankedTensorType::get({k}, b.getF64Type()));
        Value joint = h.add(rowAt(b, filtered, token), future);
        Value smoothed = h.exponentials(h.less(joint, h.logSum(joint)));
        Value message = h.logSumRows(h.transition(token), h.add(h.emission(token), future),
                                     /*overColumns=*/true);
        return {m.toWords(k, message), asRow(b, getType(), smoothed)};
      });
}

Values ViterbiOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  HiddenOperands o = operandsOf(b, *this);
  int64_t k = o.states;
  Value tokens = rowCount(b, getEmissions());
  RankedTensorType column = typeOf(getScore());
  auto f64 = b.getF64Type();
  auto begun = [&](ImplicitLocOpBuilder &b, Value words) -> Value {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE,
                                 TensorMatrices(b).numberFromWords(words, 0),
                                 floatConstant(b, b.getF64Type(), 0));
  };
  Recurrence forward{getBatch(),
                     {Value()},
                     {TensorMatrices(b).wordsType(1 + k)},
                     {f64Rows(b, k), f64Rows(b, k), column},
                     false};
  SmallVector<Value> made = buildRecurrence(
      b, tokens, forward,
      [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
        HiddenMath h(b, o);
        TensorMatrices m(b);
        Value before =
            buildReshape(b, m.fromWords(last[0], 1, 1, k), RankedTensorType::get({k}, f64));
        auto [top, from] = h.best(h.transition(token), before);
        Value score = h.add(h.select(begun(b, last[0]), top, h.initial()), h.emission(token));
        return {m.toWords(1 + k, {floatConstant(b, f64, 1), score}), score, from,
                scalarRow(b, column, h.largest(score))};
      });
  // Backward: 1 and the state of the token, as its successor says.
  Recurrence backward{getBatch(),
                      {Value()},
                      {TensorMatrices(b).wordsType(2)},
                      {RankedTensorType::get({ShapedType::kDynamic, 1}, b.getI32Type())},
                      true};
  Value path = buildRecurrence(
      b, tokens, backward,
      [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
        HiddenMath h(b, o);
        TensorMatrices m(b);
        Value best = h.argmax(rowAt(b, made[0], token));
        Value state =
            arith::SelectOp::create(b, begun(b, last[0]), m.numberFromWords(last[0], 1), best);
        Value number = arith::FPToSIOp::create(b, b.getI32Type(), state);
        Value from = tensor::ExtractOp::create(b, made[1], ValueRange{token, toIndex(b, number)});
        Value row = mapElements(b, OpFoldResult(b.getIndexAttr(1)), b.getI32Type(), {}, {},
                                [&](ImplicitLocOpBuilder &, ValueRange) { return number; });
        return {m.toWords(2, {floatConstant(b, f64, 1), from}), row};
      })[0];
  return SmallVector<Value>{buildReshape(b, path, typeOf(getPath())), made[2]};
}
