// Diagonal plus low-rank state spaces: checks and meaning.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Complex.h"
#include "dialects/ssm/Recurrence.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

LogicalResult DplrOp::verify() {
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyMinRank(*this, "input", getInput(), 2)))
    return failure();
  RankedTensorType real = getReal().getType();
  int64_t modes = real.getDimSize(0), channels = real.getDimSize(1);
  if (failed(verifyEqual(*this, "input", "columns", getType().getDimSize(1), channels)))
    return failure();
  auto shaped = [&](StringRef name, Value value, ArrayRef<int64_t> shape) -> LogicalResult {
    if (cast<RankedTensorType>(value.getType()).getShape() == shape)
      return success();
    InFlightDiagnostic diagnostic = emitOpError("'") << name << "' is " << value.getType()
                                                     << ", expected the shape [";
    llvm::interleaveComma(shape, diagnostic);
    return diagnostic << "]";
  };
  SmallVector<int64_t> both{2, modes, channels};
  if (failed(shaped("imag", getImag(), real.getShape())) || failed(shaped("p", getP(), both)) ||
      failed(shaped("q", getQ(), both)) || failed(shaped("b", getB(), both)) ||
      failed(shaped("c", getC(), both)) ||
      failed(verifyVector(*this, "log_step", getLogStep(), getReal())))
    return failure();
  if (failed(verifyRun(*this,
                       {getStepScale(), {getForm(), getFormLength(), getReverse(), getState()}},
                       {Form::Recurrent, Form::Convolution})))
    return failure();
  return verifyCarry(*this, "state", getState(), both);
}

namespace {

/// A complex tensor [N, H].
struct Modes {
  Value re = {}, im = {};
};

/// The decomposition on its way.
struct DplrMeaning {
  DplrOp op;
  int64_t modes = op.getReal().getType().getDimSize(0),
          channels = op.getReal().getType().getDimSize(1);
  Value twoByStep = {};  ///< g: [H]
  Modes inverse = {};    ///< e
  Value correction = {}; ///< r: [H]

  using Body = function_ref<Pair(ArrayRef<Pair> modes, ArrayRef<Number> channels)>;

  static SmallVector<OpFoldResult> sizes(ImplicitLocOpBuilder &b, ArrayRef<int64_t> values) {
    return getAsIndexOpFoldResult(b.getContext(), values);
  }
  /// Part `which` of a tensor [2, N, H].
  Value part(ImplicitLocOpBuilder &b, Value whole, int64_t which) const {
    return rowAt(b, whole, indexConstant(b, which));
  }
  Modes apart(ImplicitLocOpBuilder &b, Value whole) const {
    return {part(b, whole, 0), part(b, whole, 1)};
  }

  /// Elementwise over modes; `vectors` are [H].
  Modes map(ImplicitLocOpBuilder &b, ArrayRef<Modes> inputs, ValueRange vectors, Body body) const {
    SmallVector<Value> operands;
    for (const Modes &each : inputs)
      operands.append({each.re, each.im});
    SmallVector<AffineMap> maps(operands.size(), rangeMap(b, 2, 0, 2));
    operands.append(vectors.begin(), vectors.end());
    maps.append(vectors.size(), dimsMap(b, 2, {1}));
    auto one = [&](bool imaginary) {
      return mapElements(b, sizes(b, {modes, channels}), b.getF32Type(), operands, maps,
                         [&](ImplicitLocOpBuilder &b, ValueRange v) {
                           SmallVector<Pair> pairs;
                           SmallVector<Number> numbers;
                           for (size_t i = 0; i < inputs.size(); ++i)
                             pairs.push_back({Number{b, v[2 * i]}, Number{b, v[2 * i + 1]}});
                           for (Value each : v.drop_front(2 * inputs.size()))
                             numbers.push_back({b, each});
                           Pair made = body(pairs, numbers);
                           return imaginary ? made.im.v : made.re.v;
                         });
    };
    return {one(false), one(true)};
  }

  /// `2 Re sum_n conj(x) y`: [H]; with `plain`, of x itself.
  Value dot(ImplicitLocOpBuilder &b, const Modes &x, const Modes &y, bool plain = false) const {
    SmallVector<AffineMap> maps(4, dimsMap(b, 2, {1, 0})); // Loops: h, n.
    Value sum =
        reduceElements(b, sizes(b, {channels}), b.getF32Type(), 0.0, 1, {x.re, x.im, y.re, y.im},
                       maps, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                         Number reals = Number{b, v[0]} * Number{b, v[2]};
                         Number imags = Number{b, v[1]} * Number{b, v[3]};
                         Number term = plain ? reals - imags : reals + imags;
                         return (Number{b, v[4]} + term).v;
                       });
    return vector(b, sum, [](Number x) { return x + x; });
  }

  Value vector(ImplicitLocOpBuilder &b, Value of, function_ref<Number(Number)> body,
               Type element = {}) const {
    return mapElements(
        b, sizes(b, {channels}), element ? element : b.getF32Type(), of, dimsMap(b, 1, {0}),
        [&](ImplicitLocOpBuilder &b, ValueRange v) { return body(Number{b, v[0]}).v; });
  }

  Pair rate(const Pair &given) { return buildRate(op.getRates(), given.re, given.im); }

  void prepare(ImplicitLocOpBuilder &b) {
    Value scale;
    if (op.getStepScale())
      scale = convertFloat(
          b, tensor::ExtractOp::create(b, op.getStepScale(), ValueRange{indexConstant(b, 0)}),
          b.getF32Type());
    twoByStep = vector(b, op.getLogStep(), [&](Number logStep) {
      Number step = logStep.exp();
      return step.constant(2) / (scale ? step * step.of(scale) : step);
    });
    Modes given{op.getReal(), op.getImag()}, p = apart(b, op.getP());
    inverse = map(b, {given}, twoByStep, [&](ArrayRef<Pair> m, ArrayRef<Number> h) {
      Pair l = rate(m[0]);
      return Pair{l.re.constant(1), l.re.constant(0)} / Pair{h[0] - l.re, l.re.constant(0) - l.im};
    });
    Modes turned =
        map(b, {inverse, p}, {}, [](ArrayRef<Pair> m, ArrayRef<Number>) { return m[0] * m[1]; });
    correction = vector(b, dot(b, apart(b, op.getQ()), turned),
                        [](Number x) { return x.constant(1) / (x.constant(1) + x); });
  }

  /// The state behind the row `u` [H].
  Modes next(ImplicitLocOpBuilder &b, Value u, const Modes &last) {
    Modes given{op.getReal(), op.getImag()}, p = apart(b, op.getP()), q = apart(b, op.getQ());
    Value row = vector(b, u, [](Number x) { return x; });
    Modes solved =
        map(b, {given, last, p, apart(b, op.getB()), inverse}, {twoByStep, dot(b, q, last), row},
            [&](ArrayRef<Pair> m, ArrayRef<Number> h) {
              Pair l = rate(m[0]);
              Pair v = Pair{h[0] + l.re, l.im} * m[1] - m[2] * h[1] + m[3] * (h[2] + h[2]);
              return m[4] * v;
            });
    return map(
        b, {solved, inverse, p}, {correction, dot(b, q, solved)},
        [](ArrayRef<Pair> m, ArrayRef<Number> h) { return m[0] - m[1] * m[2] * (h[0] * h[1]); });
  }

  Value joined(ImplicitLocOpBuilder &b, const Modes &state) const {
    AffineMap map = dimsMap(b, 3, {1, 2});
    return mapElements(b, sizes(b, {2, modes, channels}), b.getF32Type(), {state.re, state.im},
                       {map, map}, [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                         Value isReal = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                              loopIndex(b, 0), indexConstant(b, 0));
                         return arith::SelectOp::create(b, isReal, v[0], v[1]);
                       });
  }
};

} // namespace

FailureOr<SmallVector<Value>> DplrOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  DplrMeaning meaning{*this};
  meaning.prepare(b);
  Recurrence recurrence{
      getBatch(),
      {getState()},
      {RankedTensorType::get({2, meaning.modes, meaning.channels}, b.getF32Type())},
      {getType()},
      getReverse()};
  auto step = [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
    Modes state = meaning.next(b, rowAt(b, getInput(), token), meaning.apart(b, last[0]));
    Value y = meaning.dot(b, meaning.apart(b, getC()), state, /*plain=*/true);
    y = meaning.vector(b, y, [](Number x) { return x; }, getType().getElementType());
    return {meaning.joined(b, state), y};
  };
  return buildRecurrence(b, rowCount(b, getInput()), recurrence, step);
}
