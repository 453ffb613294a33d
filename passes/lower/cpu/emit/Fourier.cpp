// Fast Fourier transforms over rows of a buffer, each lane of a row for itself.
//
// Decimation in frequency forwards and in time backwards, so that no step has to undo the
// bit-reversed order; two stages of radix 2 at a time stay in registers.
#include "passes/lower/cpu/emit/Fourier.h"
#include "passes/lower/cpu/emit/VectorMath.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace plexus::emit {

Value ComplexCode::negative(Value x) const { return code.make<arith::NegFOp>(x); }

Complex ComplexCode::add(const Complex &x, const Complex &y) const {
  return {code.make<arith::AddFOp>(x.real, y.real), code.make<arith::AddFOp>(x.imag, y.imag)};
}
Complex ComplexCode::sub(const Complex &x, const Complex &y) const {
  return {code.make<arith::SubFOp>(x.real, y.real), code.make<arith::SubFOp>(x.imag, y.imag)};
}
Complex ComplexCode::mul(const Complex &x, const Complex &y) const {
  Value real = code.make<arith::MulFOp>(x.real, y.real);
  Value imag = code.make<arith::MulFOp>(x.real, y.imag);
  return {code.fma(negative(x.imag), y.imag, real), code.fma(x.imag, y.real, imag)};
}
Complex ComplexCode::mulConjugate(const Complex &x, const Complex &y) const {
  Value real = code.make<arith::MulFOp>(x.real, y.real);
  Value imag = code.make<arith::MulFOp>(x.imag, y.real);
  return {code.fma(x.imag, y.imag, real), code.fma(negative(x.real), y.imag, imag)};
}
Complex ComplexCode::turned(const Complex &x, bool clockwise) const {
  return clockwise ? Complex{x.imag, negative(x.real)} : Complex{negative(x.imag), x.real};
}

Complex FourierRows::load(const Code &code, Value row) const {
  VectorType type = code.floats(lanes);
  return {code.loadVector(type, memref, {item, row, code.index(0)}),
          code.loadVector(type, memref, {item, row, code.index(lanes)})};
}
void FourierRows::store(const Code &code, Value row, const Complex &value) const {
  code.storeVector(value.real, memref, {item, row, code.index(0)});
  code.storeVector(value.imag, memref, {item, row, code.index(lanes)});
}

static Value toFloat(const Code &code, Value index) {
  return code.make<arith::SIToFPOp>(code.builder.getF32Type(), code.toI64(index));
}

void emitRoots(const Code &code, int64_t lanes, const Roots &roots) {
  llvm::SmallVector<float> numbers(lanes);
  for (int64_t i = 0; i < lanes; ++i)
    numbers[i] = static_cast<float>(i);
  VectorType type = code.floats(lanes);
  Value ramp = code.make<arith::ConstantOp>(DenseElementsAttr::get(type, llvm::ArrayRef(numbers)));
  Value one = code.constant(code.builder.getF32Type(), 1);
  Value fraction = code.splat(lanes, code.make<arith::DivFOp>(one, toFloat(code, roots.size)));
  code.loop(code.index(0), code.div(roots.size, 2), lanes, [&](Value first) {
    Value k = code.make<arith::AddFOp>(code.splat(lanes, toFloat(code, first)), ramp);
    // k / size is exact: one rounding.
    Value angle = code.make<arith::MulFOp>(code.make<arith::MulFOp>(k, fraction),
                                           code.constant(type, 2 * llvm::numbers::pi));
    auto [sin, cos] = emitSinCos(code.builder, code.loc, angle);
    code.storeVector(cos, roots.table, {code.index(0), first});
    code.storeVector(sin, roots.table, {code.index(1), first});
  });
}

FourierSize emitFourierSize(const Code &code, Value least) {
  constexpr int64_t kStages = 40;
  Code::Values made = code.loop(code.index(1), code.index(kStages), 1,
                                {code.index(2), code.index(1)}, [&](Value, ValueRange last) {
                                  Value grows = code.less(last[0], least);
                                  Value size = code.select(grows, code.mul(last[0], 2), last[0]);
                                  Value stages = code.select(grows, code.add(last[1], 1), last[1]);
                                  return Code::Values{size, stages};
                                });
  return {made[0], made[1]};
}

namespace {

class Transform {
public:
  Transform(const Code &code, const Roots &roots, const FourierRows &rows, const FourierSize &size)
      : code(code), math{code}, roots(roots), rows(rows), size(size.size),
        ratio(code.make<arith::DivUIOp>(roots.size, size.size)), pairs(code.div(size.stages, 2)),
        odd(code.rem(size.stages, 2)) {}

  void forward() {
    code.loop(code.index(0), pairs, 1, {size, code.index(1)}, [&](Value, ValueRange v) {
      twoStages(v[0], v[1], /*inverse=*/false);
      return Code::Values{code.div(v[0], 4), code.mul(v[1], 4)};
    });
    lastStage();
  }

  void inverse() {
    lastStage();
    Value isOdd = code.less(code.index(0), odd);
    Value first = code.select(isOdd, code.index(8), code.index(4));
    Value blocks = code.select(isOdd, code.div(size, 8), code.div(size, 4));
    code.loop(code.index(0), pairs, 1, {first, blocks}, [&](Value, ValueRange v) {
      twoStages(v[0], v[1], /*inverse=*/true);
      return Code::Values{code.mul(v[0], 4), code.div(v[1], 4)};
    });
  }

private:
  /// exp(-2 pi i k / size of the table).
  Complex root(Value k) const {
    auto part = [&](int64_t which) {
      return code.splat(rows.lanes, code.loadScalar(roots.table, {code.index(which), k}));
    };
    return {part(0), math.negative(part(1))};
  }

  /// The stages of `length` and `length / 2` over `blocks` blocks of `length` rows.
  void twoStages(Value length, Value blocks, bool inverse) const {
    Value quarter = code.div(length, 4), stride = code.mul(blocks, ratio);
    code.loop(code.index(0), blocks, 1, [&](Value block) {
      Value base = code.mul(block, length);
      code.loop(code.index(0), quarter, 1, [&](Value i) {
        Value at = code.mul(i, stride), places[4] = {code.add(base, i)};
        for (int p = 1; p < 4; ++p)
          places[p] = code.add(places[p - 1], quarter);
        Complex x[4], w = root(at), square = root(code.mul(at, 2));
        for (int p = 0; p < 4; ++p)
          x[p] = rows.load(code, places[p]);
        inverse ? gather(x, w, square) : spread(x, w, square);
        for (int p = 0; p < 4; ++p)
          rows.store(code, places[p], x[p]);
      });
    });
  }

  /// Forwards: halves are added and subtracted, differences turned by the root; then quarters.
  void spread(Complex (&x)[4], const Complex &w, const Complex &square) const {
    Complex a0 = math.add(x[0], x[2]), a1 = math.add(x[1], x[3]);
    Complex a2 = math.mul(math.sub(x[0], x[2]), w);
    Complex a3 = math.turned(math.mul(math.sub(x[1], x[3]), w), /*clockwise=*/true);
    x[0] = math.add(a0, a1);
    x[1] = math.mul(math.sub(a0, a1), square);
    x[2] = math.add(a2, a3);
    x[3] = math.mul(math.sub(a2, a3), square);
  }

  /// What undoes spread, times 4.
  void gather(Complex (&x)[4], const Complex &w, const Complex &square) const {
    Complex b1 = math.mulConjugate(x[1], square), b3 = math.mulConjugate(x[3], square);
    Complex a0 = math.add(x[0], b1), a1 = math.sub(x[0], b1);
    Complex a2 = math.mulConjugate(math.add(x[2], b3), w);
    Complex a3 = math.turned(math.mulConjugate(math.sub(x[2], b3), w), /*clockwise=*/false);
    x[0] = math.add(a0, a2);
    x[1] = math.add(a1, a3);
    x[2] = math.sub(a0, a2);
    x[3] = math.sub(a1, a3);
  }

  /// The stage of neighbours, where their number is an odd power of 2.
  void lastStage() const {
    code.loop(code.index(0), odd, 1, [&](Value) {
      code.loop(code.index(0), code.div(size, 2), 1, [&](Value pair) {
        Value even = code.mul(pair, 2), next = code.add(even, 1);
        Complex x = rows.load(code, even), y = rows.load(code, next);
        rows.store(code, even, math.add(x, y));
        rows.store(code, next, math.sub(x, y));
      });
    });
  }

  const Code &code;
  ComplexCode math;
  Roots roots;
  FourierRows rows;
  Value size, ratio, pairs, odd;
};

} // namespace

void emitFourier(const Code &code, const Roots &roots, const FourierRows &rows,
                 const FourierSize &size) {
  Transform(code, roots, rows, size).forward();
}

void emitInverseFourier(const Code &code, const Roots &roots, const FourierRows &rows,
                        const FourierSize &size) {
  Transform(code, roots, rows, size).inverse();
}

} // namespace plexus::emit
