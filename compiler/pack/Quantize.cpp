// Groups are rounded one by one: a few scales near the obvious one are tried, with the scale that
// fits the rounded values best (least squares), and the one with the least square error is kept.
#include "compiler/pack/Quantize.h"

#include "runtime/io/DType.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

namespace plexus::compiler {
namespace {

constexpr float kLargestHalf = 65504.0f;

uint16_t toHalf(float value) {
  uint16_t bits;
  value = std::clamp(value, -kLargestHalf, kLargestHalf);
  fromF32(DType::F16, &value, 1, &bits);
  return bits;
}

float fromHalf(uint16_t bits) {
  float value;
  toF32(DType::F16, &bits, 1, &value);
  return value;
}

/// One group: elements, and the integers [low, high] that they become.
struct Group {
  const float *x;
  int64_t size;
  float low, high;
};

/// What a group became: x is about scale * q + addend.
struct Fit {
  float scale = 0, addend = 0;
  double error = 0;
};

float rounded(float value, const Group &g) {
  return std::clamp(std::nearbyint(value), g.low, g.high);
}

/// Square error of scale * q + addend for the best integers q.
double errorOf(const Group &g, float scale, float addend) {
  float inverse = scale == 0 ? 0 : 1 / scale;
  float error = 0;
  for (int64_t i = 0; i < g.size; ++i) {
    float q = rounded((g.x[i] - addend) * inverse, g);
    float difference = g.x[i] - (scale * q + addend);
    error += difference * difference;
  }
  return error;
}

/// The scale that fits best the integers which `scale` gives.
float refined(const Group &g, float scale) {
  if (scale == 0)
    return 0;
  float inverse = 1 / scale, product = 0, square = 0;
  for (int64_t i = 0; i < g.size; ++i) {
    float q = rounded(g.x[i] * inverse, g);
    product += q * g.x[i];
    square += q * q;
  }
  return square > 0 ? product / square : 0;
}

/// How much shorter than the whole range the searched ranges are, in steps of a level.
constexpr std::array<float, 9> kTrims = {0, -0.6f, -0.4f, -0.2f, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f};

/// Symmetric: the element of the largest magnitude lies at the end that reaches further.
Fit fitSymmetric(const Group &g) {
  float extreme = 0;
  for (int64_t i = 0; i < g.size; ++i)
    if (std::abs(g.x[i]) > std::abs(extreme))
      extreme = g.x[i];
  if (extreme == 0)
    return {};
  // One byte is fine enough: searching gains nothing.
  bool search = g.high < 64;
  float reach = -g.low > g.high ? g.low : g.high;
  Fit best;
  best.error = INFINITY;
  for (float trim : kTrims) {
    float scale = extreme / (reach + (reach < 0 ? trim : -trim));
    if (search)
      scale = refined(g, scale);
    scale = fromHalf(toHalf(scale));
    double error = errorOf(g, scale, 0);
    if (error < best.error)
      best = {scale, 0, error};
    if (!search)
      break;
  }
  return best;
}

/// With a zero point (integers) or a minimum: the range of the elements and 0, trimmed at both
/// ends.
Fit fitRange(const Group &g, PackedZeros zeros) {
  auto [least, most] = std::minmax_element(g.x, g.x + g.size);
  float low = std::min(*least, 0.0f), high = std::max(*most, 0.0f);
  if (zeros == PackedZeros::Min) {
    low = *least;
    high = *most;
  }
  Fit best;
  best.error = INFINITY;
  for (float trim : kTrims) {
    float scale = (high - low) / (g.high - g.low + trim);
    float middle = (high + low) / 2, bottom = middle - scale * (g.high - g.low) / 2;
    scale = fromHalf(toHalf(scale));
    float addend = zeros == PackedZeros::Min ? fromHalf(toHalf(bottom - scale * g.low)) : 0;
    if (zeros == PackedZeros::Point && scale != 0)
      addend = -scale * rounded(g.low - bottom / scale, g);
    double error = errorOf(g, scale, addend);
    if (error < best.error)
      best = {scale, addend, error};
  }
  return best;
}

/// All values of a small float, by code.
std::vector<float> codebook(PackedValues values) {
  if (values == PackedValues::F4)
    return {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -.5f, -1, -1.5f, -2, -3, -4, -6};
  std::vector<float> book(256);
  std::vector<uint8_t> codes(256);
  std::iota(codes.begin(), codes.end(), uint8_t(0));
  toF32(values == PackedValues::F8E4M3 ? DType::F8E4M3 : DType::F8E5M2, codes.data(), 256,
        book.data());
  return book;
}

/// Small floats: codes by value, the nearest is found by bisection.
class FloatCodes {
public:
  explicit FloatCodes(PackedValues values) {
    std::vector<float> book = codebook(values);
    for (size_t code = 0; code < book.size(); ++code)
      if (std::isfinite(book[code]) && (book[code] != 0 || !std::signbit(book[code])))
        sorted_.push_back({book[code], static_cast<uint8_t>(code)});
    std::sort(sorted_.begin(), sorted_.end());
  }
  float most() const { return sorted_.back().first; }
  std::pair<float, uint8_t> nearest(float x) const {
    auto above = std::lower_bound(sorted_.begin(), sorted_.end(), std::pair(x, uint8_t(0)));
    if (above == sorted_.begin())
      return *above;
    if (above == sorted_.end())
      return sorted_.back();
    return x - (above - 1)->first <= above->first - x ? *(above - 1) : *above;
  }

private:
  std::vector<std::pair<float, uint8_t>> sorted_;
};

const FloatCodes &codesOf(PackedValues values) {
  static const FloatCodes e4m3(PackedValues::F8E4M3), e5m2(PackedValues::F8E5M2),
      e2m1(PackedValues::F4);
  return values == PackedValues::F8E4M3 ? e4m3 : values == PackedValues::F8E5M2 ? e5m2 : e2m1;
}

/// The largest magnitude at the largest code, or a little beyond it.
Fit fitFloats(const Group &g, const FloatCodes &codes) {
  float peak = 0;
  for (int64_t i = 0; i < g.size; ++i)
    peak = std::max(peak, std::abs(g.x[i]));
  Fit best;
  best.error = INFINITY;
  for (float trim : kTrims) {
    float scale = fromHalf(toHalf(peak / codes.most() * (1 - trim / 8)));
    float inverse = scale == 0 ? 0 : 1 / scale;
    double error = 0;
    for (int64_t i = 0; i < g.size; ++i)
      error += std::pow(g.x[i] - scale * codes.nearest(g.x[i] * inverse).first, 2);
    if (error < best.error)
      best = {scale, 0, error};
  }
  return best;
}

Group groupOf(const QuantizedRows &rows, const float *x, int64_t first) {
  const PackedValueInfo &info = rows.form.info();
  int64_t size = std::clamp<int64_t>(rows.depth - first, 0, rows.geometry.group);
  if (rows.form.values == PackedValues::Q8 && rows.form.zeros == PackedZeros::None)
    return {x + first, size, -127, 127};
  float levels = static_cast<float>(1 << info.bits);
  if (rows.form.values == PackedValues::Q8)
    return {x + first, size, -levels / 2, levels / 2 - 1};
  if (rows.form.zeros != PackedZeros::None)
    return {x + first, size, 0, levels - 1};
  return {x + first, size, -levels / 2, levels / 2 - 1};
}

Fit fitGroup(const Group &g, const PackedForm &form) {
  if (!form.isInteger())
    return fitFloats(g, codesOf(form.values));
  return form.zeros == PackedZeros::None ? fitSymmetric(g) : fitRange(g, form.zeros);
}

/// Makes the scales and addends of one superblock multiples of two f16 numbers.
void shareScales(Fit *fits, int64_t count, int64_t row, int64_t superblock, QuantizedRows &out) {
  auto share = [&](float Fit::*part, std::vector<uint16_t> &halves, std::vector<int8_t> &bytes) {
    float most = 0;
    for (int64_t i = 0; i < count; ++i)
      most = std::max(most, std::abs(fits[i].*part));
    uint16_t half = toHalf(most / 127);
    float step = fromHalf(half), inverse = step == 0 ? 0 : 1 / step;
    halves[row * out.halves() + superblock] = half;
    for (int64_t i = 0; i < count; ++i) {
      float multiple = std::clamp(std::nearbyint(fits[i].*part * inverse), -127.0f, 127.0f);
      bytes[row * out.geometry.groups + superblock * count + i] = static_cast<int8_t>(multiple);
      fits[i].*part = step * multiple;
    }
  };
  share(&Fit::scale, out.scales, out.scaleMultipliers);
  if (out.form.zeros == PackedZeros::Min)
    share(&Fit::addend, out.zeros, out.zeroMultipliers);
}

/// Stores one group's scale and addend.
void storeScale(const Fit &fit, int64_t row, int64_t index, QuantizedRows &out) {
  int64_t place = row * out.geometry.groups + index;
  out.scales[place] = toHalf(fit.scale);
  if (out.form.zeros == PackedZeros::Min)
    out.zeros[place] = toHalf(fit.addend);
  if (out.form.zeros == PackedZeros::Point)
    out.zeros[place] = toHalf(fit.scale == 0 ? 0 : std::nearbyint(-fit.addend / fit.scale));
}

void storeValues(const Group &g, const Fit &fit, const PackedForm &form, uint8_t *values) {
  float inverse = fit.scale == 0 ? 0 : 1 / fit.scale;
  if (!form.isInteger()) {
    for (int64_t i = 0; i < g.size; ++i)
      values[i] = codesOf(form.values).nearest(g.x[i] * inverse).second;
    return;
  }
  int center = form.zeros == PackedZeros::None ? form.info().center : 0;
  for (int64_t i = 0; i < g.size; ++i)
    values[i] = static_cast<uint8_t>(static_cast<int>(rounded((g.x[i] - fit.addend) * inverse, g)) +
                                     center);
}

//===--- Blocks -------------------------------------------------------------------------------===//

/// The bytes of one unit: 64 columns of `values` from k on.
void writeUnit(const QuantizedRows &rows, int64_t k, uint8_t *out) {
  const PackedValueInfo &info = rows.form.info();
  int64_t paddedK = rows.geometry.paddedK;
  for (int64_t n = 0; n < kPackedColumns; ++n) {
    const uint8_t *from = rows.values.data() + n * paddedK + k;
    uint8_t *to = out + 4 * n;
    if (info.bits == 8) {
      std::copy(from, from + 4, to);
      continue;
    }
    int planes = info.unit / 8, width = info.highBits;
    for (int plane = 0; plane < planes; ++plane)
      for (int j = 0; j < 4; ++j)
        to[plane * 4 * kPackedColumns + j] =
            static_cast<uint8_t>((from[8 * plane + j] & 15) | (from[8 * plane + 4 + j] & 15) << 4);
    for (int j = 0; width && j < 4; ++j) {
      unsigned bits = 0;
      for (int quad = 0; quad < 2 * planes; ++quad)
        bits |= unsigned(from[4 * quad + j] >> 4) << width * quad;
      to[planes * 4 * kPackedColumns + j] = static_cast<uint8_t>(bits);
    }
  }
}

/// to[n] = from[n][index] of 64 rows of `stride` numbers.
template <typename T>
void writeColumn(const std::vector<T> &from, int64_t stride, int64_t index, uint8_t *to) {
  for (int64_t n = 0; n < kPackedColumns; ++n)
    std::copy_n(reinterpret_cast<const uint8_t *>(from.data() + n * stride + index), sizeof(T),
                to + n * sizeof(T));
}

} // namespace

QuantizedRows::QuantizedRows(const PackedForm &form, int64_t depth)
    : form(form), depth(depth), geometry(form, depth) {
  values.resize(static_cast<size_t>(kPackedColumns * geometry.paddedK));
  scales.resize(static_cast<size_t>(kPackedColumns * halves()));
  auto multipliers =
      static_cast<size_t>(geometry.superGroups ? kPackedColumns * geometry.groups : 0);
  scaleMultipliers.resize(multipliers);
  if (form.zeros == PackedZeros::None)
    return;
  zeros.resize(scales.size());
  zeroMultipliers.resize(multipliers);
}

Status quantizeRow(const float *x, int64_t row, QuantizedRows &out) {
  for (int64_t k = 0; k < out.depth; ++k)
    if (!std::isfinite(x[k]))
      return error(Code::InvalidArgument)
             << "a value is " << x[k] << ", which " << out.form.spelling() << " cannot hold";
  const PackedGeometry &geometry = out.geometry;
  std::vector<Fit> fits(static_cast<size_t>(geometry.groups));
  for (int64_t index = 0; index < geometry.groups; ++index)
    if (Group g = groupOf(out, x, index * geometry.group); g.size > 0)
      fits[index] = fitGroup(g, out.form);
  for (int64_t s = 0; geometry.superGroups && s < out.halves(); ++s)
    shareScales(fits.data() + s * geometry.superGroups, geometry.superGroups, row, s, out);
  for (int64_t index = 0; index < geometry.groups; ++index) {
    int64_t first = index * geometry.group;
    storeValues(groupOf(out, x, first), fits[index], out.form, out.valuesOf(row) + first);
    if (!geometry.superGroups)
      storeScale(fits[index], row, index, out);
  }
  return Status::ok();
}

void writeBlock(const QuantizedRows &rows, uint8_t *out) {
  const PackedGeometry &g = rows.geometry;
  const PackedValueInfo &info = rows.form.info();
  bool zeros = rows.form.zeros != PackedZeros::None;
  for (int64_t group = 0; group < g.groups; ++group) {
    uint8_t *record = out + g.recordOffset(group);
    if (g.superGroups && group % g.superGroups == 0) {
      uint8_t *super = out + g.superOffset(group);
      writeColumn(rows.scales, rows.halves(), group / g.superGroups, super);
      if (zeros)
        writeColumn(rows.zeros, rows.halves(), group / g.superGroups, super + 2 * kPackedColumns);
    }
    if (g.superGroups)
      writeColumn(rows.scaleMultipliers, g.groups, group, record);
    else
      writeColumn(rows.scales, g.groups, group, record);
    if (zeros && g.superGroups)
      writeColumn(rows.zeroMultipliers, g.groups, group, record + g.zerosOffset);
    else if (zeros)
      writeColumn(rows.zeros, g.groups, group, record + g.zerosOffset);
    for (int64_t k = 0; k < g.group; k += info.unit)
      writeUnit(rows, group * g.group + k, record + g.headerBytes + k / info.unit * g.unitBytes);
  }
}

} // namespace plexus::compiler
