// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A number depends on its key and counter alone, not on what was drawn before.
#pragma once

#include <array>
#include <cstdint>

namespace plexus {

using PhiloxBlock = std::array<uint32_t, 4>;

/// Four random words for a 64-bit key and a 128-bit counter.
inline PhiloxBlock philox(uint64_t key, PhiloxBlock counter) {
  auto k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53) * counter[0];
    const uint64_t p1 = uint64_t(0xCD9E8D57) * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

/// A word as a number strictly between 0 and 1.
inline double openUnit(uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }

} // namespace plexus
