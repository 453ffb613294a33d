// Ranges are found in the histogram alone, so that samples are read once, whatever the rule.
#include "compiler/calibrate/Ranges.h"

#include "compiler/pack/Recipe.h"
#include "passes/quantize/RangeNames.h"

#include <algorithm>
#include <cmath>

namespace plexus::compiler {
namespace {

constexpr double kMostByte = 127;

/// The grid that spans [low, high], which has 0 in it.
ByteRange spanning(double low, double high, bool isSymmetric) {
  ByteRange range;
  if (isSymmetric) {
    range.scale = static_cast<float>(std::max(-low, high) / kMostByte);
  } else {
    range.scale = static_cast<float>((high - low) / (2 * kMostByte));
    if (range.scale > 0)
      range.zero = static_cast<float>(std::nearbyint(-kMostByte - low / double(range.scale)));
  }
  return range.scale > 0 ? range : ByteRange{};
}

} // namespace

void Histogram::add(const float *x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(x[i]))
      continue;
    least_ = std::min(least_, x[i]);
    most_ = std::max(most_, x[i]);
    while (std::abs(x[i]) >= limit_)
      grow();
    auto bin = static_cast<int64_t>((x[i] / limit_ + 1) * (kBins / 2));
    ++bins_[std::clamp<int64_t>(bin, 0, kBins - 1)];
    ++total_;
  }
}

/// Twice the range: pairs of bins become one, nearer to the middle.
void Histogram::grow() {
  std::vector<uint64_t> wider(kBins, 0);
  for (int64_t bin = 0; bin < kBins; ++bin)
    wider[kBins / 4 + bin / 2] += bins_[bin];
  bins_ = std::move(wider);
  limit_ *= 2;
}

void Histogram::add(const Histogram &other) {
  Histogram same = other;
  while (same.limit_ < limit_)
    same.grow();
  while (limit_ < same.limit_)
    grow();
  for (int64_t bin = 0; bin < kBins; ++bin)
    bins_[bin] += same.bins_[bin];
  least_ = std::min(least_, other.least_);
  most_ = std::max(most_, other.most_);
  total_ += other.total_;
}

double Histogram::squareError(const ByteRange &range) const {
  double sum = 0, scale = range.scale, zero = range.zero;
  for (int64_t bin = 0; bin < kBins; ++bin) {
    if (!bins_[bin])
      continue;
    double x = centerOf(bin);
    double q = std::clamp(std::nearbyint(x / scale) + zero, -kMostByte, kMostByte);
    double difference = x - scale * (q - zero);
    sum += static_cast<double>(bins_[bin]) * difference * difference;
  }
  return sum;
}

double Histogram::relativeError(const ByteRange &range) const {
  double norm = 0;
  for (int64_t bin = 0; bin < kBins; ++bin)
    norm += static_cast<double>(bins_[bin]) * centerOf(bin) * centerOf(bin);
  return norm > 0 ? squareError(range) / norm : 0;
}

/// The magnitude that `percent` of the values do not exceed, to within a bin.
float Histogram::percentile(double percent) const {
  double wanted = percent / 100 * static_cast<double>(total_);
  uint64_t inside = 0;
  for (int64_t half = 0; half < kBins / 2; ++half) {
    inside += bins_[kBins / 2 + half] + bins_[kBins / 2 - 1 - half];
    if (static_cast<double>(inside) >= wanted)
      return static_cast<float>(half + 1) * (2 * limit_ / kBins);
  }
  return limit_;
}

ByteRange Histogram::fit(const RangeRule &rule, bool isSymmetric) const {
  double low = std::min(least_, 0.0f), high = std::max(most_, 0.0f);
  if (rule.kind == RangeRule::Percentile) {
    double reach = percentile(rule.percentile);
    return spanning(std::max(low, -reach), std::min(high, reach), isSymmetric);
  }
  ByteRange best = spanning(low, high, isSymmetric);
  if (rule.kind == RangeRule::MinMax || isEmpty())
    return best;
  constexpr int kSteps = 64; // of shorter and shorter ranges
  double least = squareError(best), reach = std::max(-low, high);
  for (int step = 1; step < kSteps; ++step) {
    double limit = reach * (kSteps - step) / kSteps;
    ByteRange range = spanning(std::max(low, -limit), std::min(high, limit), isSymmetric);
    double error = squareError(range);
    if (error < least) {
      least = error;
      best = range;
    }
  }
  return best;
}

RangeTensors::RangeTensors(const std::map<std::pair<std::string, int>, Histogram> &seen,
                           const RangeRule &rule) {
  std::map<std::string, Histogram> all;
  for (const auto &[key, histogram] : seen) {
    add(key.first, std::to_string(key.second), histogram, rule);
    all[key.first].add(histogram);
  }
  for (const auto &[weight, histogram] : all)
    add(weight, "", histogram, rule);
  for (const auto &[name, range] : ranges_) {
    TensorView &view = views_[name];
    view.shape = {2};
    view.bytes = reinterpret_cast<const uint8_t *>(&range);
    view.size = sizeof range;
    names_.push_back(name);
  }
}

void RangeTensors::add(const std::string &weight, const std::string &layer,
                       const Histogram &histogram, const RangeRule &rule) {
  static_assert(sizeof(ByteRange) == 2 * sizeof(float));
  // The weight's own name may have the hole too.
  for (bool isSymmetric : {true, false}) {
    std::string name = rangeName(weight, isSymmetric, layer.empty() ? "" : "{layer}");
    ranges_[layer.empty() ? name : nameOfLayer(name, std::stoi(layer))] =
        histogram.fit(rule, isSymmetric);
  }
}

const TensorView *RangeTensors::find(std::string_view name) const {
  auto found = views_.find(name);
  return found == views_.end() ? nullptr : &found->second;
}

} // namespace plexus::compiler
