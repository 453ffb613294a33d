// Linear-Gaussian state spaces: checks and meaning.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/GaussianOperands.h"
#include "dialects/ssm/LinearGaussian.h"
#include "dialects/ssm/Recurrence.h"
#include "dialects/ssm/TensorMatrices.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

using Values = FailureOr<SmallVector<Value>>;
using Effects = SmallVectorImpl<MemoryEffects::EffectInstance>;

static RankedTensorType typeOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()); }

//===--- Checks -------------------------------------------------------------------------------===//

/// Checks that the operand `name` (may be null) has the shape `shape`; a dynamic size fits any.
static LogicalResult verifyShape(Operation *op, StringRef name, Value value,
                                 ArrayRef<int64_t> shape) {
  if (!value || typeOf(value).getShape() == shape)
    return success();
  return op->emitOpError("'") << name << "' is " << value.getType() << ", expected the shape ["
                              << shape << "]";
}

static LogicalResult verifyGaussian(Operation *op, const GaussianOperands &o) {
  int64_t n = o.states, m = o.count;
  if (failed(verifyRows(op, "measurements", o.measurements)))
    return failure();
  struct Expected {
    StringRef name;
    Value value;
    SmallVector<int64_t> shape;
  };
  const Expected all[] = {{"transition", o.transition, {n, n}},
                          {"noise", o.noise, {n, n}},
                          {"whitener", o.whitener, {2, m, m}},
                          {"readout", o.readout, {2, n, m}},
                          {"information", o.information, {2, n, n}},
                          {"log_determinant", o.logDeterminant, {2, 1}},
                          {"covariance", o.covariance, {n, n}},
                          {"observed", o.observed, {ShapedType::kDynamic}},
                          {"offset", o.offset, {n}},
                          {"measurement_offset", o.measurementOffset, {m}}};
  for (const Expected &e : all)
    if (failed(verifyShape(op, e.name, e.value, e.shape)))
      return failure();
  return verifyCarry(op, "state", o.state, {kFilterHead + beliefSize(n), 2});
}

LogicalResult KalmanFilterOp::verify() {
  return verifyGaussian(*this, GaussianOperands::of(*this));
}
LogicalResult KalmanSmootherOp::verify() {
  return verifyGaussian(*this, GaussianOperands::of(*this));
}

LogicalResult DiscriminativeFilterOp::verify() {
  int64_t n = typeOf(getTransition()).getDimSize(0);
  if (failed(verifyRows(*this, "estimates", getEstimates())) ||
      failed(verifyEqual(*this, "estimates", "columns", typeOf(getEstimates()).getDimSize(1), n)))
    return failure();
  for (auto [name, value] : {std::pair<StringRef, Value>{"transition", getTransition()},
                             {"noise", getNoise()},
                             {"prior", getPrior()}})
    if (failed(verifyShape(*this, name, value, {n, n})))
      return failure();
  SmallVector<int64_t> shape{n, n};
  if (rankOf(getUncertainty()) == 3)
    shape.insert(shape.begin(), ShapedType::kDynamic);
  if (failed(verifyShape(*this, "uncertainty", getUncertainty(), shape)))
    return failure();
  return verifyCarry(*this, "state", getState(), {1 + beliefSize(n), 2});
}

namespace {
/// Types of results: rows of means and covariances over n states.
struct ResultTypes {
  RankedTensorType rows; ///< of the op's first operand
  int64_t states;

  RankedTensorType of(ArrayRef<int64_t> shape) const {
    SmallVector<int64_t> whole{rows.getDimSize(0)};
    whole.append(shape.begin(), shape.end());
    return RankedTensorType::get(whole, rows.getElementType());
  }
  RankedTensorType mean() const { return of({states}); }
  RankedTensorType covariance() const { return of({states, states}); }
};
} // namespace

static FailureOr<ResultTypes> resultTypes(Value rows, Value states) {
  auto type = dyn_cast<RankedTensorType>(rows.getType());
  auto of = dyn_cast<RankedTensorType>(states.getType());
  if (!type || !of || type.getRank() == 0 || of.getRank() == 0)
    return failure();
  return ResultTypes{type, of.getDimSize(0)};
}

LogicalResult KalmanFilterOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                               Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto t = resultTypes(adaptor.getMeasurements(), adaptor.getMean());
  if (failed(t))
    return failure();
  types.assign({t->mean(), t->covariance(), t->mean(), t->covariance(), t->of({1})});
  return success();
}
LogicalResult KalmanSmootherOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                                 Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto t = resultTypes(adaptor.getMeasurements(), adaptor.getMean());
  if (failed(t))
    return failure();
  types.assign({t->mean(), t->covariance(), t->covariance()});
  return success();
}
LogicalResult DiscriminativeFilterOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                                       Adaptor adaptor,
                                                       SmallVectorImpl<Type> &types) {
  auto t = resultTypes(adaptor.getEstimates(), adaptor.getTransition());
  if (failed(t))
    return failure();
  types.assign({t->mean(), t->covariance()});
  return success();
}

void KalmanFilterOp::getEffects(Effects &effects) {
  for (OpOperand &state : MutableOperandRange(getStateMutable())) {
    effects.emplace_back(MemoryEffects::Read::get(), &state);
    effects.emplace_back(MemoryEffects::Write::get(), &state);
  }
}
/// It keeps nothing.
void KalmanSmootherOp::getEffects(Effects &) {}

//===--- Meaning ------------------------------------------------------------------------------===//

namespace {
using Model = KalmanModel<TensorMatrices>;

/// Loads the operands that are the same for all tokens.
void loadModel(Model &model, TensorMatrices &m, const GaussianOperands &o) {
  model.transition = m.of(o.transition);
  model.noise = m.of(o.noise);
  if (o.offset)
    model.offset = m.of(o.offset);
  model.whitener = m.ofPairs(o.whitener);
  model.readout = m.ofPairs(o.readout);
  model.information = m.ofPairs(o.information);
  if (o.measurementOffset)
    model.measurementOffset = m.of(o.measurementOffset);
  model.prior = {m.of(o.mean), m.of(o.covariance)};
  model.logDeterminant = m.numberOf(o.logDeterminant);
  model.measurements = o.count;
}

Value seenAt(ImplicitLocOpBuilder &b, Value observed, Value token) {
  if (!observed)
    return arith::ConstantOp::create(b, b.getBoolAttr(true));
  Value flag = tensor::ExtractOp::create(b, observed, ValueRange{token});
  Value zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, flag, zero);
}

/// i1: whether words that were kept hold a belief.
Value begun(TensorMatrices &m, Value words) {
  ImplicitLocOpBuilder &b = m.builder();
  return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, m.numberFromWords(words, 0),
                               floatConstant(b, b.getF64Type(), 0));
}

Belief<Value> beliefOf(TensorMatrices &m, Value words, int64_t first, int64_t states) {
  return {m.fromWords(words, first, 1, states), m.fromWords(words, first + states, states, states)};
}

RankedTensorType rowOf(RankedTensorType type) {
  return RankedTensorType::get(type.getShape().drop_front(), type.getElementType());
}

/// One step of the filter from what a token starts from.
struct FilterStep {
  Belief<Value> predicted, filtered;
  Value logLikelihood, words;
};
FilterStep filterStep(TensorMatrices &m, Model &model, const GaussianOperands &o, Value token,
                      Value words) {
  ImplicitLocOpBuilder &b = m.builder();
  Belief<Value> last = beliefOf(m, words, kFilterHead, o.states);
  Belief<Value> predicted = model.select(begun(m, words), model.predict(last), model.prior);
  auto made =
      model.update(predicted, m.of(rowAt(b, o.measurements, token)), seenAt(b, o.observed, token));
  Value sum = (Number(b, m.numberFromWords(words, 1)) + Number(b, made.logLikelihood)).v;
  Value one = floatConstant(b, b.getF64Type(), 1);
  Value next = m.toWords(kFilterHead + beliefSize(o.states),
                         {one, sum, made.belief.mean, made.belief.covariance});
  return {predicted, made.belief, sum, next};
}
} // namespace

Values KalmanFilterOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  GaussianOperands o = GaussianOperands::of(*this);
  TensorMatrices m(b);
  Model model(m);
  loadModel(model, m, o);
  Recurrence recurrence{
      getBatch(), {getState()}, {m.wordsType(kFilterHead + beliefSize(o.states))}, {}, false};
  for (Type type : getResultTypes())
    recurrence.results.push_back(cast<RankedTensorType>(type));
  auto step = [&](ImplicitLocOpBuilder &inner, Value token, ValueRange last) -> SmallVector<Value> {
    TensorMatrices inside(inner);
    Model of = model.with(inside);
    FilterStep made = filterStep(inside, of, o, token, last[0]);
    SmallVector<Value> values{made.predicted.mean, made.predicted.covariance, made.filtered.mean,
                              made.filtered.covariance, inside.single(made.logLikelihood)};
    for (auto [value, type] : llvm::zip(values, recurrence.results))
      value = inside.as(rowOf(type), value);
    values.insert(values.begin(), made.words);
    return values;
  };
  return buildRecurrence(b, rowCount(b, getMeasurements()), recurrence, step);
}

Values KalmanSmootherOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  GaussianOperands o = GaussianOperands::of(*this);
  int64_t n = o.states;
  TensorMatrices m(b);
  Model model(m);
  loadModel(model, m, o);
  Value tokens = rowCount(b, getMeasurements());
  auto rows = [&](ArrayRef<int64_t> shape) {
    SmallVector<int64_t> whole{ShapedType::kDynamic};
    whole.append(shape.begin(), shape.end());
    return RankedTensorType::get(whole, b.getF64Type());
  };
  Recurrence forward{getBatch(),
                     {Value()},
                     {m.wordsType(kFilterHead + beliefSize(n))},
                     {rows({n}), rows({n, n})},
                     false};
  SmallVector<Value> filtered = buildRecurrence(
      b, tokens, forward,
      [&](ImplicitLocOpBuilder &inner, Value token, ValueRange last) -> SmallVector<Value> {
        TensorMatrices inside(inner);
        Model of = model.with(inside);
        FilterStep made = filterStep(inside, of, o, token, last[0]);
        return {made.words, inside.as(rowOf(forward.results[0]), made.filtered.mean),
                inside.as(rowOf(forward.results[1]), made.filtered.covariance)};
      });
  Recurrence backward{getBatch(), {Value()}, {m.wordsType(1 + beliefSize(n))}, {}, true};
  for (Type type : getResultTypes())
    backward.results.push_back(cast<RankedTensorType>(type));
  return buildRecurrence(
      b, tokens, backward,
      [&](ImplicitLocOpBuilder &inner, Value token, ValueRange last) -> SmallVector<Value> {
        TensorMatrices inside(inner);
        Model of = model.with(inside);
        Belief<Value> here{inside.of(rowAt(inner, filtered[0], token)),
                           inside.of(rowAt(inner, filtered[1], token))};
        Value follows = begun(inside, last[0]);
        auto made = of.smooth(here, beliefOf(inside, last[0], 1, n));
        Belief<Value> smoothed = of.select(follows, made.belief, here);
        Value one = floatConstant(inner, inner.getF64Type(), 1);
        return {inside.toWords(1 + beliefSize(n), {one, smoothed.mean, smoothed.covariance}),
                inside.as(rowOf(backward.results[0]), smoothed.mean),
                inside.as(rowOf(backward.results[1]), smoothed.covariance),
                inside.as(rowOf(backward.results[2]), of.masked(follows, made.lag))};
      });
}

Values DiscriminativeFilterOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t n = typeOf(getTransition()).getDimSize(0);
  TensorMatrices m(b);
  using Learned = DiscriminativeModel<TensorMatrices>;
  Learned model(m);
  model.transition = m.of(getTransition());
  model.noise = m.of(getNoise());
  Value prior = m.of(getPrior());
  model.priorPrecision = model.inverse(prior);
  Recurrence recurrence{getBatch(), {getState()}, {m.wordsType(1 + beliefSize(n))}, {}, false};
  for (Type type : getResultTypes())
    recurrence.results.push_back(cast<RankedTensorType>(type));
  auto step = [&](ImplicitLocOpBuilder &inner, Value token, ValueRange last) -> SmallVector<Value> {
    TensorMatrices inside(inner);
    Learned of = model.with(inside);
    Belief<Value> kept = beliefOf(inside, last[0], 1, n);
    Belief<Value> first{of.zerosLike(kept.mean), prior};
    Belief<Value> predicted = of.select(begun(inside, last[0]), of.predict(kept), first);
    Value uncertainty = getUncertainty();
    if (rankOf(uncertainty) == 3)
      uncertainty = rowAt(inner, uncertainty, token);
    Belief<Value> made = of.update(predicted, inside.of(rowAt(inner, getEstimates(), token)),
                                   inside.of(uncertainty));
    Value one = floatConstant(inner, inner.getF64Type(), 1);
    return {inside.toWords(1 + beliefSize(n), {one, made.mean, made.covariance}),
            inside.as(rowOf(recurrence.results[0]), made.mean),
            inside.as(rowOf(recurrence.results[1]), made.covariance)};
  };
  return buildRecurrence(b, rowCount(b, getEstimates()), recurrence, step);
}
