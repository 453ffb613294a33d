// Rows are rounded span by span: the groups that share super scales, or one group.
#include "compiler/pack/Quantize.h"

#include "compiler/pack/Fit.h"

#include <algorithm>
#include <cmath>

namespace plexus::compiler {
namespace {

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

QuantizedRows::QuantizedRows(const PackedForm &form, int64_t depth, const RangeRule &ranges)
    : form(form), ranges(ranges), depth(depth), geometry(form, depth) {
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

Status checkFinite(const float *x, const QuantizedRows &out) {
  for (int64_t k = 0; k < out.depth; ++k)
    if (!std::isfinite(x[k]))
      return error(Code::InvalidArgument)
             << "a value is " << x[k] << ", which " << out.form.spelling() << " cannot hold";
  return Status::ok();
}

void fitSpan(const float *x, const float *importance, int64_t row, int64_t first,
             std::vector<Fit> &fits, QuantizedRows &out) {
  const PackedGeometry &geometry = out.geometry;
  int64_t count = spanOf(out) / geometry.group, index = first / geometry.group;
  fits.assign(static_cast<size_t>(count), {});
  for (int64_t i = 0; i < count; ++i) {
    int64_t k = first + i * geometry.group;
    int64_t size = std::clamp<int64_t>(out.depth - k, 0, geometry.group);
    if (size > 0)
      fits[i] =
          fitGroup({x + k, importance ? importance + k : nullptr, size}, out.form, out.ranges);
  }
  if (geometry.superGroups)
    shareScales(fits.data(), count, row, first / out.form.superblock, out);
  else
    storeScale(fits[0], row, index, out);
}

int64_t spanOf(const QuantizedRows &rows) {
  return rows.form.superblock ? rows.form.superblock : rows.geometry.group;
}

Status quantizeRow(const float *x, int64_t row, QuantizedRows &out, const float *importance) {
  PLX_RETURN_IF_ERROR(checkFinite(x, out));
  std::vector<Fit> fits;
  uint8_t *values = out.valuesOf(row);
  for (int64_t first = 0; first < out.depth; first += spanOf(out)) {
    fitSpan(x, importance, row, first, fits, out);
    for (int64_t k = first; k < std::min(out.depth, first + spanOf(out)); ++k)
      values[k] = storedValue(x[k], fits[(k - first) / out.geometry.group], out.form);
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
