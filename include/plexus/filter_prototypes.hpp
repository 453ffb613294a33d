// Analog low passes of edge 1 that digital filters are made from (filters.hpp), in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <utility>
#include <vector>

namespace plexus::filters {

/// Where a Bessel filter has its edge: the phase is halfway there (what asymptotes share with the
/// Butterworth filter), the delay at 0 is one sample of the edge's unit, or -3 dB.
enum class BesselNorm { Phase, Delay, Magnitude };

namespace detail {

using Complex = std::complex<double>;
using Roots = std::vector<Complex>;

/// Zeros, poles and gain.
struct Zpk {
  Roots zeros, poles;
  double gain = 1;
};

inline Complex product(const Roots &roots, Complex from) {
  Complex value = 1;
  for (Complex root : roots)
    value *= from - root;
  return value;
}

/// Real part of prod(from - zeros) / prod(from - poles).
inline double ratio(const Zpk &f, Complex from) {
  return (product(f.zeros, from) / product(f.poles, from)).real();
}

/// Angles of the poles of a low pass of order n, in units of pi / (2 n).
inline std::vector<int> angles(int n) {
  std::vector<int> m;
  for (int i = -n + 1; i < n; i += 2)
    m.push_back(i);
  return m;
}

inline Zpk butterworth(int n) {
  Zpk f;
  for (int m : angles(n))
    f.poles.push_back(-std::exp(Complex(0, std::numbers::pi * m / (2 * n))));
  return f;
}

/// epsilon^2 = 10^(dB / 10) - 1, without losing small ones.
inline double excess(double decibels) { return std::expm1(0.1 * decibels * std::numbers::ln10); }

/// Chebyshev, type I: `ripple` dB in the pass band.
inline Zpk chebyshev1(int n, double ripple) {
  Zpk f;
  const double eps = std::sqrt(excess(ripple)), mu = std::asinh(1 / eps) / n;
  for (int m : angles(n))
    f.poles.push_back(-std::sinh(Complex(mu, std::numbers::pi * m / (2 * n))));
  f.gain = product(f.poles, 0).real() / (n % 2 ? 1 : std::sqrt(1 + eps * eps));
  return f;
}

/// Chebyshev, type II: `attenuation` dB in the stop band.
inline Zpk chebyshev2(int n, double attenuation) {
  Zpk f;
  const double mu = std::asinh(std::sqrt(excess(attenuation))) / n;
  for (int m : angles(n)) {
    const double angle = std::numbers::pi * m / (2 * n);
    const Complex p = -std::exp(Complex(0, angle));
    f.poles.push_back(1.0 / Complex(std::sinh(mu) * p.real(), std::cosh(mu) * p.imag()));
    if (m != 0)
      f.zeros.push_back(Complex(0, 1 / std::sin(angle)));
  }
  f.gain = 1 / ratio(f, 0);
  return f;
}

//===--- Elliptic filters ---===//

/// Jacobi's elliptic functions of modulus k by Landen's descending transformation; arguments are in
/// units of the quarter period K (S. Orfanidis, Lecture Notes on Elliptic Filter Design, 2006).
class Elliptic {
public:
  /// The modulus k, or, where that is near 1, what it lacks: k'^2 = 1 - k^2.
  explicit Elliptic(double k) : Elliptic(k, std::sqrt((1 - k) * (1 + k))) {}
  Elliptic(double k, double complement) {
    while (k > 1e-18) {
      moduli.push_back(k);
      const double root = k / (1 + complement);
      k = root * root;
      complement = std::sqrt((1 - k) * (1 + k));
    }
    moduli.push_back(k);
  }

  /// cd(u K, k).
  Complex cd(Complex u) const {
    Complex w = std::cos(u * (std::numbers::pi / 2));
    for (size_t n = moduli.size(); n-- > 1;)
      w = (1 + moduli[n]) * w / (1.0 + moduli[n] * w * w);
    return w;
  }

  /// u of sn(u K, k) = w.
  Complex inverseSn(Complex w) const {
    for (size_t n = 1; n < moduli.size(); ++n) {
      const Complex kw = moduli[n - 1] * w;
      w = 2.0 * w / ((1 + moduli[n]) * (1.0 + std::sqrt(1.0 - kw * kw)));
    }
    return std::asin(w) * (2 / std::numbers::pi);
  }

  /// K(k).
  double quarterPeriod() const {
    double value = std::numbers::pi / 2;
    for (size_t n = 1; n < moduli.size(); ++n)
      value *= 1 + moduli[n];
    return value;
  }

private:
  std::vector<double> moduli; ///< k, then those that it descends to.
};

/// theta_2(q)^2 / theta_3(q)^2, the modulus whose nome is q.
inline double modulusOf(double nome) {
  double above = 1, below = 1;
  for (int m = 1; m < 12; ++m) {
    above += std::pow(nome, m * (m + 1));
    below += 2 * std::pow(nome, m * m);
  }
  const double root = above / below;
  return 4 * std::sqrt(nome) * root * root;
}

/// Elliptic (Cauer): `ripple` dB in the pass band, `attenuation` dB in the stop band.
inline Zpk elliptic(int n, double ripple, double attenuation) {
  Zpk f;
  const double eps = std::sqrt(excess(ripple));
  const double k1 = eps / std::sqrt(excess(attenuation));
  // The order says how selective it can be: K'/K of k is K'/K of k1, over n.
  const double k1Complement = std::sqrt((1 - k1) * (1 + k1));
  const Elliptic inner(k1, k1Complement), complement(k1Complement, k1);
  const double nome =
      std::exp(-std::numbers::pi * complement.quarterPeriod() / inner.quarterPeriod() / n);
  const double k = modulusOf(nome);
  const Elliptic outer(k);
  const Complex i(0, 1);
  const double v = (-i * inner.inverseSn(i / eps)).real() / n;
  for (int pair = 1; 2 * pair <= n; ++pair) {
    const double u = (2. * pair - 1) / n;
    const Complex zero = i / (k * outer.cd(u)), pole = i * outer.cd(Complex(u, -v));
    f.zeros.insert(f.zeros.end(), {Complex(0, zero.imag()), Complex(0, -zero.imag())});
    f.poles.insert(f.poles.end(), {pole, std::conj(pole)});
  }
  if (n % 2) // i sn(i v K, k) = i cd((1 - i v) K, k)
    f.poles.push_back((i * outer.cd(Complex(1, -v))).real());
  f.gain = (n % 2 ? 1 : 1 / std::sqrt(1 + eps * eps)) / ratio(f, 0);
  return f;
}

//===--- Bessel filters ---===//

/// Roots of high orders lie where the polynomial's terms cancel: more digits than double has.
using Precise = std::complex<long double>;

/// The reverse Bessel polynomial theta_n at s, and the one before it:
/// theta_n = (2 n - 1) theta_(n-1) + s^2 theta_(n-2); theta_n' = theta_n - s theta_(n-1).
inline std::pair<Precise, Precise> reverseBessel(int n, Precise s) {
  Precise before = 1, value = s + 1.0L;
  for (int order = 2; order <= n; ++order) {
    const Precise next = (2.0L * order - 1) * value + s * s * before;
    before = value;
    value = next;
  }
  return {value, before};
}

/// Its roots, by Aberth's iteration from a circle that holds them.
inline Roots besselRoots(int n) {
  std::vector<Precise> roots;
  const long double turn = 2 * std::numbers::pi_v<long double> / n;
  for (int i = 0; i < n; ++i) // Not symmetric, so that no root has two nearest ones.
    roots.push_back(std::polar(0.7L * n + 0.3L, turn * (i + 0.3L)) - 0.3L * n);
  for (int step = 0; step < 100; ++step)
    for (Precise &root : roots) {
      const auto [value, before] = reverseBessel(n, root);
      const Precise newton = value / (value - root * before);
      Precise pull = 0;
      for (const Precise &other : roots)
        if (&other != &root)
          pull += 1.0L / (root - other);
      root -= newton / (1.0L - newton * pull);
    }
  // Pairs are conjugates of each other, the root of an odd order is real.
  Roots exact;
  for (const Precise &precise : roots)
    if (const Complex root(precise); std::abs(root.imag()) < 1e-6 * std::abs(root))
      exact.push_back(root.real());
    else if (root.imag() > 0)
      exact.insert(exact.end(), {root, std::conj(root)});
  return exact;
}

/// Bessel (Thomson): flat delay.
inline Zpk bessel(int n, BesselNorm norm) {
  Zpk f{{}, besselRoots(n), 1};
  double scale = 1;
  if (norm == BesselNorm::Phase)
    scale = std::pow(product(f.poles, 0).real(), -1. / n);
  if (norm == BesselNorm::Magnitude) {
    // |H| falls all the way: half the power by bisection.
    const double at0 = std::abs(product(f.poles, 0));
    double low = 0, high = 4 * n;
    for (int step = 0; step < 100; ++step) {
      const double middle = (low + high) / 2;
      (std::abs(product(f.poles, Complex(0, middle))) < std::numbers::sqrt2 * at0 ? low : high) =
          middle;
    }
    scale = 1 / low;
  }
  for (Complex &pole : f.poles)
    pole *= scale;
  f.gain = 1 / ratio(f, 0);
  return f;
}

} // namespace detail
} // namespace plexus::filters
