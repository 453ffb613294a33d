#include "runtime/io/BlockFormat.h"

#include "runtime/io/DType.h"

namespace plexus {
namespace {

constexpr int64_t blockElements = 32;

float half(const uint8_t *from) {
  float value;
  toF32(DType::F16, from, 1, &value);
  return value;
}

/// Block: f16 scale d, i8 q[32]; x_i = d q_i.
void decodeQ8_0(const uint8_t *from, int64_t blocks, float *to) {
  for (int64_t b = 0; b < blocks; ++b, from += 34, to += blockElements) {
    float scale = half(from);
    for (int i = 0; i < blockElements; ++i)
      to[i] = scale * static_cast<float>(static_cast<int8_t>(from[2 + i]));
  }
}

/// Block: f16 scale d, 16 bytes; low nibbles are elements 0..15, high ones 16..31; x = d (q - 8).
void decodeQ4_0(const uint8_t *from, int64_t blocks, float *to) {
  for (int64_t b = 0; b < blocks; ++b, from += 18, to += blockElements) {
    float scale = half(from);
    for (int i = 0; i < 16; ++i) {
      to[i] = scale * static_cast<float>((from[2 + i] & 15) - 8);
      to[i + 16] = scale * static_cast<float>((from[2 + i] >> 4) - 8);
    }
  }
}

/// Block: f16 scale d, f16 minimum m, 16 bytes with nibbles as in Q4_0; x = d q + m.
void decodeQ4_1(const uint8_t *from, int64_t blocks, float *to) {
  for (int64_t b = 0; b < blocks; ++b, from += 20, to += blockElements) {
    float scale = half(from), minimum = half(from + 2);
    for (int i = 0; i < 16; ++i) {
      to[i] = scale * static_cast<float>(from[4 + i] & 15) + minimum;
      to[i + 16] = scale * static_cast<float>(from[4 + i] >> 4) + minimum;
    }
  }
}

constexpr BlockFormat formats[] = {
    {"Q8_0", blockElements, 34, decodeQ8_0},
    {"Q4_0", blockElements, 18, decodeQ4_0},
    {"Q4_1", blockElements, 20, decodeQ4_1},
};

} // namespace

const BlockFormat *findBlockFormat(std::string_view name) {
  for (const BlockFormat &format : formats)
    if (format.name == name)
      return &format;
  return nullptr;
}

} // namespace plexus
