#include "runtime/engine/Distribution.h"

#include "runtime/engine/Philox.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace plexus {
namespace {

constexpr float lowest = -std::numeric_limits<float>::infinity();

/// Walks two distributions by ascending id: visit(id, probability in a, probability in b).
template <typename Visit>
void zip(const Distribution &a, const Distribution &b, Visit visit) {
  size_t i = 0, j = 0;
  while (i < a.ids.size() || j < b.ids.size()) {
    const bool takeA = j == b.ids.size() || (i < a.ids.size() && a.ids[i] <= b.ids[j]);
    const bool takeB = i == a.ids.size() || (j < b.ids.size() && b.ids[j] <= a.ids[i]);
    visit(takeA ? a.ids[i] : b.ids[j], takeA ? a.probs[i] : 0.f, takeB ? b.probs[j] : 0.f);
    i += takeA;
    j += takeB;
  }
}

/// The best few entries seen so far, best first: a small sorted array, as few are ever asked for.
template <typename Key>
class Best {
public:
  /// `worst` is a key that every entry beats.
  Best(std::span<int32_t> ids, Key worst) : ids_(ids), worst_(worst) {
    std::fill(ids.begin(), ids.end(), -1);
    if (ids.size() > 1)
      keys_.assign(ids.size(), worst);
  }
  /// What a new entry must beat.
  Key bar() const { return ids_.size() == 1 ? worst_ : keys_.back(); }
  template <typename Better>
  void insert(int32_t id, Key key, Better better) {
    if (ids_.size() == 1) {
      ids_[0] = id;
      worst_ = key;
      return;
    }
    size_t at = ids_.size() - 1;
    for (; at > 0 && better(key, keys_[at - 1]); --at) {
      keys_[at] = keys_[at - 1];
      ids_[at] = ids_[at - 1];
    }
    keys_[at] = key;
    ids_[at] = id;
  }

private:
  std::span<int32_t> ids_;
  Key worst_;
  std::vector<Key> keys_;
};

int32_t argmaxDense(std::span<const float> scores) {
  // Lanes that do not depend on each other, so that the compiler keeps them in vector registers;
  // then the first place where the maximum is.
  constexpr size_t width = 32;
  float lanes[width];
  std::fill_n(lanes, width, lowest);
  size_t i = 0;
  for (; i + width <= scores.size(); i += width)
    for (size_t lane = 0; lane < width; ++lane)
      lanes[lane] = scores[i + lane] > lanes[lane] ? scores[i + lane] : lanes[lane];
  for (; i < scores.size(); ++i)
    lanes[0] = scores[i] > lanes[0] ? scores[i] : lanes[0];
  const float best = *std::max_element(lanes, lanes + width);
  const auto at = best > lowest ? std::find(scores.begin(), scores.end(), best) : scores.end();
  return at == scores.end() ? -1 : static_cast<int32_t>(at - scores.begin());
}

} // namespace

double Distribution::prob(int32_t id) const {
  const auto at = std::lower_bound(ids.begin(), ids.end(), id);
  return at != ids.end() && *at == id ? probs[static_cast<size_t>(at - ids.begin())] : 0.0;
}

bool Distribution::assignSoftmax(std::span<const int32_t> from, std::span<const float> scores) {
  float most = lowest;
  for (float score : scores)
    most = score > most ? score : most;
  ids.clear();
  probs.clear();
  if (!(most > lowest))
    return false;
  // +infinity: certainty, shared by all that have it.
  const bool certain = most == std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < scores.size(); ++i) {
    const float weight = certain ? static_cast<float>(scores[i] == most)
                                 : (scores[i] > lowest ? std::exp(scores[i] - most) : 0.f);
    if (weight > 0) {
      ids.push_back(from[i]);
      probs.push_back(weight);
    }
  }
  if (!std::is_sorted(ids.begin(), ids.end())) {
    std::vector<std::pair<int32_t, float>> both(ids.size());
    for (size_t i = 0; i < ids.size(); ++i)
      both[i] = {ids[i], probs[i]};
    std::sort(both.begin(), both.end());
    for (size_t i = 0; i < ids.size(); ++i) {
      ids[i] = both[i].first;
      probs[i] = both[i].second;
    }
  }
  normalise();
  return true;
}

void Distribution::assignMix(const Distribution &a, const Distribution &b, double weight) {
  Distribution mixed;
  zip(a, b, [&](int32_t id, float p, float q) {
    mixed.ids.push_back(id);
    mixed.probs.push_back(static_cast<float>(weight * p + (1 - weight) * q));
  });
  *this = std::move(mixed);
}

void Distribution::assignResidual(const Distribution &target, const Distribution &draft) {
  Distribution rest;
  zip(target, draft, [&](int32_t id, float p, float q) {
    if (p > q) {
      rest.ids.push_back(id);
      rest.probs.push_back(p - q);
    }
  });
  if (rest.ids.empty())
    rest = target;
  rest.normalise();
  *this = std::move(rest);
}

void Distribution::normalise() {
  const double sum = std::accumulate(probs.begin(), probs.end(), 0.0);
  const auto factor = static_cast<float>(1 / sum);
  for (float &p : probs)
    p *= factor;
}

void race(std::span<const int32_t> ids, std::span<const float> weights, const NoisePlace &place,
          std::span<int32_t> winners) {
  if (winners.empty())
    return;
  const double never = std::numeric_limits<double>::infinity();
  Best<double> best(winners, never);
  uint32_t blockIndex = ~0u;
  PhiloxBlock block = {};
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] > 0))
      continue;
    const auto id = static_cast<uint32_t>(ids.empty() ? static_cast<int32_t>(i) : ids[i]);
    if (id >> 2 != blockIndex) {
      blockIndex = id >> 2;
      block = philox(place.seed, {place.output, place.position, place.lane, blockIndex});
    }
    const double u = openUnit(block[id & 3]);
    // -log(u) >= 1 - u: most entries lose without a logarithm.
    if (1 - u >= weights[i] * best.bar())
      continue;
    const double arrival = -std::log(u) / weights[i];
    if (arrival < best.bar())
      best.insert(static_cast<int32_t>(id), arrival, std::less<double>());
  }
}

void largest(std::span<const int32_t> ids, std::span<const float> scores,
             std::span<int32_t> winners) {
  if (winners.empty())
    return;
  if (ids.empty() && winners.size() == 1) {
    winners[0] = argmaxDense(scores);
    return;
  }
  using Key = std::pair<float, int32_t>;
  const auto better = [](const Key &a, const Key &b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  };
  Best<Key> best(winners, {lowest, -1});
  for (size_t i = 0; i < scores.size(); ++i) {
    const Key key(scores[i], ids.empty() ? static_cast<int32_t>(i) : ids[i]);
    if (key.first > lowest && better(key, best.bar()))
      best.insert(key.second, key, better);
  }
}

} // namespace plexus
