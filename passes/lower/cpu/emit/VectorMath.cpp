// Scalar computations made vector ones, and transcendental functions as vector code without calls.
#include "passes/lower/cpu/emit/VectorMath.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/lower/cpu/emit/Lanes.h"
#include "llvm/ADT/STLExtras.h"
#include <limits>

using namespace mlir;

namespace plexus::emit {

namespace {

// The coefficients below are least-squares fits, reweighted towards the smallest largest error, of
// the function named, over the range that its reduction leaves.
constexpr double kExpTail[] = {0.5000000079,   0.1666666686,   0.0416662656,
                               0.008333264704, 0.001394638151, 0.0001991823092};
constexpr double kPowerOfTwo[] = {
    1, 0.6931469776, 0.2402224208, 0.05550733745, 0.00967151286, 0.001326472734};
constexpr double kSinTail[] = {-0.1666665493, 0.00833217754, -0.0001951721454};
constexpr double kCosTail[] = {0.04166664685, -0.001388736671, 2.443835617e-05};
constexpr double kTanhTail[] = {-0.3333328392, 0.1333149125, -0.05374349527, 0.02065057903,
                                -0.005717036585};
constexpr double kLogTail[] = {0.3333331044,  -0.2499998663, 0.200022267,
                               -0.1666924946, 0.1421865543,  -0.1238437034,
                               0.1187301635,  -0.1178969537, 0.06915146534};
// erf(x) = x p(x^2) / q(x^2) up to kErfEnd, where f32 cannot tell it from 1.
constexpr double kErfP[] = {1.128379022,    0.1927646463,    0.0530605479,
                            0.003868348949, 0.0002874793097, 2.034723637e-06};
constexpr double kErfQ[] = {
    1, 0.5041648863, 0.1150848523, 0.01517234031, 0.001188119259, 3.807051804e-05};
constexpr double kErfEnd = 3.92;
constexpr double kLn2 = 0.69314718055994530942;
constexpr double kLn2High = 0.693359375, kLn2Low = kLn2 - kLn2High;
constexpr double kRoundF32 = 12582912.0;         // 1.5 * 2^23: adding it rounds to an integer
constexpr double kRoundF64 = 6755399441055744.0; // 1.5 * 2^52

/// 2^n e^r: `shifted` is n + kRoundF32 (its low bits hold n), `rest` is e^r - 1.
struct ExpParts {
  Value shifted, rest;
};

/// e^r - 1 for |r| <= ln2 / 2.
Value expm1OfRest(const Lanes &m, Value r) {
  return m.fma(m.mul(r, r), m.polynomial(r, kExpTail), r);
}

ExpParts splitExp(const Lanes &m, Value x) {
  Value shifted = m.fma(x, 1 / kLn2, m.number(kRoundF32));
  Value n = m.sub(shifted, m.number(kRoundF32));
  return {shifted, expm1OfRest(m, m.fma(n, -kLn2Low, m.fma(n, -kLn2High, x)))};
}

/// 2^(n + shift) as long as the exponent is a normal one; 0 one below.
Value powerOfTwo(const Lanes &m, Value shifted, int64_t shift) {
  return m.fromBits(m.shiftLeft(m.addBits(m.bits(shifted), 127 + shift), 23));
}

/// 2^128 is no float: half of the result, twice. Where the half is no normal float, it becomes 0.
Value joinExp(const Lanes &m, ExpParts parts) {
  Value half = powerOfTwo(m, parts.shifted, -1);
  return m.mul(m.fma(half, parts.rest, half), 2.0);
}

Value expandExp(const Lanes &m, Value x) {
  return joinExp(m, splitExp(m, m.atLeast(m.atMost(x, 88.8), -87.33)));
}

Value expandExp2(const Lanes &m, Value x) {
  Value limited = m.atLeast(m.atMost(x, 128.1), -126);
  Value shifted = m.add(limited, m.number(kRoundF32));
  Value rest = m.sub(limited, m.sub(shifted, m.number(kRoundF32)));
  return joinExp(m, {shifted, expm1OfRest(m, m.mul(rest, kLn2))});
}

Value expandExpm1(const Lanes &m, Value x) {
  Value limited = m.atLeast(m.atMost(x, 60), -60);
  auto [shifted, rest] = splitExp(m, limited);
  Value scale = powerOfTwo(m, shifted, 0);
  Value small = m.fma(scale, rest, m.sub(scale, m.number(1)));
  return m.select(m.compare(Predicate::OGT, x, 60), expandExp(m, x), small);
}

Value expandTanh(const Lanes &m, Value x) {
  Value magnitude = m.abs(x), square = m.mul(x, x);
  Value small = m.fma(m.mul(square, x), m.polynomial(square, kTanhTail), x);
  Value e = expandExp(m, m.mul(magnitude, 2.0));
  Value large = m.sub(m.number(1), m.div(m.number(2), m.add(e, m.number(1))));
  return m.select(m.compare(Predicate::OLT, magnitude, 0.625), small, m.withSign(large, x));
}

Value expandErf(const Lanes &m, Value x) {
  Value inside = m.atLeast(m.atMost(x, kErfEnd), -kErfEnd), square = m.mul(inside, inside);
  Value p = m.mul(inside, m.polynomial(square, kErfP));
  Value result = m.div(p, m.polynomial(square, kErfQ));
  return m.atLeast(m.atMost(result, 1), -1);
}

Value expandLog(const Lanes &m, Value x) {
  constexpr double kSmallest = 1.17549435e-38, kScale = 8388608.0; // 2^23
  Value denormal = m.compare(Predicate::OLT, x, kSmallest);
  Value scaled = m.select(denormal, m.mul(x, kScale), x);
  // x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)): the bits of sqrt(1/2) are taken as zero.
  constexpr int64_t kRootHalf = 0x3f3504f3;
  Value offset = m.addBits(m.bits(scaled), -kRootHalf);
  Value exponent = m.code.make<arith::ShRSIOp>(offset, m.integer(23));
  Value e = m.code.make<arith::SIToFPOp>(m.type, exponent);
  e = m.sub(e, m.select(denormal, m.number(23), m.number(0)));
  Value f = m.sub(m.fromBits(m.addBits(m.andBits(offset, 0x7fffff), kRootHalf)), m.number(1));
  Value square = m.mul(f, f);
  Value low = m.fma(m.mul(square, f), m.polynomial(f, kLogTail), m.mul(e, kLn2Low));
  Value sum = m.add(m.fma(square, -0.5, low), f);
  Value result = m.fma(e, kLn2High, sum);
  double infinity = std::numeric_limits<double>::infinity();
  result = m.select(m.compare(Predicate::OEQ, x, infinity), x, result);
  result = m.select(m.compare(Predicate::OEQ, x, 0), m.number(-infinity), result);
  Value invalid = m.compare(Predicate::ULT, x, 0);
  return m.select(invalid, m.number(std::numeric_limits<double>::quiet_NaN()), result);
}

/// log(1 + x) = log(u) x / (u - 1) with u = 1 + x rounded (Kahan).
Value expandLog1p(const Lanes &m, Value x) {
  Value u = m.add(x, m.number(1)), d = m.sub(u, m.number(1));
  Value ratio = m.div(x, d);
  double infinity = std::numeric_limits<double>::infinity();
  Value plain = m.code.make<arith::OrIOp>(m.compare(Predicate::OEQ, x, infinity),
                                          m.compare(Predicate::OLE, u, 0));
  Value log = expandLog(m, u);
  Value result = m.select(plain, log, m.mul(log, ratio));
  return m.select(m.compare(Predicate::OEQ, d, 0), x, result);
}

/// Angles are reduced in f64: x - n pi/2 is then good to 1e-10 for |x| < 1e6.
std::pair<Value, Value> expandSinCos(const Lanes &m, Value x) {
  constexpr double kHalfPi = 1.57079632679489661923;
  OpBuilder &builder = m.code.builder;
  Lanes wide(builder, m.code.loc, m.withElement(builder.getF64Type()));
  Value angle = m.code.make<arith::ExtFOp>(wide.type, x);
  Value shifted = wide.fma(angle, 1 / kHalfPi, wide.number(kRoundF64));
  Value n = wide.sub(shifted, wide.number(kRoundF64));
  Value r = m.code.make<arith::TruncFOp>(m.type, wide.fma(n, -kHalfPi, angle));
  Value quadrant = m.code.make<arith::TruncIOp>(m.integerType, wide.bits(shifted));
  Value square = m.mul(r, r);
  Value sine = m.fma(m.mul(square, r), m.polynomial(square, kSinTail), r);
  Value cosine = m.fma(m.mul(square, square), m.polynomial(square, kCosTail),
                       m.fma(square, -0.5, m.number(1)));
  auto bit = [&](Value value, int64_t mask) {
    return m.code.make<arith::CmpIOp>(arith::CmpIPredicate::ne, m.andBits(value, mask),
                                      m.integer(0));
  };
  auto turned = [&](Value odd, Value even, Value turns) {
    Value value = m.select(bit(quadrant, 1), odd, even);
    Value negative = m.code.make<arith::NegFOp>(value);
    return m.select(bit(turns, 2), negative, value);
  };
  return {turned(cosine, sine, quadrant), turned(sine, cosine, m.addBits(quadrant, 1))};
}

Value expandSin(const Lanes &m, Value x) { return expandSinCos(m, x).first; }
Value expandCos(const Lanes &m, Value x) { return expandSinCos(m, x).second; }

/// Replaces an op on f32 (or f64, where `wide` is given) by what `expand` makes of its operand.
template <typename Op, Value (*expand)(const Lanes &, Value),
          Value (*wide)(const Lanes &, Value) = nullptr>
struct Expand : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    Type element = getElementTypeOrSelf(op.getType());
    auto form = element.isF32() ? expand : element.isF64() ? wide : nullptr;
    if (!form)
      return failure();
    Lanes lanes(rewriter, op.getLoc(), op.getType());
    rewriter.replaceOp(op, form(lanes, op.getOperand()));
    return success();
  }
};

bool isElementwise(Operation &op) {
  return op.getNumRegions() == 0 && op.getNumResults() == 1 &&
         (isa<arith::ConstantOp>(op) || op.hasTrait<OpTrait::Elementwise>() ||
          isa<arith::SelectOp>(op));
}

} // namespace

FailureOr<llvm::SmallVector<Value>> vectorizeRegion(OpBuilder &builder, Location loc,
                                                    Region &region, ValueRange inputs) {
  Code code{builder, loc};
  int64_t lanes = cast<VectorType>(inputs.front().getType()).getNumElements();
  auto widen = [&](Value value) {
    return isa<VectorType>(value.getType()) ? value : code.splat(lanes, value);
  };
  IRMapping mapping;
  Block &block = region.front();
  for (auto [argument, input] : llvm::zip_equal(block.getArguments(), inputs))
    mapping.map(argument, widen(input));
  for (Operation &op : block.without_terminator()) {
    if (!isElementwise(op))
      return op.emitOpError(
          "is not elementwise: an epilogue is made of arith and math ops on scalars");
    Operation *clone = builder.clone(op, mapping);
    Value result = clone->getResult(0);
    if (isa<arith::ConstantOp>(op))
      result = widen(result);
    else
      result.setType(VectorType::get({lanes}, result.getType()));
    mapping.map(op.getResult(0), result);
  }
  llvm::SmallVector<Value> results;
  for (Value operand : block.getTerminator()->getOperands())
    results.push_back(widen(mapping.lookupOrDefault(operand)));
  return results;
}

void populateVectorMathPatterns(RewritePatternSet &patterns) {
  patterns.add<Expand<math::ExpOp, expandExp, expandWideExp>, Expand<math::Exp2Op, expandExp2>,
               Expand<math::ExpM1Op, expandExpm1>, Expand<math::TanhOp, expandTanh>,
               Expand<math::ErfOp, expandErf>, Expand<math::LogOp, expandLog, expandWideLog>,
               Expand<math::Log1pOp, expandLog1p>, Expand<math::SinOp, expandSin>,
               Expand<math::CosOp, expandCos>>(patterns.getContext());
}

LogicalResult expandVectorMath(Operation *root) {
  RewritePatternSet patterns(root->getContext());
  populateVectorMathPatterns(patterns);
  return applyPatternsGreedily(root, std::move(patterns));
}

Value emitExp(OpBuilder &builder, Location loc, Value x) {
  return expandExp(Lanes(builder, loc, x.getType()), x);
}

Value emitPowerOfTwo(OpBuilder &builder, Location loc, Value x) {
  Lanes m(builder, loc, x.getType());
  Value limited = m.atLeast(m.atMost(x, 127), -125);
  Value shifted = m.add(limited, m.number(kRoundF32));
  Value rest = m.sub(limited, m.sub(shifted, m.number(kRoundF32)));
  // The polynomial is in [0.7, 1.5]: n added to its exponent leaves a normal number.
  Value bits = m.bits(m.polynomial(rest, kPowerOfTwo));
  return m.fromBits(m.code.make<arith::AddIOp>(bits, m.shiftLeft(m.bits(shifted), 23)));
}

Value emitTanh(OpBuilder &builder, Location loc, Value x) {
  return expandTanh(Lanes(builder, loc, x.getType()), x);
}

std::pair<Value, Value> emitSinCos(OpBuilder &builder, Location loc, Value x) {
  return expandSinCos(Lanes(builder, loc, x.getType()), x);
}

} // namespace plexus::emit
