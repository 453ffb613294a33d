// Groups are fitted one by one; integers and small floats have a search each.
#include "compiler/pack/Fit.h"

#include "runtime/io/DType.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

namespace plexus::compiler {
namespace {

constexpr float kLargestHalf = 65504.0f;

float roundedToHalf(float value) { return fromHalf(toHalf(value)); }

/// The integers that the values of a form become before they are stored.
struct Range {
  float low, high;
};

Range rangeOf(const PackedForm &form) {
  float levels = static_cast<float>(1 << form.info().bits);
  bool zeros = form.zeros != PackedZeros::None;
  if (form.values == PackedValues::Q8)
    return {zeros ? -128.0f : -127.0f, 127};
  return zeros ? Range{0, levels - 1} : Range{-levels / 2, levels / 2 - 1};
}

/// The least and the largest value that a scale has to reach.
struct Reach {
  float low, high;
  bool isSearched; ///< Scales that reach less may be better.
};

/// Percentiles are interpolated between neighbours of the magnitudes in order.
Reach reachOf(const Group &g, const RangeRule &rule) {
  auto [least, most] = std::minmax_element(g.x, g.x + g.size);
  Reach reach{*least, *most, rule.kind == RangeRule::Mse};
  if (rule.kind != RangeRule::Percentile)
    return reach;
  std::vector<float> sizes(static_cast<size_t>(g.size));
  std::transform(g.x, g.x + g.size, sizes.begin(), [](float x) { return std::abs(x); });
  std::sort(sizes.begin(), sizes.end());
  double place = rule.percentile / 100 * static_cast<double>(g.size - 1);
  auto below = static_cast<size_t>(place);
  float above = sizes[std::min(below + 1, sizes.size() - 1)];
  float limit = sizes[below] +
                static_cast<float>(place - static_cast<double>(below)) * (above - sizes[below]);
  return {std::clamp(reach.low, -limit, limit), std::clamp(reach.high, -limit, limit), false};
}

//===--- Integers -----------------------------------------------------------------------------===//

struct Candidate {
  Fit fit;
  double error = INFINITY;
};

class IntegerSearch {
public:
  IntegerSearch(const Group &group, const PackedForm &form, const Reach &reach)
      : g(group), form(form), range(rangeOf(form)), reach(reach) {}

  Fit run() {
    if (form.zeros == PackedZeros::None)
      return reach.isSearched ? symmetric() : spanned();
    return ranged();
  }

private:
  /// How much shorter than the whole range the searched ranges are, in steps of a level.
  static constexpr std::array<float, 14> kTrims = {0,    -1.6f, -1.2f, -0.9f, -0.6f, -0.4f, -0.2f,
                                                   0.2f, 0.4f,  0.6f,  0.8f,  1.0f,  1.3f,  1.6f};

  float weight(int64_t i) const { return g.importance ? g.importance[i] : 1.0f; }
  float rounded(float value) const {
    return std::clamp(std::nearbyint(value), range.low, range.high);
  }

  double errorOf(const Fit &fit) const {
    float inverse = fit.scale == 0 ? 0 : 1 / fit.scale, error = 0;
    for (int64_t i = 0; i < g.size; ++i) {
      float q = rounded((g.x[i] - fit.addend) * inverse);
      float difference = g.x[i] - (fit.scale * q + fit.addend);
      error += weight(i) * difference * difference;
    }
    return error;
  }

  void consider(const Fit &fit) {
    double error = errorOf(fit);
    if (error < best.error)
      best = {fit, error};
  }

  /// Sums of the least squares problem for the integers that `fit` gives.
  struct Sums {
    double w = 0, q = 0, qq = 0, x = 0, qx = 0;
  };
  Sums sumsOf(const Fit &fit) const {
    float inverse = 1 / fit.scale, w = 0, wq = 0, wqq = 0, wx = 0, wqx = 0;
    for (int64_t i = 0; i < g.size; ++i) {
      float q = rounded((g.x[i] - fit.addend) * inverse), k = weight(i);
      w += k;
      wq += k * q;
      wqq += k * q * q;
      wx += k * g.x[i];
      wqx += k * q * g.x[i];
    }
    return {w, wq, wqq, wx, wqx};
  }

  /// The best scale, with the addend as it is in units of the scale: 0, or a zero point.
  float bestScale(const Fit &fit) const {
    if (fit.scale == 0)
      return 0;
    Sums s = sumsOf(fit);
    double zero = -fit.addend / fit.scale; // an element is scale * (q - zero)
    double square = s.qq - 2 * zero * s.q + zero * zero * s.w;
    return square > 0 ? static_cast<float>((s.qx - zero * s.x) / square) : fit.scale;
  }

  /// The best scale and addend together.
  Fit bestLine(const Fit &fit) const {
    if (fit.scale == 0)
      return fit;
    Sums s = sumsOf(fit);
    double determinant = s.w * s.qq - s.q * s.q;
    if (!(determinant > 1e-9 * s.w * s.qq))
      return fit;
    double scale = (s.w * s.qx - s.q * s.x) / determinant;
    return {static_cast<float>(scale), static_cast<float>((s.x - scale * s.q) / s.w)};
  }

  /// The element of the largest magnitude lies at the end that reaches further.
  Fit symmetric() {
    float extreme = 0;
    for (int64_t i = 0; i < g.size; ++i)
      if (std::abs(g.x[i]) > std::abs(extreme))
        extreme = g.x[i];
    if (extreme == 0)
      return {};
    float reach = -range.low > range.high ? range.low : range.high;
    for (float trim : kTrims) {
      Fit fit{extreme / (reach + (reach < 0 ? trim : -trim)), 0};
      consider({roundedToHalf(fit.scale), 0});
      consider({roundedToHalf(bestScale(fit)), 0});
    }
    return best.fit;
  }

  /// Neither end of the reach is clipped.
  Fit spanned() const {
    bool isTurned = -range.low > range.high && reach.high > -reach.low;
    float low = isTurned ? reach.high : reach.low, high = isTurned ? reach.low : reach.high;
    float scale = std::max(std::abs(low) / -range.low, std::abs(high) / range.high);
    return {roundedToHalf(isTurned ? -scale : scale), 0};
  }

  /// With a zero point (integers) or a minimum: the range of the elements, which with a zero point
  /// has 0 in it, trimmed at both ends.
  Fit ranged() {
    bool point = form.zeros == PackedZeros::Point;
    float low = point ? std::min(reach.low, 0.0f) : reach.low;
    float high = point ? std::max(reach.high, 0.0f) : reach.high;
    if (high == low)
      return {0, point ? 0.0f : roundedToHalf(low)};
    float levels = range.high - range.low;
    for (float trim : kTrims) {
      if (trim != 0 && !reach.isSearched)
        break; // 0 is the first one.
      float scale = (high - low) / (levels + trim);
      float bottom = (high + low) / 2 - scale * levels / 2;
      if (point) {
        float zero = rounded(range.low - bottom / scale);
        float own = reach.isSearched ? bestScale({scale, -scale * zero}) : scale;
        for (float each : {roundedToHalf(scale), roundedToHalf(own)})
          consider({each, -each * zero});
      } else {
        Fit line{scale, bottom - scale * range.low};
        for (Fit each : {line, reach.isSearched ? bestLine(line) : line})
          consider({roundedToHalf(each.scale), roundedToHalf(each.addend)});
      }
    }
    return best.fit;
  }

  const Group &g;
  const PackedForm &form;
  Range range;
  const Reach &reach;
  Candidate best;
};

//===--- Small floats -------------------------------------------------------------------------===//

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
  explicit FloatCodes(PackedValues values) : book(codebook(values)) {
    for (size_t code = 0; code < book.size(); ++code)
      if (std::isfinite(book[code]) && (book[code] != 0 || !std::signbit(book[code])))
        sorted.push_back({book[code], static_cast<uint8_t>(code)});
    std::sort(sorted.begin(), sorted.end());
  }
  float most() const { return sorted.back().first; }
  float valueOf(uint8_t code) const { return book[code]; }
  std::pair<float, uint8_t> nearest(float x) const {
    auto above = std::lower_bound(sorted.begin(), sorted.end(), std::pair(x, uint8_t(0)));
    if (above == sorted.begin())
      return *above;
    if (above == sorted.end())
      return sorted.back();
    return x - (above - 1)->first <= above->first - x ? *(above - 1) : *above;
  }

private:
  std::vector<float> book;
  std::vector<std::pair<float, uint8_t>> sorted;
};

const FloatCodes &codesOf(PackedValues values) {
  static const FloatCodes e4m3(PackedValues::F8E4M3), e5m2(PackedValues::F8E5M2),
      e2m1(PackedValues::F4);
  return values == PackedValues::F8E4M3 ? e4m3 : values == PackedValues::F8E5M2 ? e5m2 : e2m1;
}

/// The largest magnitude at the largest code, or a little beside it.
Fit fitFloats(const Group &g, const FloatCodes &codes, const Reach &reach) {
  float peak = std::max(std::abs(reach.low), std::abs(reach.high));
  if (!reach.isSearched)
    return {roundedToHalf(peak / codes.most()), 0};
  Candidate best;
  for (float trim : {0.0f, -0.075f, -0.05f, -0.025f, 0.025f, 0.05f, 0.075f, 0.1f, 0.125f}) {
    float scale = roundedToHalf(peak / codes.most() * (1 - trim));
    float inverse = scale == 0 ? 0 : 1 / scale;
    double error = 0;
    for (int64_t i = 0; i < g.size; ++i)
      error += (g.importance ? g.importance[i] : 1.0f) *
               std::pow(g.x[i] - scale * codes.nearest(g.x[i] * inverse).first, 2);
    if (error < best.error)
      best = {{scale, 0}, error};
  }
  return best.fit;
}

/// What is subtracted from a stored integer before it is scaled, but for zeros.
int centerOf(const PackedForm &form) {
  return form.zeros == PackedZeros::None ? form.info().center : 0;
}

} // namespace

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

std::optional<RangeRule> RangeRule::parse(std::string_view text) {
  if (text == "mse")
    return RangeRule{};
  if (text == "minmax")
    return RangeRule{MinMax};
  constexpr std::string_view kPercentile = "percentile";
  if (!text.starts_with(kPercentile))
    return std::nullopt;
  RangeRule rule{Percentile};
  text.remove_prefix(kPercentile.size());
  if (text.empty())
    return rule;
  const char *end = text.data() + text.size();
  auto [rest, problem] = std::from_chars(text.data() + 1, end, rule.percentile);
  bool isNumber = text[0] == ':' && problem == std::errc() && rest == end;
  return isNumber && rule.percentile > 50 && rule.percentile <= 100 ? std::optional(rule)
                                                                    : std::nullopt;
}

std::string RangeRule::spelling() const {
  if (kind != Percentile)
    return kind == Mse ? "mse" : "minmax";
  char number[32];
  auto end = std::to_chars(number, number + sizeof number, percentile).ptr;
  return "percentile:" + std::string(number, end);
}

Fit fitGroup(const Group &group, const PackedForm &form, const RangeRule &rule) {
  Reach reach = reachOf(group, rule);
  return form.isInteger() ? IntegerSearch(group, form, reach).run()
                          : fitFloats(group, codesOf(form.values), reach);
}

uint8_t storedValue(float x, const Fit &fit, const PackedForm &form) {
  float inverse = fit.scale == 0 ? 0 : 1 / fit.scale;
  if (!form.isInteger())
    return codesOf(form.values).nearest(x * inverse).second;
  Range range = rangeOf(form);
  float q = std::clamp(std::nearbyint((x - fit.addend) * inverse), range.low, range.high);
  return static_cast<uint8_t>(static_cast<int>(q) + centerOf(form));
}

float restoredValue(uint8_t stored, const Fit &fit, const PackedForm &form) {
  if (!form.isInteger())
    return fit.scale * codesOf(form.values).valueOf(stored);
  int q = form.values == PackedValues::Q8 ? static_cast<int8_t>(stored) : stored - centerOf(form);
  return fit.scale * static_cast<float>(q) + fit.addend;
}

} // namespace plexus::compiler
