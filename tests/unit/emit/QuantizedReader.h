// Reads elements of quantized weights, as the definition says: what packers and products must
// equal.
#ifndef PLEXUS_TESTS_UNIT_EMIT_QUANTIZEDREADER_H
#define PLEXUS_TESTS_UNIT_EMIT_QUANTIZEDREADER_H

#include "runtime/io/PackedForm.h"
#include <array>
#include <cmath>
#include <cstring>

namespace plexus::emit::test {

/// Reads one element of a quantized weight, straight from the comment in runtime/io/PackedForm.h.
class QuantizedReader {
public:
  QuantizedReader(const PackedForm &form, int64_t k, const char *bytes)
      : form(form), place(form, k), bytes(reinterpret_cast<const uint8_t *>(bytes)) {}

  float operator()(int64_t k, int64_t column) const {
    const uint8_t *block = bytes + column / 64 * place.blockBytes;
    int64_t n = column % 64, index = k / place.group;
    const uint8_t *record = block + place.recordOffset(index);
    const uint8_t *super = place.superGroups ? block + place.superOffset(index) : nullptr;
    float scale = number(record, super, n, 0), zero = 0;
    if (form.zeros != PackedZeros::None)
      zero = number(record, super, n, 1);
    float v = element(value(record + place.headerBytes, k % place.group, n));
    if (form.zeros == PackedZeros::Min)
      return std::fma(scale, v, zero);
    return scale * (v - (form.zeros == PackedZeros::Point ? zero : form.info().center));
  }

private:
  static float half(const uint8_t *from) {
    _Float16 value;
    std::memcpy(&value, from, 2);
    return static_cast<float>(value);
  }
  /// The scale (which = 0) or zero (1) of column n.
  float number(const uint8_t *record, const uint8_t *super, int64_t n, int64_t which) const {
    if (!super)
      return half(record + which * place.zerosOffset + 2 * n);
    return half(super + which * 128 + 2 * n) *
           static_cast<float>(static_cast<int8_t>(record[which * place.zerosOffset + n]));
  }
  /// The number that a stored value is.
  float element(int stored) const {
    if (form.isInteger())
      return static_cast<float>(stored);
    auto code = static_cast<uint8_t>(stored);
    float out;
    if (form.values == PackedValues::F4)
      return std::array{0.f, .5f, 1.f, 1.5f, 2.f, 3.f, 4.f, 6.f}[code & 7] * (code & 8 ? -1 : 1);
    toF32(form.values == PackedValues::F8E4M3 ? DType::F8E4M3 : DType::F8E5M2, &code, 1, &out);
    return out;
  }
  int value(const uint8_t *values, int64_t k, int64_t n) const {
    const PackedValueInfo &info = form.info();
    const uint8_t *unit = values + k / info.unit * place.unitBytes;
    int64_t inUnit = k % info.unit, j = 4 * n + k % 4;
    if (info.bits == 8)
      return static_cast<int8_t>(unit[j]);
    int low = unit[inUnit / 8 * 256 + j] >> (inUnit % 8 >= 4 ? 4 : 0) & 15;
    if (!info.highBits)
      return low;
    int high = unit[info.unit / 8 * 256 + j] >> (info.highBits * (inUnit / 4));
    return low | (high & ((1 << info.highBits) - 1)) << 4;
  }

  PackedForm form;
  PackedGeometry place;
  const uint8_t *bytes;
};

} // namespace plexus::emit::test

#endif // PLEXUS_TESTS_UNIT_EMIT_QUANTIZEDREADER_H
