// Filters: top-k (Fan et al. 2018), top-p (Holtzman et al. 2020, "nucleus"), min-p (Nguyen et al.
// 2024). Each keeps at least the best token.
#include <plexus/sampler.hpp>

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

namespace {

/// Keeps the entries for which keep(score) holds, in their order.
template <typename Keep>
void filter(plx_candidates &c, Keep keep) {
  int64_t kept = 0;
  for (int64_t i = 0; i < c.count; ++i) {
    if (!keep(c.scores[i]))
      continue;
    c.ids[kept] = c.ids[i];
    c.scores[kept++] = c.scores[i];
  }
  c.count = kept;
}

float largest(const plx_candidates &c) {
  float most = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < c.count; ++i)
    most = c.scores[i] > most ? c.scores[i] : most;
  return most;
}

/// Keeps the k best, and all that are as good as the k-th.
class TopK final : public plexus::Sampler {
public:
  explicit TopK(int64_t k) : Sampler(PLX_STAGE_FILTER), k_(k) {}
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<TopK>(k_); }
  void apply(plx_candidates &c) override {
    if (c.count <= k_)
      return;
    // A heap of the k best with the worst in front: most scores lose against it at once. NaN never
    // wins.
    heap_.assign(static_cast<size_t>(k_), -std::numeric_limits<float>::infinity());
    for (int64_t i = 0; i < c.count; ++i) {
      if (!(c.scores[i] > heap_.front()))
        continue;
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<float>());
      heap_.back() = c.scores[i];
      std::push_heap(heap_.begin(), heap_.end(), std::greater<float>());
    }
    filter(c, [least = heap_.front()](float score) { return score >= least; });
  }

private:
  const int64_t k_;
  std::vector<float> heap_;
};

/// Keeps the smallest set of the best whose probability reaches p.
class TopP final : public plexus::Sampler {
public:
  explicit TopP(double p) : Sampler(PLX_STAGE_FILTER), p_(p) {}
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<TopP>(p_); }
  void apply(plx_candidates &c) override {
    const float most = largest(c);
    if (!(most > -std::numeric_limits<float>::infinity()))
      return;
    weighted_.clear();
    double total = 0;
    for (int64_t i = 0; i < c.count; ++i) {
      const double weight = std::exp(c.scores[i] - most);
      if (!(weight > 0))
        continue;
      weighted_.push_back({c.scores[i], c.ids[i], weight});
      total += weight;
    }
    const auto better = [](const Entry &a, const Entry &b) {
      return a.score > b.score || (a.score == b.score && a.id < b.id);
    };
    // Mostly a few entries hold the mass: sort as many as are needed, twice as many each time.
    size_t sorted = 0, kept = 0;
    double mass = 0;
    while (kept < weighted_.size() && (kept == 0 || mass < p_ * total)) {
      if (kept == sorted) {
        const size_t next = std::min(std::max<size_t>(64, sorted * 2), weighted_.size());
        std::partial_sort(weighted_.begin() + static_cast<std::ptrdiff_t>(sorted),
                          weighted_.begin() + static_cast<std::ptrdiff_t>(next), weighted_.end(),
                          better);
        sorted = next;
      }
      mass += weighted_[kept++].weight;
    }
    for (size_t i = 0; i < kept; ++i) {
      c.ids[i] = weighted_[i].id;
      c.scores[i] = weighted_[i].score;
    }
    c.count = static_cast<int64_t>(kept);
    c.sorted = 1;
  }

private:
  struct Entry {
    float score;
    int32_t id;
    double weight;
  };
  const double p_;
  std::vector<Entry> weighted_;
};

/// Keeps what is at least p times as likely as the best.
class MinP final : public plexus::Sampler {
public:
  explicit MinP(double p) : Sampler(PLX_STAGE_FILTER), p_(p) {}
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<MinP>(p_); }
  void apply(plx_candidates &c) override {
    const auto least = static_cast<float>(largest(c) + std::log(p_));
    filter(c, [least](float score) { return score >= least; });
  }

private:
  const double p_;
};

std::unique_ptr<plexus::Sampler> makeTopK(const plexus::SamplerOptions &options) {
  const double k = options.number("top_k", 0, 0, 1e9);
  if (k != std::floor(k))
    throw plexus::sdk::Error(PLX_INVALID_ARGUMENT, "option 'top_k' must be a whole number");
  return k == 0 ? nullptr : std::make_unique<TopK>(static_cast<int64_t>(k));
}
std::unique_ptr<plexus::Sampler> makeTopP(const plexus::SamplerOptions &options) {
  const double p = options.number("top_p", 1, 0, 1);
  return p >= 1 ? nullptr : std::make_unique<TopP>(p);
}
std::unique_ptr<plexus::Sampler> makeMinP(const plexus::SamplerOptions &options) {
  const double p = options.number("min_p", 0, 0, 1);
  return p == 0 ? nullptr : std::make_unique<MinP>(p);
}

} // namespace

PLX_SAMPLER_PLUGIN("sampler_filters", "1.0.0", R"([
  {"kind": "sampler", "id": "top_k", "options": ["top_k"], "summary": "keeps the k best"},
  {"kind": "sampler", "id": "top_p", "options": ["top_p"],
   "summary": "keeps the best that hold the probability p together"},
  {"kind": "sampler", "id": "min_p", "options": ["min_p"],
   "summary": "keeps what is at least p times as likely as the best"}])",
                   {"top_k", makeTopK}, {"top_p", makeTopP}, {"min_p", makeMinP});
