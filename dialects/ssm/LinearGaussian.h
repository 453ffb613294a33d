// Filters and smoothers of linear-Gaussian state spaces as equations over matrices of f64. They are
// written once: decompositions instantiate them over tensors, the CPU's emitter over memory.
//
// An algebra has `Matrix`, `ImplicitLocOpBuilder &builder()` and, all rows row vectors:
//   product(a, b)           a b
//   productTransposed(a, b) a b^T
//   gram(a)                 a^T a
//   map(inputs, body)       elementwise, of matrices of one shape
//   dot(a, b)               sum of the products of their entries, a scalar
//   factor(s)               U with U^T U = s; a pivot that vanishes gives a row of zeros
//   solveTransposed(u, b)   x with U^T x = b, solve(u, b) with U x = b; zeros for rows of zeros
//   logDiagonal(u)          sum of the logarithms of the diagonal, a scalar
//   identity(n)
#ifndef PLEXUS_DIALECTS_SSM_LINEARGAUSSIAN_H
#define PLEXUS_DIALECTS_SSM_LINEARGAUSSIAN_H

#include "dialects/ssm/Number.h"
#include <optional>

namespace mlir::ssm {

/// Pivots below this part of a matrix's diagonal count as zeros.
inline constexpr double kVanishingPivot = 1e-14;

/// What is known of the state: mean [1, n] and covariance [n, n].
template <typename Matrix>
struct Belief {
  Matrix mean, covariance;
};

template <typename Algebra>
class LinearGaussian {
public:
  using Matrix = typename Algebra::Matrix;

  explicit LinearGaussian(Algebra &algebra) : algebra(&algebra) {}

  Matrix transition, noise;
  std::optional<Matrix> offset;

  Algebra &m() { return *algebra; }

  Matrix add(const Matrix &x, const Matrix &y) {
    return m().map({x, y}, [](ImplicitLocOpBuilder &b, ValueRange v) {
      return (Number(b, v[0]) + Number(b, v[1])).v;
    });
  }
  Matrix subtract(const Matrix &x, const Matrix &y) {
    return m().map({x, y}, [](ImplicitLocOpBuilder &b, ValueRange v) {
      return (Number(b, v[0]) - Number(b, v[1])).v;
    });
  }
  /// `yes` where the i1 holds, otherwise `no`.
  Matrix select(Value condition, const Matrix &yes, const Matrix &no) {
    return m().map({yes, no}, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
      return arith::SelectOp::create(b, condition, v[0], v[1]);
    });
  }
  /// `x` where the i1 holds, otherwise zeros.
  Matrix masked(Value condition, const Matrix &x) {
    return m().map({x}, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
      return arith::SelectOp::create(b, condition, v[0], Number(b, v[0]).constant(0).v);
    });
  }
  Belief<Matrix> select(Value condition, const Belief<Matrix> &yes, const Belief<Matrix> &no) {
    return {select(condition, yes.mean, no.mean), select(condition, yes.covariance, no.covariance)};
  }
  Matrix zerosLike(const Matrix &x) {
    return m().map(
        {x}, [](ImplicitLocOpBuilder &b, ValueRange v) { return Number(b, v[0]).constant(0).v; });
  }
  /// i1: whether all entries are finite.
  Value allFinite(const Matrix &x) {
    Matrix zeros = subtract(x, x);
    ImplicitLocOpBuilder &b = m().builder();
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, m().dot(zeros, zeros), number(0).v);
  }
  Number number(double value) {
    ImplicitLocOpBuilder &b = m().builder();
    return {b, arith::ConstantOp::create(b, b.getF64FloatAttr(value))};
  }

  /// The state of the next token, before its measurements.
  Belief<Matrix> predict(const Belief<Matrix> &last) {
    Matrix mean = m().productTransposed(last.mean, transition);
    if (offset)
      mean = add(mean, *offset);
    Matrix moved = m().productTransposed(m().product(transition, last.covariance), transition);
    return {mean, add(moved, noise)};
  }

  struct Absorbed {
    Belief<Matrix> belief;
    Value gain;   ///< h P h
    Value logDet; ///< log det B / 2
  };
  /// Takes in what measurements say: J = `information`, `h` [1, n] the score at the mean.
  Absorbed absorb(const Belief<Matrix> &p, const Matrix &information, const Matrix &h) {
    Matrix u = m().factor(p.covariance);
    Matrix b = m().productTransposed(m().product(u, information), u);
    Matrix ub = m().factor(add(b, m().identity(b)));
    Matrix covariance = m().gram(m().solveTransposed(ub, u));
    Matrix delta = m().product(h, covariance);
    return {{add(p.mean, delta), covariance}, m().dot(h, delta), m().logDiagonal(ub)};
  }

protected:
  Algebra *algebra;
};

/// With measurements (ssm.kalman_filter).
template <typename Algebra>
class KalmanModel : public LinearGaussian<Algebra> {
public:
  using Base = LinearGaussian<Algebra>;
  using Matrix = typename Algebra::Matrix;

  using Base::Base;
  /// The same model, computed with by another algebra.
  KalmanModel with(Algebra &other) const {
    KalmanModel model = *this;
    model.algebra = &other;
    return model;
  }

  Matrix whitener, readout, information;
  std::optional<Matrix> measurementOffset;
  Belief<Matrix> prior;
  Value logDeterminant; ///< f64
  int64_t measurements = 0;

  struct Updated {
    Belief<Matrix> belief;
    Value logLikelihood; ///< of this token's measurements; 0 where there are none
  };
  /// `seen` (i1): whether there are measurements at all.
  Updated update(const Belief<Matrix> &predicted, const Matrix &y, Value seen) {
    ImplicitLocOpBuilder &b = this->m().builder();
    Value known = arith::AndIOp::create(b, seen, this->allFinite(y));
    Matrix centered = measurementOffset ? this->subtract(y, *measurementOffset) : y;
    Matrix white = this->m().productTransposed(this->masked(known, centered), whitener);
    Matrix expected = this->m().product(predicted.mean, readout);
    Matrix residual = this->masked(known, this->subtract(white, expected));
    Matrix h = this->m().productTransposed(residual, readout);
    auto absorbed = this->absorb(predicted, this->masked(known, information), h);
    constexpr double kLog2Pi = 1.8378770664093454836;
    Number square{b, this->m().dot(residual, residual)};
    Number distance = square - Number{b, absorbed.gain};
    Number all = (distance + this->number(measurements * kLog2Pi)) * this->number(-0.5) -
                 Number{b, logDeterminant} - Number{b, absorbed.logDet};
    Value likelihood = arith::SelectOp::create(b, known, all.v, this->number(0).v);
    return {absorbed.belief, likelihood};
  }

  struct Smoothed {
    Belief<Matrix> belief;
    Matrix lag;
  };
  /// From the filtered state of a token and the smoothed one of the next.
  Smoothed smooth(const Belief<Matrix> &filtered, const Belief<Matrix> &next) {
    Belief<Matrix> predicted = this->predict(filtered);
    Matrix u = this->m().factor(predicted.covariance);
    // G^T, from M G^T = A P.
    Matrix gain = this->m().solve(
        u, this->m().solveTransposed(u, this->m().product(this->transition, filtered.covariance)));
    Matrix moved = this->m().product(this->subtract(next.mean, predicted.mean), gain);
    Matrix change = this->m().product(
        this->m().transposed(gain),
        this->m().product(this->subtract(next.covariance, predicted.covariance), gain));
    return {{this->add(filtered.mean, moved), this->add(filtered.covariance, change)},
            this->m().product(next.covariance, gain)};
  }
};

/// With a learned map (ssm.discriminative_filter).
template <typename Algebra>
class DiscriminativeModel : public LinearGaussian<Algebra> {
public:
  using Base = LinearGaussian<Algebra>;
  using Matrix = typename Algebra::Matrix;

  using Base::Base;
  DiscriminativeModel with(Algebra &other) const {
    DiscriminativeModel model = *this;
    model.algebra = &other;
    return model;
  }

  Belief<Matrix> prior;  ///< Mean 0.
  Matrix priorPrecision; ///< S^-1

  Matrix inverse(const Matrix &covariance) {
    return this->m().gram(
        this->m().solveTransposed(this->m().factor(covariance), this->m().identity(covariance)));
  }

  Belief<Matrix> update(const Belief<Matrix> &predicted, const Matrix &f, const Matrix &q) {
    ImplicitLocOpBuilder &b = this->m().builder();
    Value known = arith::AndIOp::create(b, this->allFinite(f), this->allFinite(q));
    Matrix precision = inverse(this->select(known, q, this->m().identity(q)));
    Matrix less = this->subtract(precision, priorPrecision);
    Value least = this->m().logDiagonal(this->m().factor(less));
    Value positive =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, least,
                              this->number(-std::numeric_limits<double>::infinity()).v);
    Matrix information = this->masked(known, this->select(positive, less, precision));
    // P (Q^-1 f + M^-1 m) = m + P (Q^-1 f - D m), since P (M^-1 + D) = I.
    Matrix pulled = this->m().product(this->masked(known, f), this->masked(known, precision));
    Matrix h = this->subtract(pulled, this->m().product(predicted.mean, information));
    return this->absorb(predicted, information, h).belief;
  }
};

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_LINEARGAUSSIAN_H
