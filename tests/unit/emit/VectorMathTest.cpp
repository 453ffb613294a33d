// Transcendental functions as vector code against libm in f64, and the widening of scalar regions.
#include "passes/lower/cpu/emit/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "tests/unit/emit/Harness.h"
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

using namespace mlir;
using namespace plexus::emit;
using namespace plexus::emit::test;

namespace {

/// Applies what `build` makes of a vector<8xf32> to each of `x` (a multiple of 8).
std::vector<float> applyTo(const std::vector<float> &x,
                           const std::function<Value(OpBuilder &, Location, Value)> &build) {
  Compiler compiler;
  int64_t size = x.size();
  Compiled code =
      compiler.compile(*findIsa("x86-64-v3"), {compiler.floats(size), compiler.floats(size)},
                       [&](OpBuilder &b, Location loc, ValueRange args) {
                         Value begin = arith::ConstantIndexOp::create(b, loc, 0);
                         Value end = arith::ConstantIndexOp::create(b, loc, size);
                         Value step = arith::ConstantIndexOp::create(b, loc, 8);
                         auto loop = scf::ForOp::create(b, loc, begin, end, step);
                         OpBuilder::InsertionGuard guard(b);
                         b.setInsertionPointToStart(loop.getBody());
                         Value i = loop.getInductionVar();
                         auto type = VectorType::get({8}, b.getF32Type());
                         Value in = vector::LoadOp::create(b, loc, type, args[0], ValueRange{i});
                         vector::StoreOp::create(b, loc, build(b, loc, in), args[1], ValueRange{i});
                       });
  std::vector<float> y(size);
  code(Buffer::vector(x.data(), size), Buffer::vector(y.data(), size));
  return y;
}

template <typename Op>
std::vector<float> applyOp(const std::vector<float> &x) {
  return applyTo(x, [](OpBuilder &b, Location loc, Value v) { return Op::create(b, loc, v); });
}

std::vector<float> range(float from, float to, int count = 40000) {
  std::vector<float> x(count);
  for (int i = 0; i < count; ++i)
    x[i] = from + (to - from) * (static_cast<float>(i) / static_cast<float>(count - 1));
  return x;
}

/// The largest distance of y from the exact value, in steps of f32 there.
double worstUlp(const std::vector<float> &x, const std::vector<float> &y, double (*exact)(double)) {
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double want = exact(x[i]);
    float rounded = std::abs(static_cast<float>(want));
    double step = std::nextafter(rounded, INFINITY) - static_cast<double>(rounded);
    worst = std::max(worst, std::abs(y[i] - want) / step);
  }
  return worst;
}

double worstAbsolute(const std::vector<float> &x, const std::vector<float> &y,
                     double (*exact)(double)) {
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, std::abs(y[i] - exact(x[i])));
  return worst;
}

TEST(VectorMath, ErrorsStayWithinTheStatedUlp) {
  std::vector<float> x = range(-86, 88.7f);
  EXPECT_LE(worstUlp(x, applyOp<math::ExpOp>(x), std::exp), 1.5);
  x = range(-120, 127.9f);
  EXPECT_LE(worstUlp(x, applyOp<math::Exp2Op>(x), std::exp2), 1.5);
  x = range(-125, 127);
  EXPECT_LE(worstUlp(x, applyTo(x, emitPowerOfTwo), std::exp2), 2.5);
  x = range(-20, 60);
  EXPECT_LE(worstUlp(x, applyOp<math::ExpM1Op>(x), std::expm1), 3);
  x = range(-12, 12);
  EXPECT_LE(worstUlp(x, applyOp<math::TanhOp>(x), std::tanh), 3);
  EXPECT_LE(worstAbsolute(x, applyOp<math::ErfOp>(x), std::erf), 5e-7);
  x = range(1e-6f, 20);
  EXPECT_LE(worstUlp(x, applyOp<math::LogOp>(x), std::log), 2);
  EXPECT_LE(worstUlp(x, applyOp<math::Log1pOp>(x), std::log1p), 4);
}

/// Applies `Op` on f64 to f32 numbers; the result's first 24 bits and the rest, side by side.
template <typename Op>
std::vector<double> applyWide(const std::vector<float> &x) {
  auto widened = [](OpBuilder &b, Location loc, Value v) -> Value {
    auto type = cast<VectorType>(v.getType());
    return Op::create(b, loc, arith::ExtFOp::create(b, loc, type.clone(b.getF64Type()), v));
  };
  std::vector<float> high = applyTo(x, [&](OpBuilder &b, Location loc, Value v) -> Value {
    return arith::TruncFOp::create(b, loc, v.getType(), widened(b, loc, v));
  });
  std::vector<float> low = applyTo(x, [&](OpBuilder &b, Location loc, Value v) -> Value {
    Value wide = widened(b, loc, v);
    Value first = arith::TruncFOp::create(b, loc, v.getType(), wide);
    Value back = arith::ExtFOp::create(b, loc, wide.getType(), first);
    return arith::TruncFOp::create(b, loc, v.getType(), arith::SubFOp::create(b, loc, wide, back));
  });
  std::vector<double> sum(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    sum[i] = double(high[i]) + double(low[i]);
  return sum;
}

/// As far as 48 bits show it.
TEST(VectorMath, WideExpAndLogAreThoseOfF64) {
  std::vector<float> x = range(-30, 80);
  std::vector<double> e = applyWide<math::ExpOp>(x);
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(e[i] / std::exp(double(x[i])), 1, 1e-14) << x[i];
  x = range(1e-6f, 1e4f);
  std::vector<double> l = applyWide<math::LogOp>(x);
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(l[i], std::log(double(x[i])), 1e-14 * std::max(1.0, std::abs(l[i]))) << x[i];
  x = {0, -1, INFINITY, NAN, 1, 1000, -1000, -0.0f};
  e = applyWide<math::ExpOp>(x), l = applyWide<math::LogOp>(x);
  EXPECT_EQ(e[0], 1);
  EXPECT_EQ(e[6], 0);
  EXPECT_TRUE(std::isnan(e[3]) && std::isnan(l[1]) && std::isnan(l[3]));
  EXPECT_EQ(l[4], 0);
}

TEST(VectorMath, SineAndCosineReduceLargeAngles) {
  for (float limit : {1.0f, 100.0f, 1e5f, 1e6f}) {
    std::vector<float> x = range(-limit, limit);
    EXPECT_LE(worstAbsolute(x, applyOp<math::SinOp>(x), std::sin), 1e-7) << limit;
    EXPECT_LE(worstAbsolute(x, applyOp<math::CosOp>(x), std::cos), 1e-7) << limit;
  }
}

TEST(VectorMath, SpecialValuesFollowC) {
  std::vector<float> x = {-INFINITY, INFINITY, NAN, 0, 100, -100, -0.0f, 1};
  std::vector<float> e = applyOp<math::ExpOp>(x), t = applyOp<math::TanhOp>(x),
                     f = applyOp<math::ErfOp>(x), l = applyOp<math::LogOp>(x);
  EXPECT_EQ(e[0], 0);
  EXPECT_EQ(e[1], INFINITY);
  EXPECT_TRUE(std::isnan(e[2]));
  EXPECT_EQ(e[3], 1);
  EXPECT_EQ(e[4], INFINITY);
  EXPECT_EQ(e[5], 0);
  EXPECT_EQ(t[0], -1);
  EXPECT_EQ(t[1], 1);
  EXPECT_TRUE(std::isnan(t[2]));
  EXPECT_EQ(t[3], 0);
  EXPECT_EQ(f[0], -1);
  EXPECT_EQ(f[1], 1);
  EXPECT_TRUE(std::isnan(f[2]));
  EXPECT_TRUE(std::isnan(l[0]));
  EXPECT_EQ(l[1], INFINITY);
  EXPECT_TRUE(std::isnan(l[2]));
  EXPECT_EQ(l[3], -INFINITY);
  EXPECT_EQ(l[7], 0);
}

/// gelu(x + 1) on scalars, in a region.
void buildRegion(OpBuilder &b, Location loc, Region &region) {
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&region, {}, {b.getF32Type(), b.getF32Type()}, {loc, loc});
  auto number = [&](float value) {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  };
  Value x = arith::AddFOp::create(b, loc, block->getArgument(0), block->getArgument(1));
  Value scaled = arith::MulFOp::create(b, loc, x, number(std::sqrt(0.5f)));
  Value erf = math::ErfOp::create(b, loc, scaled);
  Value half = arith::MulFOp::create(b, loc, x, number(0.5f));
  Value gelu = arith::MulFOp::create(b, loc, half, arith::AddFOp::create(b, loc, erf, number(1)));
  Value positive = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, number(-100));
  Value result = arith::SelectOp::create(b, loc, positive, gelu, number(0));
  scf::YieldOp::create(b, loc, result);
}

TEST(VectorMath, RegionOfScalarsBecomesVectorCode) {
  std::vector<float> x = range(-6, 6, 4000);
  std::vector<float> y = applyTo(x, [](OpBuilder &b, Location loc, Value v) {
    Region region;
    buildRegion(b, loc, region);
    Value one = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(1));
    auto results = vectorizeRegion(b, loc, region, ValueRange{v, one});
    EXPECT_TRUE(succeeded(results));
    return (*results)[0];
  });
  for (size_t i = 0; i < x.size(); ++i) {
    double t = x[i] + 1.0;
    EXPECT_NEAR(y[i], 0.5 * t * (1 + std::erf(t * std::sqrt(0.5))), 2e-6);
  }
}

} // namespace
