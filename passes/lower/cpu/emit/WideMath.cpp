// exp and log of f64 as vector code without calls.
#include "passes/lower/cpu/emit/Lanes.h"
#include <limits>

using namespace mlir;

namespace plexus::emit {
namespace {

constexpr double kLn2 = 0.69314718055994530942;
/// ln 2 in two parts: products of the first with integers below 2^11 are exact.
constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
constexpr double kRound = 6755399441055744.0; // 1.5 * 2^52: adding it rounds to an integer
constexpr double kSmallest = 2.2250738585072014e-308;

} // namespace

/// 2^n e^r with |r| <= ln2 / 2; Taylor's series ends where its next term is below 1e-17.
Value expandWideExp(const Lanes &m, Value x) {
  Value limited = m.atLeast(m.atMost(x, 709.8), -708.3);
  Value shifted = m.fma(limited, 1 / kLn2, m.number(kRound));
  Value n = m.sub(shifted, m.number(kRound));
  Value r = m.fma(n, -kLn2Low, m.fma(n, -kLn2High, limited));
  llvm::SmallVector<double> terms{1};
  for (int k = 1; k <= 13; ++k)
    terms.push_back(terms.back() / k);
  Value whole = m.polynomial(r, terms);
  // Half of the power, twice: 2^1024 is no number.
  Value half = m.fromBits(m.shiftLeft(m.addBits(m.bits(shifted), 1022), 52));
  Value result = m.mul(m.mul(half, whole), 2.0);
  result = m.select(m.compare(Predicate::OLT, x, -708.3), m.number(0), result);
  double infinity = std::numeric_limits<double>::infinity();
  return m.select(m.compare(Predicate::OGT, x, 709.782712893384), m.number(infinity), result);
}

/// 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)): log(1 + f) = 2 atanh(f / (2 + f)).
Value expandWideLog(const Lanes &m, Value x) {
  constexpr int64_t kRootHalf = 0x3fe6a09e667f3bcd;
  Value normal = m.select(m.compare(Predicate::OLT, x, kSmallest), m.number(kSmallest), x);
  Value offset = m.addBits(m.bits(normal), -kRootHalf);
  Value exponent = m.code.make<arith::ShRSIOp>(offset, m.integer(52));
  Value e = m.code.make<arith::SIToFPOp>(m.type, exponent);
  Value mantissa = m.fromBits(m.addBits(m.andBits(offset, 0xfffffffffffff), kRootHalf));
  Value f = m.sub(mantissa, m.number(1));
  Value s = m.div(f, m.add(f, m.number(2))), square = m.mul(s, s);
  llvm::SmallVector<double> terms;
  for (int k = 1; k <= 11; ++k)
    terms.push_back(2.0 / (2 * k + 1));
  Value tail = m.mul(m.mul(s, square), m.polynomial(square, terms));
  Value low = m.fma(e, kLn2Low, tail);
  Value result = m.fma(e, kLn2High, m.fma(s, 2.0, low));
  double infinity = std::numeric_limits<double>::infinity();
  result = m.select(m.compare(Predicate::OEQ, x, infinity), x, result);
  result = m.select(m.compare(Predicate::OEQ, x, 0), m.number(-infinity), result);
  return m.select(m.compare(Predicate::ULT, x, 0),
                  m.number(std::numeric_limits<double>::quiet_NaN()), result);
}

} // namespace plexus::emit
