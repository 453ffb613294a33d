// What shares a scale is a vector of 32: a channel of keys over the page's tokens, or 32 neighbours
// of one token's values. A head's vectors are collected, the outliers chosen among all of them, and
// then each is rounded with what range its outlier leaves.
#include "runtime/state/KvSeal.h"

#include "runtime/io/DType.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

namespace plexus {
namespace {

constexpr int64_t kVector = KvSealedLayout::kGroup, kTokens = PLX_PAGE_TOKENS;
constexpr float kLevels = 15;
static_assert(kVector == kTokens);

float widen(uint16_t half) {
  const uint32_t bits = uint32_t(half) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

uint16_t toBf16(float value) {
  uint16_t half;
  fromF32(DType::BF16, &value, 1, &half);
  return half;
}

/// `value` as f16, written to `to` and read again.
float storeHalf(float value, uint8_t *to) {
  fromF32(DType::F16, &value, 1, to);
  float back;
  toF32(DType::F16, to, 1, &back);
  return back;
}

float loadHalf(const uint8_t *from) {
  float value;
  toF32(DType::F16, from, 1, &value);
  return value;
}

/// One vector: its range, and what it would be without the entry that stretches it.
struct Range {
  float low, high;     ///< of all entries
  float within, below; ///< the range without the outlier
  int32_t outlier;     ///< its number among the 32
  bool kept = false;

  /// Never NaN, which has no place in an order: entries that are no numbers gain nothing.
  float gain() const {
    const float all = high - low, rest = below - within, gained = all * all - rest * rest;
    return gained > 0 ? gained : 0;
  }
  void keep() { low = within, high = below, kept = true; }
};

/// The two least and the two largest of 32 numbers, in lanes first, as compilers like it.
Range measure(const float *x) {
  constexpr int kLanes = 8;
  float low[kLanes], second[kLanes], high[kLanes], runner[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    low[i] = high[i] = x[i];
    second[i] = INFINITY, runner[i] = -INFINITY;
  }
  for (int64_t j = kLanes; j < kVector; j += kLanes)
    for (int i = 0; i < kLanes; ++i) {
      const float value = x[j + i];
      second[i] = std::min(second[i], std::max(low[i], value));
      low[i] = std::min(low[i], value);
      runner[i] = std::max(runner[i], std::min(high[i], value));
      high[i] = std::max(high[i], value);
    }
  for (int i = 1; i < kLanes; ++i) {
    second[0] = std::min(std::min(second[0], second[i]), std::max(low[0], low[i]));
    low[0] = std::min(low[0], low[i]);
    runner[0] = std::max(std::max(runner[0], runner[i]), std::min(high[0], high[i]));
    high[0] = std::max(high[0], high[i]);
  }
  const bool top = high[0] - runner[0] >= second[0] - low[0];
  Range range{low[0], high[0], top ? low[0] : second[0], top ? runner[0] : high[0], 0};
  const float extreme = top ? high[0] : low[0];
  while (range.outlier < kVector - 1 && x[range.outlier] != extreme)
    ++range.outlier;
  return range;
}

/// The vectors of a head's keys or values under way. Kept by each thread, as pages are sealed in a
/// run that takes nothing from the heap.
struct Head {
  static constexpr int64_t kMost = KvSealedLayout::kMostDim; ///< vectors
  float x[kMost][kVector];
  Range ranges[kMost];
  int32_t order[kMost];
};

Head &headOfThread() {
  thread_local std::unique_ptr<Head> head(new Head);
  return *head;
}

/// Writes the outliers, whose places are `place(vector, number)`, and narrows their ranges.
template <typename Place>
void chooseOutliers(Head &head, int64_t vectors, int64_t number, Place place, uint8_t *list) {
  for (int64_t v = 0; v < vectors; ++v)
    head.order[v] = static_cast<int32_t>(v);
  std::nth_element(head.order, head.order + number - 1, head.order + vectors,
                   [&](int32_t a, int32_t b) {
                     const float x = head.ranges[a].gain(), y = head.ranges[b].gain();
                     return x > y || (x == y && a < b);
                   });
  std::sort(head.order, head.order + number);
  for (int64_t i = 0; i < number; ++i) {
    const int32_t v = head.order[i];
    Range &range = head.ranges[v];
    const uint16_t pair[2] = {static_cast<uint16_t>(place(v, range.outlier)),
                              toBf16(head.x[v][range.outlier])};
    std::memcpy(list + i * KvSealedLayout::kOutlierBytes, pair, sizeof(pair));
    range.keep();
  }
}

/// The scale of a range in units, a byte; at least one, so that it can be divided by.
uint8_t scaleOf(float range, float unit) {
  const float scaled = unit > 0 ? range / (kLevels * unit) : 0;
  return static_cast<uint8_t>(std::clamp(std::nearbyint(scaled > 0 ? scaled : 0.0f), 1.0f, 255.0f));
}

void writeCodes(const float *x, float low, float scale, uint8_t *codes) {
  const float inverse = scale > 0 ? 1 / scale : 0;
  uint8_t q[kVector];
  for (int64_t i = 0; i < kVector; ++i) {
    float value = (x[i] - low) * inverse;
    value = value > 0 ? value : 0; // NaN too
    q[i] = static_cast<uint8_t>((value < kLevels ? value : kLevels) + 0.5f);
  }
  for (int64_t i = 0; i < kVector / 2; ++i)
    codes[i] = static_cast<uint8_t>(q[i] | q[kVector / 2 + i] << 4);
}

float unitOfScales(const Head &head, int64_t vectors, uint8_t *to) {
  float most = 0;
  for (int64_t v = 0; v < vectors; ++v)
    most = std::max(most, head.ranges[v].high - head.ranges[v].low);
  return storeHalf(most / (kLevels * 255), to);
}

//===--- Keys ---===//

void sealKeys(const KvSealedLayout &layout, Head &head, const uint16_t *open, uint8_t *out) {
  const int64_t dim = layout.keyDim;
  for (int64_t d = 0; d < dim; ++d) {
    const uint16_t *words = open + d / 2 * kTokens * 2 + d % 2;
    for (int64_t t = 0; t < kTokens; ++t)
      head.x[d][t] = widen(words[t * 2]);
    head.ranges[d] = measure(head.x[d]);
  }
  chooseOutliers(
      head, dim, layout.keyOutliers(), [](int64_t d, int64_t t) { return d * kTokens + t; },
      out + layout.keyOutlierList());
  const float unit = unitOfScales(head, dim, out + layout.keyUnit());
  for (int64_t d = 0; d < dim; ++d) {
    const Range &range = head.ranges[d];
    const float low = storeHalf(range.low, out + layout.keyMinima() + d * 2);
    const uint8_t scale = scaleOf(range.high - range.low, unit);
    out[layout.keyScales() + d] = scale;
    writeCodes(head.x[d], low, scale * unit, out + d * KvSealedLayout::kCodeBytes);
  }
  if (dim % 2)
    out[layout.keyScales() + dim] = 0;
}

void unsealKeys(const KvSealedLayout &layout, const uint8_t *in, uint16_t *open) {
  const int64_t dim = layout.keyDim;
  const float unit = loadHalf(in + layout.keyUnit());
  auto place = [](int64_t d, int64_t t) { return (d / 2 * kTokens + t) * 2 + d % 2; };
  for (int64_t d = 0; d < dim; ++d) {
    const float low = loadHalf(in + layout.keyMinima() + d * 2);
    const float scale = in[layout.keyScales() + d] * unit;
    for (int64_t t = 0; t < kTokens; ++t) {
      const uint8_t byte = in[d * KvSealedLayout::kCodeBytes + t % 16];
      open[place(d, t)] = toBf16(low + scale * static_cast<float>(t < 16 ? byte & 15 : byte >> 4));
    }
  }
  for (int64_t i = 0; i < layout.keyOutliers(); ++i) {
    uint16_t pair[2];
    std::memcpy(pair, in + layout.keyOutlierList() + i * KvSealedLayout::kOutlierBytes, 4);
    open[place(pair[0] / kTokens, pair[0] % kTokens)] = pair[1];
  }
}

//===--- Values ---===//

/// Entry `d` of token `t` among pairs of tokens, rows of `padded` entries.
int64_t valueEntry(int64_t t, int64_t d, int64_t padded) {
  return (t / 2 * padded + d) * 2 + t % 2;
}

void collectValues(const KvSealedLayout &layout, Head &head, const uint16_t *open, int64_t padded) {
  for (int64_t v = 0; v < layout.valueVectors(); ++v) {
    const int64_t t = v / layout.groups(), first = v % layout.groups() * kVector;
    const int64_t count = std::min(kVector, layout.valueDim - first);
    for (int64_t i = 0; i < count; ++i)
      head.x[v][i] = widen(open[valueEntry(t, first + i, padded)]);
    // Padding repeats the last entry, which changes no range.
    std::fill(head.x[v] + count, head.x[v] + kVector, head.x[v][count - 1]);
    head.ranges[v] = measure(head.x[v]);
  }
}

void sealValues(const KvSealedLayout &layout, Head &head, const uint16_t *open, int64_t padded,
                uint8_t *out) {
  const int64_t vectors = layout.valueVectors(), groups = layout.groups();
  collectValues(layout, head, open, padded);
  chooseOutliers(
      head, vectors, layout.valueOutliers(),
      [&](int64_t v, int64_t i) {
        return v / groups * layout.paddedValueDim() + v % groups * kVector + i;
      },
      out + layout.valueOutlierList());
  float most = 0;
  for (int64_t v = 0; v < vectors; ++v)
    most = std::max(most, std::abs(head.ranges[v].low));
  const float lowUnit = storeHalf(most / 127, out + layout.valueUnits() + 2);
  // A minimum is moved by its rounding: the range above it with it.
  for (int64_t v = 0; v < vectors; ++v) {
    Range &range = head.ranges[v];
    const float steps = lowUnit > 0 ? range.low / lowUnit : 0;
    const float whole = std::clamp(std::nearbyint(steps == steps ? steps : 0.0f), -127.0f, 127.0f);
    out[layout.valueMinima() + v] = static_cast<uint8_t>(static_cast<int8_t>(whole));
    range.low = whole * lowUnit;
  }
  const float unit = unitOfScales(head, vectors, out + layout.valueUnits());
  for (int64_t v = 0; v < vectors; ++v) {
    const Range &range = head.ranges[v];
    const uint8_t scale = scaleOf(range.high - range.low, unit);
    out[layout.valueScales() + v] = scale;
    writeCodes(head.x[v], range.low, scale * unit, out + v * KvSealedLayout::kCodeBytes);
  }
}

void unsealValues(const KvSealedLayout &layout, const uint8_t *in, uint16_t *open, int64_t padded) {
  const float unit = loadHalf(in + layout.valueUnits());
  const float lowUnit = loadHalf(in + layout.valueUnits() + 2);
  for (int64_t v = 0; v < layout.valueVectors(); ++v) {
    const int64_t t = v / layout.groups(), first = v % layout.groups() * kVector;
    const float low = static_cast<int8_t>(in[layout.valueMinima() + v]) * lowUnit;
    const float scale = in[layout.valueScales() + v] * unit;
    for (int64_t i = 0; i < std::min(kVector, layout.valueDim - first); ++i) {
      const uint8_t byte = in[v * KvSealedLayout::kCodeBytes + i % 16];
      open[valueEntry(t, first + i, padded)] =
          toBf16(low + scale * static_cast<float>(i < 16 ? byte & 15 : byte >> 4));
    }
  }
  for (int64_t i = 0; i < layout.valueOutliers(); ++i) {
    uint16_t pair[2];
    std::memcpy(pair, in + layout.valueOutlierList() + i * KvSealedLayout::kOutlierBytes, 4);
    const int64_t d = pair[0] % layout.paddedValueDim();
    if (d < layout.valueDim) // Padding may be as far out as what it repeats.
      open[valueEntry(pair[0] / layout.paddedValueDim(), d, padded)] = pair[1];
  }
}

KvPartLayout openKeys(const KvSealedLayout &l) { return {KvForm::BF16, l.heads, l.keyDim}; }
KvPartLayout openValues(const KvSealedLayout &l) { return {KvForm::BF16, l.heads, l.valueDim}; }

} // namespace

void sealLayer(const KvSealedLayout &layout, const uint8_t *open, uint8_t *sealed) {
  const KvPartLayout keys = openKeys(layout), values = openValues(layout);
  const auto *halves = reinterpret_cast<const uint16_t *>(open);
  Head &head = headOfThread();
  for (int64_t h = 0; h < layout.heads; ++h) {
    sealKeys(layout, head, halves + h * keys.paddedDim() * kTokens, sealed + layout.keyPlace(h));
    sealValues(layout, head,
               halves + (keys.heads * keys.paddedDim() + h * values.paddedDim()) * kTokens,
               values.paddedDim(), sealed + layout.valuePlace(h));
  }
}

void unsealLayer(const KvSealedLayout &layout, const uint8_t *sealed, uint8_t *open) {
  const KvPartLayout keys = openKeys(layout), values = openValues(layout);
  auto *halves = reinterpret_cast<uint16_t *>(open);
  for (int64_t h = 0; h < layout.heads; ++h) {
    unsealKeys(layout, sealed + layout.keyPlace(h), halves + h * keys.paddedDim() * kTokens);
    unsealValues(layout, sealed + layout.valuePlace(h),
                 halves + (keys.heads * keys.paddedDim() + h * values.paddedDim()) * kTokens,
                 values.paddedDim());
  }
}

} // namespace plexus
