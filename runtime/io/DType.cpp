// Conversion loops are branch-free, so that they vectorise for any instruction set.
#include "runtime/io/DType.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace plexus {
namespace {

// Conversions of one element: Storage is what lies in memory.
struct F32 {
  using Storage = float;
  static float load(float v) { return v; }
  static float store(float v) { return v; }
};

struct F64 {
  using Storage = double;
  static float load(double v) { return static_cast<float>(v); }
  static double store(float v) { return v; }
};

struct BF16 {
  using Storage = uint16_t;
  static float load(uint16_t v) { return std::bit_cast<float>(uint32_t(v) << 16); }
  static uint16_t store(float v) {
    uint32_t bits = std::bit_cast<uint32_t>(v);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    uint32_t quietNan = (bits >> 16) | 0x40u; // Rounding could carry a NaN into infinity.
    return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quietNan : rounded);
  }
};

struct F16 {
  using Storage = uint16_t;
  static float load(uint16_t v) {
    uint32_t magnitude = v & 0x7fffu;
    uint32_t normal = (magnitude << 13) + (112u << 23); // Bias 15 -> 127.
    uint32_t special = (magnitude << 13) | 0x7f800000u;
    // 0.5 + m * 2^-24 is exact in f32, so the difference is the subnormal m * 2^-24.
    float tiny = std::bit_cast<float>(0x3f000000u | magnitude) - 0.5f;
    uint32_t bits = magnitude < 0x0400u    ? std::bit_cast<uint32_t>(tiny)
                    : magnitude >= 0x7c00u ? special
                                           : normal;
    return std::bit_cast<float>(bits | uint32_t(v & 0x8000u) << 16);
  }
  static uint16_t store(float v) {
    uint32_t bits = std::bit_cast<uint32_t>(v);
    uint32_t magnitude = bits & 0x7fffffffu;
    // Normal: rebias, round half to even at bit 13; carries run into the exponent, up to infinity.
    uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    // Subnormal: adding 0.5 leaves round(v / 2^-24) in the low bits, rounded by the addition
    // itself.
    uint32_t tiny = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t special = magnitude > 0x7f800000u ? 0x7e00u | (magnitude >> 13 & 0x3ffu) : 0x7c00u;
    uint32_t half = magnitude >= 0x47800000u  ? special // 2^16 and above, infinity, NaN.
                    : magnitude < 0x38800000u ? tiny    // Below 2^-14.
                                              : normal;
    return static_cast<uint16_t>(half | (bits >> 16 & 0x8000u));
  }
};

/// An 8-bit float with `Mantissa` explicit bits; Finite: no infinities (E4M3FN).
template <int Mantissa, bool Finite>
struct F8 {
  using Storage = uint8_t;
  static constexpr int bias = (1 << (6 - Mantissa)) - 1;
  static constexpr unsigned infinity = 0x7fu & ~((1u << Mantissa) - 1); // All exponent bits set.
  static constexpr unsigned nan = 0x7f;

  static constexpr std::array<float, 256> makeTable() {
    std::array<float, 256> table{};
    for (unsigned v = 0; v < 256; ++v) {
      int exponent = static_cast<int>((v & 0x7fu) >> Mantissa);
      float fraction = static_cast<float>(v & ((1u << Mantissa) - 1)) / (1 << Mantissa);
      float value = exponent == 0 ? fraction * 2 : 1 + fraction;
      for (int e = exponent; e < bias; ++e)
        value /= 2;
      for (int e = exponent; e > bias; --e)
        value *= 2;
      if (Finite ? (v & 0x7fu) == nan : (v & 0x7fu) > infinity)
        value = std::numeric_limits<float>::quiet_NaN();
      else if (!Finite && (v & 0x7fu) == infinity)
        value = std::numeric_limits<float>::infinity();
      table[v] = (v & 0x80u) ? -value : value;
    }
    return table;
  }
  static constexpr std::array<float, 256> table = makeTable();
  static float load(uint8_t v) { return table[v]; }

  static uint8_t store(float v) {
    uint32_t bits = std::bit_cast<uint32_t>(v);
    unsigned sign = bits >> 24 & 0x80u;
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
      return static_cast<uint8_t>(sign | nan);
    constexpr uint32_t smallestNormal = uint32_t(128 - bias) << 23; // 2^(1 - bias)
    constexpr int shift = 23 - Mantissa;
    uint32_t code;
    if (magnitude < smallestNormal) {
      // The addend's last place is the smallest subnormal, so that the addition rounds to it.
      uint32_t addend = smallestNormal + (uint32_t(shift) << 23);
      float sum = std::bit_cast<float>(magnitude) + std::bit_cast<float>(addend);
      code = std::bit_cast<uint32_t>(sum) - addend;
    } else {
      uint32_t half = (1u << (shift - 1)) - 1 + (magnitude >> shift & 1u);
      code = (magnitude - (uint32_t(127 - bias) << 23) + half) >> shift;
    }
    unsigned overflow = Finite ? nan : infinity;
    return static_cast<uint8_t>(sign | (code >= overflow ? overflow : code));
  }
};

template <typename Int>
struct Integer {
  using Storage = Int;
  static float load(Int v) { return static_cast<float>(v); }
  static Int store(float v) {
    using Limits = std::numeric_limits<Int>;
    if (std::isnan(v))
      return 0;
    float rounded = std::nearbyint(v);
    // 2^digits is exact in f32, max() may not be.
    if (rounded >= std::ldexp(1.0f, Limits::digits))
      return Limits::max();
    if (rounded <= static_cast<float>(Limits::min()))
      return Limits::min();
    return static_cast<Int>(rounded);
  }
};

struct Boolean {
  using Storage = uint8_t;
  static float load(uint8_t v) { return v ? 1.0f : 0.0f; }
  static uint8_t store(float v) { return v != 0.0f; }
};

template <typename Element>
void loadArray(const void *from, int64_t count, float *to) {
  using Storage = typename Element::Storage;
  const auto *bytes = static_cast<const unsigned char *>(from);
  for (int64_t i = 0; i < count; ++i) {
    Storage v; // Tensors in files may lie at odd addresses.
    std::memcpy(&v, bytes + i * sizeof(Storage), sizeof(Storage));
    to[i] = Element::load(v);
  }
}

template <typename Element>
void storeArray(const float *from, int64_t count, void *to) {
  using Storage = typename Element::Storage;
  auto *bytes = static_cast<unsigned char *>(to);
  for (int64_t i = 0; i < count; ++i) {
    Storage v = Element::store(from[i]);
    std::memcpy(bytes + i * sizeof(Storage), &v, sizeof(Storage));
  }
}

struct Row {
  std::string_view name;
  size_t size;
  bool floating;
  void (*load)(const void *, int64_t, float *);
  void (*store)(const float *, int64_t, void *);
};

template <typename Element>
constexpr Row row(std::string_view name, bool floating) {
  return {name, sizeof(typename Element::Storage), floating, loadArray<Element>,
          storeArray<Element>};
}

// In the order of DType.
constexpr Row rows[] = {
    row<F32>("F32", true),
    row<F16>("F16", true),
    row<BF16>("BF16", true),
    row<F64>("F64", true),
    row<Integer<int8_t>>("I8", false),
    row<Integer<uint8_t>>("U8", false),
    row<Integer<int16_t>>("I16", false),
    row<Integer<uint16_t>>("U16", false),
    row<Integer<int32_t>>("I32", false),
    row<Integer<uint32_t>>("U32", false),
    row<Integer<int64_t>>("I64", false),
    row<Integer<uint64_t>>("U64", false),
    row<Boolean>("BOOL", false),
    row<F8<3, true>>("F8_E4M3", true),
    row<F8<2, false>>("F8_E5M2", true),
};
static_assert(std::size(rows) == size_t(DType::F8E5M2) + 1);

const Row &rowOf(DType dtype) { return rows[static_cast<size_t>(dtype)]; }

} // namespace

std::string_view dtypeName(DType dtype) { return rowOf(dtype).name; }
size_t dtypeSize(DType dtype) { return rowOf(dtype).size; }
bool isFloat(DType dtype) { return rowOf(dtype).floating; }

std::optional<DType> dtypeFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(rows); ++i)
    if (rows[i].name == name)
      return static_cast<DType>(i);
  return std::nullopt;
}

void toF32(DType dtype, const void *from, int64_t count, float *to) {
  rowOf(dtype).load(from, count, to);
}

void fromF32(DType dtype, const float *from, int64_t count, void *to) {
  rowOf(dtype).store(from, count, to);
}

} // namespace plexus
