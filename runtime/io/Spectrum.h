// Where the spectra of convolutions are taken.
#pragma once

#include <cstdint>
#include <numbers>

namespace plexus {

/// Real points in a vector of a spectrum: 16 real parts, then 16 imaginary ones.
constexpr int64_t kSpectrumLanes = 16;

/// x^H - i, for H a power of 2, halves into (x^(H/2) - s) (x^(H/2) + s), and so on down to x - r:
/// the angle of the number c of factor `block` of the 2^level factors x^(H / 2^level) - c. At the
/// last level these are the roots in the order in which transforms leave them.
inline double spectrumAngle(int64_t level, int64_t block) {
  if (level == 0)
    return std::numbers::pi / 2;
  return spectrumAngle(level - 1, block / 2) / 2 + (block % 2 ? std::numbers::pi : 0);
}

/// The angle of root `bin` of x^bins = i, `bins` a power of 2.
inline double spectrumRoot(int64_t bins, int64_t bin) {
  int64_t level = 0;
  while ((int64_t(1) << level) < bins)
    ++level;
  return spectrumAngle(level, bin);
}

} // namespace plexus
