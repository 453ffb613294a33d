// Packs random weights into the layouts of runtime/abi/Call.h, for tests and benchmarks.
#ifndef PLEXUS_TESTS_UNIT_EMIT_PACKING_H
#define PLEXUS_TESTS_UNIT_EMIT_PACKING_H

#include "passes/lower/cpu/emit/Product.h"
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace plexus::emit::test {

inline uint16_t toBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline float fromBf16(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

/// A packed weight and the numbers that it stands for.
struct PackedWeight {
  std::vector<char> bytes;
  std::vector<float> values; ///< [k][packedColumns]
  int64_t packedColumns = 0;
  float at(int64_t k, int64_t column) const { return values[k * packedColumns + column]; }
};

/// Random weights for `spec`, rounded to its stored type; columns past n are zero.
inline PackedWeight packed(const ProductSpec &spec, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  PackedWeight weight;
  weight.bytes.resize(spec.weightBytes());
  weight.packedColumns = spec.blocks() * 64;
  weight.values.resize(spec.k * weight.packedColumns);
  int64_t paddedK =
      spec.weightBytes() / (spec.blocks() * 64) / (spec.layout == PLX_LAYOUT_F32 ? 4 : 2);
  for (int64_t k = 0; k < spec.k; ++k)
    for (int64_t column = 0; column < weight.packedColumns; ++column) {
      int64_t block = column / 64, inner = column % 64;
      int64_t output = spec.gated ? block * 32 + inner % 32 : column;
      float value = output < spec.n ? normal(generator) : 0.0f;
      int64_t place = (block * paddedK + k) * 64 + inner;
      if (spec.layout == PLX_LAYOUT_F32) {
        std::memcpy(&weight.bytes[place * 4], &value, 4);
      } else if (spec.layout == PLX_LAYOUT_F16) {
        _Float16 half = static_cast<_Float16>(value);
        std::memcpy(&weight.bytes[place * 2], &half, 2);
        value = static_cast<float>(half);
      } else {
        place = block * paddedK * 64 + k / 2 * 128 + inner * 2 + k % 2;
        uint16_t half = toBf16(value);
        std::memcpy(&weight.bytes[place * 2], &half, 2);
        value = fromBf16(half);
      }
      weight.values[k * weight.packedColumns + column] = value;
    }
  return weight;
}

} // namespace plexus::emit::test

#endif // PLEXUS_TESTS_UNIT_EMIT_PACKING_H
