// Arithmetic on complex numbers whose parts are f32 scalars or vectors of the IR.
#ifndef PLEXUS_DIALECTS_SSM_COMPLEX_H
#define PLEXUS_DIALECTS_SSM_COMPLEX_H

#include "dialects/ssm/Diagonal.h"
#include "dialects/ssm/Number.h"

namespace mlir::ssm {

struct Pair {
  Number re, im;

  Complex complex() const { return {re.v, im.v}; }
};
inline Pair operator+(const Pair &x, const Pair &y) { return {x.re + y.re, x.im + y.im}; }
inline Pair operator-(const Pair &x, const Pair &y) { return {x.re - y.re, x.im - y.im}; }
inline Pair operator*(const Pair &x, const Pair &y) {
  return {x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}
inline Pair operator*(const Pair &x, Number y) { return {x.re * y, x.im * y}; }
inline Pair operator/(const Pair &x, const Pair &y) {
  Number norm = y.re * y.re + y.im * y.im;
  Pair product = x * Pair{y.re, y.im.constant(0) - y.im};
  return {product.re / norm, product.im / norm};
}

/// An eigenvalue from how it is given.
inline Pair buildRate(Rates rates, Number real, Number imag) {
  if (rates != Rates::Cartesian)
    real = real.constant(0) - real.exp();
  if (rates == Rates::Polar)
    imag = imag.exp();
  return {real, imag};
}

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_COMPLEX_H
