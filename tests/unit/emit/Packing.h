// Packs random weights into the layouts of runtime/abi/Call.h, for tests and benchmarks.
#ifndef PLEXUS_TESTS_UNIT_EMIT_PACKING_H
#define PLEXUS_TESTS_UNIT_EMIT_PACKING_H

#include "passes/lower/cpu/emit/Product.h"
#include "tests/unit/emit/QuantizedReader.h"
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

/// Where column `column` of the packed weight comes out: n or more where it does not.
inline int64_t outputOf(const ProductSpec &spec, int64_t column) {
  return spec.gated ? column / 64 * 32 + column % 32 : column;
}

/// Random weights for `spec`, a plain form, rounded to it; columns past n are zero.
inline PackedWeight packedPlain(const ProductSpec &spec, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  PackedWeight weight;
  weight.bytes.resize(spec.weightBytes());
  weight.packedColumns = spec.blocks() * 64;
  weight.values.resize(spec.k * weight.packedColumns);
  int64_t paddedK = PackedGeometry(spec.form, spec.k).paddedK;
  for (int64_t k = 0; k < spec.k; ++k)
    for (int64_t column = 0; column < weight.packedColumns; ++column) {
      int64_t block = column / 64, inner = column % 64;
      float value = outputOf(spec, column) < spec.n ? normal(generator) : 0.0f;
      int64_t place = (block * paddedK + k) * 64 + inner;
      if (spec.form.values == PackedValues::F32) {
        std::memcpy(&weight.bytes[place * 4], &value, 4);
      } else if (spec.form.values == PackedValues::F16) {
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

/// Random bytes as values of `spec`'s quantized form, with scales that give elements of about 1.
inline PackedWeight packedQuantized(const ProductSpec &spec, unsigned seed) {
  std::mt19937 generator(seed);
  PackedWeight weight;
  weight.bytes.resize(spec.weightBytes());
  for (char &byte : weight.bytes)
    byte = static_cast<char>(generator());
  if (!spec.form.isInteger()) // no infinity, no NaN: clear an exponent bit
    for (char &byte : weight.bytes)
      byte = static_cast<char>(byte & (spec.form.values == PackedValues::F4 ? 0xff : 0xbf));
  PackedGeometry place(spec.form, spec.k);
  weight.packedColumns = spec.blocks() * 64;
  bool super = place.superGroups != 0, zeros = spec.form.zeros != PackedZeros::None;
  auto putHalves = [&](int64_t offset, int64_t block, auto number) {
    for (int64_t n = 0; n < 64; ++n) {
      bool used = outputOf(spec, block * 64 + n) < spec.n;
      auto half = static_cast<_Float16>(used ? number() : 0.0f);
      std::memcpy(&weight.bytes[block * place.blockBytes + offset + 2 * n], &half, 2);
    }
  };
  int most = spec.form.isInteger() ? spec.form.info().most : 2;
  float unit = 1.0f / static_cast<float>(most) / (super ? 64 : 1);
  auto scale = [&] { return unit * std::uniform_real_distribution<float>(-2, 2)(generator); };
  auto zero = [&] {
    return spec.form.zeros == PackedZeros::Point
               ? static_cast<float>(generator() % 16)
               : std::uniform_real_distribution<float>(-1, 1)(generator) * (super ? 0.01f : 1);
  };
  for (int64_t block = 0; block < spec.blocks(); ++block)
    for (int64_t g = 0; g < place.groups; ++g) {
      int64_t at = super ? place.superOffset(g) : place.recordOffset(g);
      if (super && g % place.superGroups != 0)
        continue;
      putHalves(at, block, scale);
      if (zeros)
        putHalves(at + 128, block, zero);
    }
  QuantizedReader read(spec.form, spec.k, weight.bytes.data());
  weight.values.resize(spec.k * weight.packedColumns);
  for (int64_t k = 0; k < spec.k; ++k)
    for (int64_t column = 0; column < weight.packedColumns; ++column)
      weight.values[k * weight.packedColumns + column] = read(k, column);
  return weight;
}

inline PackedWeight packed(const ProductSpec &spec, unsigned seed) {
  return spec.form.isQuantized() ? packedQuantized(spec, seed) : packedPlain(spec, seed);
}

} // namespace plexus::emit::test

#endif // PLEXUS_TESTS_UNIT_EMIT_PACKING_H
