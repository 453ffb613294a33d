// Temperature: scores / T. 0 leaves the best token alone, which is greedy decoding.
#include <plexus/sampler.hpp>

#include <algorithm>

namespace {

class Temperature final : public plexus::Sampler {
public:
  explicit Temperature(float value) : Sampler(PLX_STAGE_SCALE), value_(value) {}
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Temperature>(value_); }

  void apply(plx_candidates &c) override {
    if (value_ > 0) {
      for (int64_t i = 0; i < c.count; ++i)
        c.scores[i] /= value_;
      return;
    }
    int64_t best = 0;
    for (int64_t i = 1; i < c.count; ++i)
      if (c.scores[i] > c.scores[best] ||
          (c.scores[i] == c.scores[best] && c.ids[i] < c.ids[best]) || std::isnan(c.scores[best]))
        best = i;
    if (c.count == 0)
      return;
    c.ids[0] = c.ids[best];
    c.scores[0] = c.scores[best];
    c.count = 1;
    c.sorted = 1;
  }

private:
  const float value_;
};

std::unique_ptr<plexus::Sampler> make(const plexus::SamplerOptions &options) {
  const auto value = static_cast<float>(options.number("temperature", 1, 0, 1e6));
  return value == 1 ? nullptr : std::make_unique<Temperature>(value);
}

} // namespace

PLX_SAMPLER_PLUGIN("sampler_temperature", "1.0.0",
                   R"([{"kind": "sampler", "id": "temperature", "options": ["temperature"],
                        "summary": "divides scores by the temperature"}])",
                   {"temperature", make});
