// Design of digital filters as second-order sections, in double: Butterworth, Chebyshev, elliptic
// and Bessel filters, notches and peaks; what a filter starts from and how far it is padded. Equal
// to scipy.signal's butter, cheby1, cheby2, ellip, bessel (output "sos", pairing "nearest"),
// iirnotch, iirpeak, sosfilt_zi and the default padding of sosfiltfilt.
//
//   plexus::filters::Design d{.order = 4, .band = {8, 30}, .rate = 250};
//   if (std::string problem = d.problem(); !problem.empty()) ...
//   plexus::filters::Sections sos = d.make();
#pragma once

#include <plexus/filter_prototypes.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

namespace plexus::filters {

/// b0 b1 b2 a0 a1 a2 with a0 = 1: y = (b0 + b1 / z + b2 / z^2) / (1 + a1 / z + a2 / z^2) x.
using Section = std::array<double, 6>;
/// A filter: its sections one after another.
using Sections = std::vector<Section>;

namespace detail {

inline size_t degree(const Zpk &f) { return f.poles.size() - f.zeros.size(); }

inline void transform(Zpk &f, auto &&fn) {
  for (Roots *roots : {&f.zeros, &f.poles})
    for (Complex &root : *roots)
      root = fn(root);
}

inline void toLowPass(Zpk &f, double w) {
  f.gain *= std::pow(w, double(degree(f)));
  transform(f, [&](Complex r) { return r * w; });
}

inline void toHighPass(Zpk &f, double w) {
  const size_t more = degree(f);
  f.gain *= ratio(f, 0);
  transform(f, [&](Complex r) { return w / r; });
  f.zeros.resize(f.zeros.size() + more, 0);
}

/// Each root r becomes r + sqrt(r^2 - w^2) and r - sqrt(r^2 - w^2).
inline void split(Roots &roots, double w) {
  const size_t count = roots.size();
  for (size_t i = 0; i < count; ++i) {
    const Complex r = roots[i], root = std::sqrt(r * r - w * w);
    roots[i] = r + root;
    roots.push_back(r - root);
  }
}

inline void toBandPass(Zpk &f, double w, double width) {
  const size_t more = degree(f);
  f.gain *= std::pow(width, double(more));
  transform(f, [&](Complex r) { return r * (width / 2); });
  split(f.zeros, w);
  split(f.poles, w);
  f.zeros.resize(f.zeros.size() + more, 0);
}

inline void toBandStop(Zpk &f, double w, double width) {
  const size_t more = degree(f);
  f.gain *= ratio(f, 0);
  transform(f, [&](Complex r) { return width / 2 / r; });
  split(f.zeros, w);
  split(f.poles, w);
  for (double sign : {1., -1.})
    f.zeros.resize(f.zeros.size() + more, Complex(0, sign * w));
}

/// The bilinear transform at the rate 2 of normalised frequencies.
inline void toDigital(Zpk &f) {
  constexpr double kRate = 4;
  const size_t more = degree(f);
  f.gain *= ratio(f, kRate);
  transform(f, [&](Complex r) { return (kRate + r) / (kRate - r); });
  f.zeros.resize(f.zeros.size() + more, -1);
}

/// One of each conjugate pair, by real then imaginary part, then the real roots in order. Halves of
/// a pair that rounding made unlike are averaged.
inline Roots halved(const Roots &roots) {
  constexpr double kTolerance = 100 * 2.220446049250313e-16;
  Roots pairs, below, real;
  for (Complex r : roots)
    if (std::abs(r.imag()) <= kTolerance * std::abs(r))
      real.push_back(r.real());
    else
      (r.imag() > 0 ? pairs : below).push_back(r);
  auto before = [](Complex a, Complex b) {
    if (std::abs(a.real() - b.real()) > kTolerance * std::abs(a))
      return a.real() < b.real();
    return std::abs(a.imag()) < std::abs(b.imag());
  };
  std::sort(pairs.begin(), pairs.end(), before);
  std::sort(below.begin(), below.end(), before);
  std::sort(real.begin(), real.end(), [](Complex a, Complex b) { return a.real() < b.real(); });
  for (size_t i = 0; i < pairs.size() && i < below.size(); ++i)
    pairs[i] = (pairs[i] + std::conj(below[i])) / 2.0;
  pairs.insert(pairs.end(), real.begin(), real.end());
  return pairs;
}

inline bool isReal(Complex r) { return r.imag() == 0; }
inline int64_t countReal(const Roots &roots) {
  return std::count_if(roots.begin(), roots.end(), isReal);
}

/// Takes the root out of `roots` for which `cost` is least, among those that `fits` allows.
inline Complex take(Roots &roots, auto &&cost, auto &&fits) {
  size_t best = roots.size();
  for (size_t i = 0; i < roots.size(); ++i)
    if (fits(roots[i]) && (best == roots.size() || cost(roots[i]) < cost(roots[best])))
      best = i;
  const Complex root = roots[best];
  roots.erase(roots.begin() + static_cast<int64_t>(best));
  return root;
}

inline Section section(Complex z1, Complex z2, Complex p1, Complex p2) {
  return {1, -(z1 + z2).real(), (z1 * z2).real(), 1, -(p1 + p2).real(), (p1 * p2).real()};
}

/// Sections of the poles nearest to the unit circle last, each with the zeros nearest to its pole.
inline Sections sections(Zpk f) {
  auto any = [](Complex) { return true; };
  auto complex = [](Complex r) { return !isReal(r); };
  auto circle = [](Complex r) { return std::abs(1 - std::abs(r)); };
  const bool odd = f.poles.size() % 2;
  f.zeros.resize(f.poles.size() + odd, 0);
  f.poles.resize(f.poles.size() + odd, 0);
  Sections made(f.poles.size() / 2);
  Roots z = halved(f.zeros), p = halved(f.poles);
  for (auto at = made.rbegin(); at != made.rend(); ++at) {
    const Complex p1 = take(p, circle, any);
    auto near = [&](Complex r) { return std::abs(r - p1); };
    if (isReal(p1) && countReal(p) == 0) { // The last real pole.
      *at = section(take(z, near, isReal), 0, p1, 0);
      continue;
    }
    // One real pole and one real zero must be left for each other.
    const bool mustPair =
        p.size() + 1 == z.size() && !isReal(p1) && countReal(p) == 1 && countReal(z) == 1;
    const Complex p2 = isReal(p1) ? take(p, circle, isReal) : std::conj(p1);
    const Complex z1 = mustPair ? take(z, near, complex) : take(z, near, any);
    *at = section(z1, isReal(z1) ? take(z, near, isReal) : std::conj(z1), p1, p2);
  }
  for (size_t i = 0; i < 3; ++i)
    made.front()[i] *= f.gain;
  return made;
}

} // namespace detail

enum class Kind { Butterworth, Chebyshev1, Chebyshev2, Elliptic, Bessel };
enum class Pass { Low, High, Band, Stop };

/// A filter to be designed.
struct Design {
  Kind kind = Kind::Butterworth;
  Pass pass = Pass::Band;
  int order = 4;            ///< Of the low pass it comes from; twice that for bands.
  std::vector<double> band; ///< One frequency for low and high passes, two for bands.
  double rate = 2;          ///< Samples a second, of which `band` is in the unit.
  double ripple = 1;        ///< Chebyshev1, Elliptic: dB in the pass band.
  double attenuation = 40;  ///< Chebyshev2, Elliptic: dB in the stop band.
  BesselNorm norm = BesselNorm::Phase;

  /// What is wrong with it, or "".
  std::string problem() const {
    const size_t edges = pass == Pass::Low || pass == Pass::High ? 1 : 2;
    if (order < 1 || order > 64)
      return "the order must be from 1 to 64, got " + std::to_string(order);
    if (!(rate > 0))
      return "the sampling rate must be positive";
    if (band.size() != edges)
      return "the filter has " + std::to_string(band.size()) + " edges, expected " +
             std::to_string(edges);
    for (double edge : band)
      if (!(edge > 0 && edge < rate / 2))
        return "edges must lie between 0 and half the sampling rate, " + std::to_string(rate / 2) +
               ", got " + std::to_string(edge);
    if (edges == 2 && !(band[0] < band[1]))
      return "the lower edge must come first";
    const bool elliptic = kind == Kind::Elliptic;
    if ((elliptic || kind == Kind::Chebyshev1) && !(ripple > 0))
      return "the ripple must be positive (dB)";
    if ((elliptic || kind == Kind::Chebyshev2) && !(attenuation > 0))
      return "the attenuation must be positive (dB)";
    if (elliptic && !(attenuation > ripple))
      return "the attenuation must be larger than the ripple";
    if (kind == Kind::Bessel && order > 25)
      return "the order of a Bessel filter must be from 1 to 25, got " + std::to_string(order);
    return "";
  }

  /// Its sections, of a design without a problem.
  Sections make() const {
    using namespace detail;
    Zpk f = prototype();
    auto warped = [&](size_t edge) { return 4 * std::tan(std::numbers::pi * band[edge] / rate); };
    if (pass == Pass::Low)
      toLowPass(f, warped(0));
    else if (pass == Pass::High)
      toHighPass(f, warped(0));
    else if (pass == Pass::Band)
      toBandPass(f, std::sqrt(warped(0) * warped(1)), warped(1) - warped(0));
    else
      toBandStop(f, std::sqrt(warped(0) * warped(1)), warped(1) - warped(0));
    toDigital(f);
    return sections(std::move(f));
  }

  /// The analog low pass of edge 1 that it comes from.
  detail::Zpk prototype() const {
    switch (kind) {
    case Kind::Chebyshev1:
      return detail::chebyshev1(order, ripple);
    case Kind::Chebyshev2:
      return detail::chebyshev2(order, attenuation);
    case Kind::Elliptic:
      return detail::elliptic(order, ripple, attenuation);
    case Kind::Bessel:
      return detail::bessel(order, norm);
    default:
      return detail::butterworth(order);
    }
  }
};

/// One section that is 1 everywhere but around `frequency` (0 < frequency < rate / 2), where it is
/// 0; `quality` is frequency over the width at -3 dB. With `peak` the other way round.
inline Sections notch(double frequency, double quality, double rate, bool peak = false) {
  const double w = 2 * std::numbers::pi * frequency / rate, beta = std::tan(w / quality / 2),
               gain = 1 / (1 + beta), c = std::cos(w);
  if (peak)
    return {{1 - gain, 0, gain - 1, 1, -2 * gain * c, 2 * gain - 1}};
  return {{gain, -2 * gain * c, gain, 1, -2 * gain * c, 2 * gain - 1}};
}

/// What each section holds after an endless input of ones: the state that a filter starts from
/// without a transient, times the first sample. (Transposed direct form II.)
inline std::vector<std::array<double, 2>> steadyState(const Sections &sos) {
  std::vector<std::array<double, 2>> states;
  double level = 1;
  for (const Section &s : sos) {
    const double gain = (s[0] + s[1] + s[2]) / (1 + s[4] + s[5]);
    const double last = s[2] - s[5] * gain;
    states.push_back({level * (s[1] - s[4] * gain + last), level * last});
    level *= gain;
  }
  return states;
}

/// Samples of padding at either end when a filter runs forward and backward: three times its
/// length.
inline int64_t defaultPadding(const Sections &sos) {
  int64_t zeros = 0, poles = 0;
  for (const Section &s : sos) {
    zeros += s[2] == 0;
    poles += s[5] == 0;
  }
  return 3 * (2 * static_cast<int64_t>(sos.size()) + 1 - std::min(zeros, poles));
}

} // namespace plexus::filters
