// ggml's blocks: each is taken apart into integers and scales, from which its elements follow.
#include "runtime/io/BlockParts.h"

#include "runtime/io/DType.h"

#include <cstring>

namespace plexus {
namespace {

uint16_t bits16(const uint8_t *from) {
  uint16_t bits;
  std::memcpy(&bits, from, sizeof(bits));
  return bits;
}

float half(uint16_t bits) {
  float value;
  toF32(DType::F16, &bits, 1, &value);
  return value;
}

/// 16 bytes of nibbles: low ones are elements 0..15, high ones 16..31.
void splitNibbles(const uint8_t *from, uint8_t *values) {
  for (int i = 0; i < 16; ++i) {
    values[i] = from[i] & 15;
    values[i + 16] = from[i] >> 4;
  }
}

/// f16 scale d, i8 q[32]; x = d q.
void unpackQ8_0(const uint8_t *from, BlockParts &out) {
  out.scale = bits16(from);
  std::memcpy(out.values.data(), from + 2, 32);
}

/// f16 scale d, 16 bytes of nibbles; x = d (q - 8).
void unpackQ4_0(const uint8_t *from, BlockParts &out) {
  out.scale = bits16(from);
  splitNibbles(from + 2, out.values.data());
}

/// f16 scale d, f16 minimum m, nibbles as in Q4_0; x = d q + m.
void unpackQ4_1(const uint8_t *from, BlockParts &out) {
  out.scale = bits16(from);
  out.zero = bits16(from + 2);
  splitNibbles(from + 4, out.values.data());
}

/// The fifth bit of element i is bit i of 4 bytes; then nibbles.
void unpackFifth(const uint8_t *from, BlockParts &out) {
  splitNibbles(from + 4, out.values.data());
  for (int i = 0; i < 32; ++i)
    out.values[i] |= static_cast<uint8_t>((from[i / 8] >> (i % 8) & 1) << 4);
}

/// f16 scale d, fifth bits, nibbles; x = d (q - 16).
void unpackQ5_0(const uint8_t *from, BlockParts &out) {
  out.scale = bits16(from);
  unpackFifth(from + 2, out);
}

/// f16 scale d, f16 minimum m, fifth bits, nibbles; x = d q + m.
void unpackQ5_1(const uint8_t *from, BlockParts &out) {
  out.scale = bits16(from);
  out.zero = bits16(from + 2);
  unpackFifth(from + 4, out);
}

/// f16 d and dmin, then six-bit scales s and minima m of eight groups of 32 in 12 bytes;
/// x = d s q - dmin m.
void unpackScalesK(const uint8_t *from, BlockParts &out) {
  out.scale = bits16(from);
  out.zero = bits16(from + 2);
  const uint8_t *packed = from + 4;
  for (int g = 0; g < 8; ++g) {
    int scale, minimum;
    if (g < 4) {
      scale = packed[g] & 63;
      minimum = packed[g + 4] & 63;
    } else {
      scale = (packed[g + 4] & 15) | packed[g - 4] >> 6 << 4;
      minimum = packed[g + 4] >> 4 | packed[g] >> 6 << 4;
    }
    out.scaleMultipliers[g] = static_cast<int8_t>(scale);
    out.zeroMultipliers[g] = static_cast<int8_t>(-minimum);
  }
}

/// Scales, then 32 bytes for each 64 elements: low nibbles are the first 32.
void unpackQ4_K(const uint8_t *from, BlockParts &out) {
  unpackScalesK(from, out);
  for (int i = 0; i < 256; ++i)
    out.values[i] = from[16 + i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
}

/// As Q4_K, with 32 bytes before the nibbles: bit g of byte i is the fifth bit of element i of
/// group g.
void unpackQ5_K(const uint8_t *from, BlockParts &out) {
  unpackScalesK(from, out);
  for (int i = 0; i < 256; ++i) {
    int low = from[48 + i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
    int high = from[16 + i % 32] >> (i / 32) & 1;
    out.values[i] = static_cast<uint8_t>(low | high << 4);
  }
}

/// 128 bytes of nibbles, 64 of upper pairs of bits, i8 scales s of 16 groups of 16, f16 d;
/// x = d s (q - 32). Each half of 128 elements has 64 nibble bytes (elements 0..63 low, 64..127
/// high) and 32 bytes whose bits 2 j are those of element 32 j + i.
void unpackQ6_K(const uint8_t *from, BlockParts &out) {
  out.scale = bits16(from + 208);
  for (int i = 0; i < 256; ++i) {
    int part = i / 128, in = i % 128;
    int low = from[part * 64 + in % 64] >> (in / 64 * 4) & 15;
    int high = from[128 + part * 32 + in % 32] >> (in / 32 * 2) & 3;
    out.values[i] = static_cast<uint8_t>(low | high << 4);
  }
  std::memcpy(out.scaleMultipliers.data(), from + 192, 16);
}

struct Packing {
  PackedForm form;
  void (*unpack)(const uint8_t *, BlockParts &);
};

using enum PackedValues;
using enum PackedZeros;

constexpr Packing packings[] = {
    {{Q8, None, 32, 0}, unpackQ8_0},  {{Q4, None, 32, 0}, unpackQ4_0},
    {{Q4, Min, 32, 0}, unpackQ4_1},   {{Q5, None, 32, 0}, unpackQ5_0},
    {{Q5, Min, 32, 0}, unpackQ5_1},   {{Q4, Min, 32, 256}, unpackQ4_K},
    {{Q5, Min, 32, 256}, unpackQ5_K}, {{Q6, None, 16, 256}, unpackQ6_K},
};

/// Elements of blocks in the terms of their parts.
template <int Index, int64_t Elements, size_t Bytes>
void decode(const uint8_t *from, int64_t blocks, float *to) {
  constexpr PackedForm form = packings[Index].form;
  const float center = form.zeros == None ? static_cast<float>(form.info().center) : 0;
  for (int64_t b = 0; b < blocks; ++b, from += Bytes, to += Elements) {
    BlockParts parts;
    packings[Index].unpack(from, parts);
    const float scale = half(parts.scale), zero = form.zeros == Min ? half(parts.zero) : 0;
    for (int64_t i = 0; i < Elements; ++i) {
      int64_t group = i / form.group;
      float value = form.values == Q8 ? static_cast<float>(static_cast<int8_t>(parts.values[i]))
                                      : static_cast<float>(parts.values[i]);
      float d = scale, z = zero;
      if (form.superblock) {
        d *= parts.scaleMultipliers[group];
        z *= form.zeros == Min ? parts.zeroMultipliers[group] : 0;
      }
      to[i] = d * (value - center) + z;
    }
  }
}

// In the order of packings.
constexpr BlockFormat formats[] = {
    {"Q8_0", 32, 34, decode<0, 32, 34>},     {"Q4_0", 32, 18, decode<1, 32, 18>},
    {"Q4_1", 32, 20, decode<2, 32, 20>},     {"Q5_0", 32, 22, decode<3, 32, 22>},
    {"Q5_1", 32, 24, decode<4, 32, 24>},     {"Q4_K", 256, 144, decode<5, 256, 144>},
    {"Q5_K", 256, 176, decode<6, 256, 176>}, {"Q6_K", 256, 210, decode<7, 256, 210>},
};
static_assert(std::size(formats) == std::size(packings));

const Packing &packingOf(const BlockFormat &format) { return packings[&format - formats]; }

} // namespace

const BlockFormat *findBlockFormat(std::string_view name) {
  for (const BlockFormat &format : formats)
    if (format.name == name)
      return &format;
  return nullptr;
}

PackedForm packedFormOf(const BlockFormat &format) { return packingOf(format).form; }

void unpackBlock(const BlockFormat &format, const uint8_t *from, BlockParts &out) {
  packingOf(format).unpack(from, out);
}

} // namespace plexus
