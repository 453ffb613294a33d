// Diagonal state spaces: checks and meaning.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Complex.h"
#include "dialects/ssm/Recurrence.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

//===--- Formulas -----------------------------------------------------------------------------===//

namespace {
/// exp(z), and exp(z) - 1 without the loss of digits near 0.
struct Exponential {
  Pair whole, lessOne;
};
Exponential exponential(const Pair &z) {
  Number cos = z.im.cos(), sin = z.im.sin(), half = (z.im * z.im.constant(0.5)).sin();
  Number grown = z.re.exp(), more = z.re.expm1();
  return {{grown * cos, grown * sin}, {more * cos - half.constant(2) * half * half, grown * sin}};
}
} // namespace

Coefficients ssm::buildCoefficients(ImplicitLocOpBuilder &b, const Mode &mode) {
  Number real{b, mode.real}, imag{b, mode.imag};
  Number one = real.constant(1), zero = real.constant(0);
  Number step = mode.logStep ? Number(b, mode.logStep).exp() : one;
  if (mode.stepScale)
    step = step * Number(b, mode.stepScale);
  Pair rate = buildRate(mode.rates, real, imag), a{one, zero}, in{one, zero};
  if (mode.discretization == Discretization::Bilinear) {
    Pair half = rate * (step * one.constant(0.5));
    Pair below{one - half.re, zero - half.im};
    a = Pair{one + half.re, half.im} / below;
    in = Pair{step, zero} / below;
  } else {
    Exponential e = exponential(rate * step);
    a = e.whole;
    if (mode.discretization == Discretization::Zoh)
      in = e.lessOne / rate;
  }
  if (mode.logGain)
    in = in * Number(b, mode.logGain).exp();
  return {a.complex(), in.complex()};
}

Complex ssm::buildModeStep(ImplicitLocOpBuilder &b, const Coefficients &mode, const Complex &state,
                           const Complex &input) {
  auto number = [&](Value value) { return Number{b, value}; };
  Pair a{number(mode.a.real), number(mode.a.imag)}, in{number(mode.b.real), number(mode.b.imag)};
  Pair next = a * Pair{number(state.real), number(state.imag)};
  Number u = number(input.real);
  Pair more = input.imag ? in * Pair{u, number(input.imag)} : in * u;
  return {(next.re + more.re).v, (next.im + more.im).v};
}

//===--- Checks -------------------------------------------------------------------------------===//

LogicalResult ssm::verifyRun(Operation *op, const DiagonalRun &run, ArrayRef<Form> allowed) {
  if (run.stepScale) {
    auto type = cast<RankedTensorType>(run.stepScale.getType());
    if (failed(verifyEqual<int64_t>(op, "step_scale", "size", type.getDimSize(0), 1)))
      return failure();
  }
  if (run.run.form == Form::Convolution && run.run.state)
    return op->emitOpError("'form' convolution is for whole sequences, which have no 'state'");
  return verifyForm(op, run.run, allowed);
}

LogicalResult DiagonalOp::verify() {
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyMinRank(*this, "input", getInput(), 2)))
    return failure();
  RankedTensorType real = getReal().getType();
  int64_t modes = real.getDimSize(0), channels = real.getDimSize(1);
  int64_t columns = getReadoutReal() ? channels : 2 * channels;
  if (failed(verifyEqual(*this, "input", "columns", getType().getDimSize(1), columns)))
    return failure();
  if (!getReadoutReal() && modes != 1)
    return emitOpError("'real' has ") << modes << " modes a channel, which needs a readout";
  auto likeReal = [&](StringRef name, Value value) -> LogicalResult {
    if (!value || cast<RankedTensorType>(value.getType()).getShape() == real.getShape())
      return success();
    return emitOpError("'") << name << "' is " << value.getType() << ", expected the shape of "
                            << real;
  };
  if (failed(likeReal("imag", getImag())) || failed(likeReal("readout_real", getReadoutReal())) ||
      failed(likeReal("readout_imag", getReadoutImag())) ||
      failed(verifyVector(*this, "log_step", getLogStep(), getReal())) ||
      failed(verifyVector(*this, "log_gain", getLogGain(), getReal())))
    return failure();
  if (failed(verifyRun(*this,
                       {getStepScale(), {getForm(), getFormLength(), getReverse(), getState()}},
                       {Form::Recurrent, Form::Scan, Form::Convolution})))
    return failure();
  if (getForm() == Form::Convolution && !getReadoutReal())
    return emitOpError("'form' convolution needs a readout: without one there is no kernel");
  return verifyCarry(*this, "state", getState(), {2, modes, channels});
}

//===--- Meaning ------------------------------------------------------------------------------===//

namespace {
/// The decomposition on its way. The state's axes: part (real, imaginary), n, h.
struct DiagonalMeaning {
  DiagonalOp op;
  int64_t modes = op.getReal().getType().getDimSize(0),
          channels = op.getReal().getType().getDimSize(1);

  SmallVector<OpFoldResult> sizes(ImplicitLocOpBuilder &b, ArrayRef<int64_t> values) {
    return getAsIndexOpFoldResult(b.getContext(), values);
  }

  /// One of the four numbers of the coefficients: [N, H].
  Value coefficient(ImplicitLocOpBuilder &b, function_ref<Value(const Coefficients &)> pick) {
    SmallVector<Value> inputs{op.getReal(), op.getImag()};
    SmallVector<AffineMap> maps(2, rangeMap(b, 2, 0, 2));
    for (Value vector : {op.getLogStep(), op.getLogGain()})
      if (vector) {
        inputs.push_back(vector);
        maps.push_back(dimsMap(b, 2, {1}));
      }
    return mapElements(b, sizes(b, {modes, channels}), b.getF32Type(), inputs, maps,
                       [&](ImplicitLocOpBuilder &b, ValueRange v) {
                         Mode mode{op.getRates(), op.getDiscretization(), v[0], v[1], {}, {}, {}};
                         if (op.getLogStep())
                           mode.logStep = v[2];
                         if (op.getLogGain())
                           mode.logGain = v.back();
                         if (op.getStepScale())
                           mode.stepScale = tensor::ExtractOp::create(
                               b, op.getStepScale(), ValueRange{indexConstant(b, 0)});
                         return pick(buildCoefficients(b, mode));
                       });
  }

  /// The next state [2, N, H] of the row `u`.
  Value next(ImplicitLocOpBuilder &b, ArrayRef<Value> coefficients, Value u, Value last) {
    SmallVector<AffineMap> maps(4, dimsMap(b, 3, {1, 2}));
    return mapElements(
        b, sizes(b, {2, modes, channels}), b.getF32Type(), coefficients, maps,
        [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
          Value n = loopIndex(b, 1), h = loopIndex(b, 2);
          auto part = [&](int64_t which) -> Value {
            return tensor::ExtractOp::create(b, last, ValueRange{indexConstant(b, which), n, h});
          };
          auto input = [&](int64_t which) -> Value {
            Value at = arith::AddIOp::create(b, h, indexConstant(b, which * channels));
            return convertFloat(b, tensor::ExtractOp::create(b, u, ValueRange{at}), b.getF32Type());
          };
          Complex in{input(0), op.getReadoutReal() ? Value() : input(1)};
          Complex made = buildModeStep(b, {{v[0], v[1]}, {v[2], v[3]}}, {part(0), part(1)}, in);
          Value isReal = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loopIndex(b, 0),
                                               indexConstant(b, 0));
          return arith::SelectOp::create(b, isReal, made.real, made.imag);
        });
  }

  /// `factor Re sum_n c s`: [H].
  Value readout(ImplicitLocOpBuilder &b, Value state) {
    // Loops: h, n.
    SmallVector<AffineMap> maps(2, dimsMap(b, 2, {1, 0}));
    Value sum = reduceElements(
        b, sizes(b, {channels}), b.getF32Type(), 0.0, 1, {op.getReadoutReal(), op.getReadoutImag()},
        maps, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
          auto part = [&](int64_t which) -> Value {
            return tensor::ExtractOp::create(
                b, state, ValueRange{indexConstant(b, which), loopIndex(b, 1), loopIndex(b, 0)});
          };
          Number re{b, part(0)}, im{b, part(1)};
          return (Number{b, v[2]} + (Number{b, v[0]} * re - Number{b, v[1]} * im)).v;
        });
    return mapElements(b, sizes(b, {channels}), elementOf(op.getInput()), sum, dimsMap(b, 1, {0}),
                       [&](ImplicitLocOpBuilder &b, ValueRange v) {
                         Number x{b, v[0]};
                         return (x * x.constant(op.getFactor().convertToDouble())).v;
                       });
  }

  /// The state as a row: [2 H].
  Value whole(ImplicitLocOpBuilder &b, Value state) {
    Type f32 = b.getF32Type();
    Value flat = buildReshape(b, state, RankedTensorType::get({2 * channels}, f32));
    if (elementOf(op.getInput()) == f32)
      return flat;
    return mapElements(b, sizes(b, {2 * channels}), elementOf(op.getInput()), flat,
                       dimsMap(b, 1, {0}),
                       [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
  }
};
} // namespace

FailureOr<SmallVector<Value>> DiagonalOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  DiagonalMeaning meaning{*this};
  SmallVector<Value> coefficients{
      meaning.coefficient(b, [](const Coefficients &c) { return c.a.real; }),
      meaning.coefficient(b, [](const Coefficients &c) { return c.a.imag; }),
      meaning.coefficient(b, [](const Coefficients &c) { return c.b.real; }),
      meaning.coefficient(b, [](const Coefficients &c) { return c.b.imag; })};
  Recurrence recurrence{
      getBatch(),
      {getState()},
      {RankedTensorType::get({2, meaning.modes, meaning.channels}, b.getF32Type())},
      {getType()},
      getReverse()};
  auto step = [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
    Value state = meaning.next(b, coefficients, rowAt(b, getInput(), token), last[0]);
    return {state, getReadoutReal() ? meaning.readout(b, state) : meaning.whole(b, state)};
  };
  return buildRecurrence(b, rowCount(b, getInput()), recurrence, step);
}
