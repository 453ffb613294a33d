// Penalties on tokens that occurred: repetition (Keskar et al. 2019, "CTRL", equation 3, over
// prompt and output), presence and frequency (over the output alone).
#include <plexus/sampler.hpp>

#include <unordered_map>
#include <vector>

namespace {

/// How often each id occurred, with the way back.
class History {
public:
  explicit History(bool withPrompt) : counting_(withPrompt) {}

  void accept(std::span<const int32_t> ids) {
    // The first ids are the prompt.
    if (counting_)
      for (const int32_t id : ids) {
        ids_.push_back(id);
        ++counts_[id];
      }
    counting_ = true;
  }
  void rollback(size_t count) {
    if (count > ids_.size())
      throw plexus::sdk::Error(PLX_INVALID_ARGUMENT, "rollback goes behind the beginning");
    for (; count > 0; --count) {
      const auto found = counts_.find(ids_.back());
      if (--found->second == 0)
        counts_.erase(found);
      ids_.pop_back();
    }
  }
  const std::unordered_map<int32_t, int64_t> &counts() const { return counts_; }

private:
  bool counting_;
  std::vector<int32_t> ids_;
  std::unordered_map<int32_t, int64_t> counts_;
};

/// A penalty is a formula on the score of an id and how often it occurred.
template <float (*Formula)(float score, int64_t count, float amount)>
class Penalty final : public plexus::Sampler {
public:
  Penalty(float amount, bool withPrompt)
      : Sampler(PLX_STAGE_PENALTY), amount_(amount), history_(withPrompt) {}
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Penalty>(*this); }
  bool remembers() const override { return true; }
  void accept(std::span<const int32_t> ids) override { history_.accept(ids); }
  void rollback(size_t count) override { history_.rollback(count); }
  void apply(plx_candidates &c) override {
    for (const auto &[id, count] : history_.counts())
      if (id >= 0 && id < c.count) // in this stage, ids[i] == i
        c.scores[id] = Formula(c.scores[id], count, amount_);
  }

private:
  const float amount_;
  History history_;
};

float repetition(float score, int64_t, float amount) {
  return score < 0 ? score * amount : score / amount;
}
float presence(float score, int64_t, float amount) { return score - amount; }
float frequency(float score, int64_t count, float amount) {
  return score - amount * static_cast<float>(count);
}

std::unique_ptr<plexus::Sampler> makeRepetition(const plexus::SamplerOptions &options) {
  const auto amount = static_cast<float>(options.number("repetition_penalty", 1, 1e-6, 1e6));
  if (amount == 1)
    return nullptr;
  return std::make_unique<Penalty<repetition>>(amount, true);
}
std::unique_ptr<plexus::Sampler> makePresence(const plexus::SamplerOptions &options) {
  const auto amount = static_cast<float>(options.number("presence_penalty", 0, -1e6, 1e6));
  if (amount == 0)
    return nullptr;
  return std::make_unique<Penalty<presence>>(amount, false);
}
std::unique_ptr<plexus::Sampler> makeFrequency(const plexus::SamplerOptions &options) {
  const auto amount = static_cast<float>(options.number("frequency_penalty", 0, -1e6, 1e6));
  if (amount == 0)
    return nullptr;
  return std::make_unique<Penalty<frequency>>(amount, false);
}

} // namespace

PLX_SAMPLER_PLUGIN("sampler_penalties", "1.0.0", R"([
  {"kind": "sampler", "id": "repetition_penalty", "options": ["repetition_penalty"],
   "summary": "divides positive and multiplies negative scores of ids in prompt and output"},
  {"kind": "sampler", "id": "presence_penalty", "options": ["presence_penalty"],
   "summary": "subtracts from the scores of ids in the output"},
  {"kind": "sampler", "id": "frequency_penalty", "options": ["frequency_penalty"],
   "summary": "subtracts for each time that an id is in the output"}])",
                   {"repetition_penalty", makeRepetition}, {"presence_penalty", makePresence},
                   {"frequency_penalty", makeFrequency});
