// The promise of lossless strategies: the ids of plain decoding, whatever is drafted.
#include "tests/unit/engine/EngineTestBase.h"

#include <cmath>

namespace plexus::test {
namespace {

struct Speculation {
  const char *name;
  const char *strategy;
  OptionList options;
  float draftNoise; ///< Below 0: no draft model.
};
void PrintTo(const Speculation &each, std::ostream *out) { *out << each.name; }

class LosslessTest : public EngineTest, public ::testing::WithParamInterface<Speculation> {
protected:
  void SetUp() override {
    if (GetParam().draftNoise >= 0)
      draft = toy({.ownWeight = GetParam().draftNoise, .ownSeed = 99});
  }
  GenerationOptions with(std::vector<int32_t> prompt, const OptionList &sampling) {
    GenerationOptions options = request(std::move(prompt), GetParam().strategy);
    options.options = GetParam().options;
    options.options.insert(options.options.end(), sampling.begin(), sampling.end());
    if (draft)
      options.drafts = {draft};
    return options;
  }
  static int64_t counter(const GenerationResult &result, std::string_view name) {
    for (const auto &[key, value] : result.counters)
      if (key == name)
        return value;
    return -1;
  }
  std::shared_ptr<EngineModel> draft;
};

TEST_P(LosslessTest, GreedyIdsAreThoseOfPlainGreedy) {
  int64_t accepted = 0;
  for (int32_t i = 0; i < 30; ++i) {
    const std::vector<int32_t> prompt = {i, (i * 7) % 32, (i * 13) % 32, 5};
    GenerationOptions options = with(prompt, {});
    options.maxTokens = 1 + i * 3;
    const GenerationResult result = engine->generate(options);
    ASSERT_TRUE(result.status) << result.status.message();
    EXPECT_EQ(result.outputs[0].ids,
              referenceGreedy({}, prompt, static_cast<size_t>(options.maxTokens)));
    accepted += counter(result, "accepted");
  }
  EXPECT_GT(accepted, 100) << "the test would show nothing if no draft were ever accepted";
}

TEST_P(LosslessTest, SampledIdsAreThoseOfPlainSampling) {
  const OptionList sampling = {{"temperature", "0.8"},
                               {"top_k", "12"},
                               {"top_p", "0.95"},
                               {"repetition_penalty", "1.2"},
                               {"frequency_penalty", "0.1"}};
  int64_t accepted = 0;
  for (int32_t i = 0; i < 30; ++i) {
    GenerationOptions plain = request({i, 3, 9}, "sample");
    plain.options = sampling;
    plain.maxTokens = 60;
    plain.seed = static_cast<uint64_t>(i) * 1000003;
    GenerationOptions speculative = with({i, 3, 9}, sampling);
    speculative.maxTokens = plain.maxTokens;
    speculative.seed = plain.seed;
    const GenerationResult want = engine->generate(plain), got = engine->generate(speculative);
    ASSERT_TRUE(want.status) << want.status.message();
    ASSERT_TRUE(got.status) << got.status.message();
    EXPECT_EQ(got.outputs[0].ids, want.outputs[0].ids) << i;
    accepted += counter(got, "accepted");
  }
  EXPECT_GT(accepted, 10); // few where penalties forbid what is looked up
}

TEST_P(LosslessTest, StopsAndFullContextsAreThoseOfPlainGreedy) {
  model = toy({.context = 40});
  if (draft)
    draft = toy({.context = 33, .ownWeight = GetParam().draftNoise, .ownSeed = 99});
  for (int32_t i = 0; i < 16; ++i) {
    GenerationOptions plain = request({i, 1}), speculative = with({i, 1}, {});
    plain.maxTokens = speculative.maxTokens = 100;
    if (i % 2)
      plain.stopTokens = speculative.stopTokens = {i, 31 - i};
    const GenerationResult want = engine->generate(plain), got = engine->generate(speculative);
    ASSERT_TRUE(got.status) << got.status.message();
    EXPECT_EQ(got.outputs[0].ids, want.outputs[0].ids) << i;
    EXPECT_EQ(got.outputs[0].stop, want.outputs[0].stop) << i;
    EXPECT_EQ(got.outputs[0].text, want.outputs[0].text) << i;
  }
}

/// The likelihood of every sequence of `length` ids of a small vocabulary, step by step from the
/// target's processed distributions; the sequence as digits of base `vocabulary`.
std::vector<double> sequenceLikelihoods(PluginHost &host, const ToyOptions &target,
                                        const OptionList &sampling,
                                        const std::vector<int32_t> &prompt, int length) {
  std::vector<double> all = {1};
  std::vector<std::vector<int32_t>> histories = {prompt};
  for (int step = 0; step < length; ++step) {
    std::vector<double> longer;
    std::vector<std::vector<int32_t>> longerHistories;
    for (size_t s = 0; s < all.size(); ++s) {
      const auto next =
          samplingProbabilities(host, sampling, histories[s], toyLogits(target, histories[s]));
      EXPECT_TRUE(next) << next.status().message();
      for (int32_t id = 0; id < target.vocabSize; ++id) {
        longer.push_back(all[s] * (*next)[static_cast<size_t>(id)]);
        longerHistories.push_back(histories[s]);
        longerHistories.back().push_back(id);
      }
    }
    all = std::move(longer);
    histories = std::move(longerHistories);
  }
  return all;
}

/// Pearson's statistic; cells that expect fewer than 5 are counted together.
double chiSquared(std::span<const double> likelihoods, std::span<const int> counts, int draws,
                  int &degrees) {
  double sum = 0, rareExpected = 0;
  int rare = 0;
  degrees = -1;
  const auto add = [&](double expected, int count) {
    sum += (count - expected) * (count - expected) / expected;
    ++degrees;
  };
  for (size_t cell = 0; cell < counts.size(); ++cell) {
    const double expected = likelihoods[cell] * draws;
    if (expected >= 5) {
      add(expected, counts[cell]);
      continue;
    }
    rareExpected += expected;
    rare += counts[cell];
  }
  if (rareExpected >= 5)
    add(rareExpected, rare);
  else
    EXPECT_LE(rare, 25);
  return sum;
}

TEST_P(LosslessTest, SampledSequencesFollowTheTargetsDistribution) {
  const ToyOptions target = {.vocabSize = 4};
  model = toy(target);
  if (draft)
    draft = toy({.vocabSize = 4, .ownWeight = GetParam().draftNoise, .ownSeed = 99});
  const OptionList sampling = {{"temperature", "1.5"}, {"min_p", "0.01"}};
  const std::vector<int32_t> prompt = {1, 2, 3, 0, 1, 2, 3, 0, 1};
  constexpr int draws = 6000, length = 3;
  std::vector<std::shared_ptr<GenerationHandle>> handles;
  for (int i = 0; i < draws; ++i) {
    GenerationOptions each = with(prompt, sampling);
    each.seed = static_cast<uint64_t>(i);
    each.maxTokens = length;
    handles.push_back(engine->start(each));
  }
  std::vector<int> counts(64);
  int64_t accepted = 0;
  for (auto &handle : handles) {
    const GenerationResult result = handle->wait();
    ASSERT_TRUE(result.status) << result.status.message();
    size_t cell = 0;
    for (const int32_t id : result.outputs.at(0).ids)
      cell = 4 * cell + static_cast<size_t>(id);
    ++counts.at(cell);
    accepted += counter(result, "accepted");
  }
  int degrees = 0;
  const auto likelihoods = sequenceLikelihoods(host, target, sampling, prompt, length);
  const double sum = chiSquared(likelihoods, counts, draws, degrees);
  EXPECT_GT(accepted, draws / 10);
  ASSERT_GT(degrees, 20);
  // Mean + 4 standard deviations of a chi-squared variable; the seeds are fixed.
  EXPECT_LT(sum, degrees + 4 * std::sqrt(2.0 * degrees));
}

INSTANTIATE_TEST_SUITE_P(
    Strategies, LosslessTest,
    ::testing::Values(Speculation{"PromptLookup", "prompt_lookup", {}, -1},
                      Speculation{"PromptLookupShort",
                                  "prompt_lookup",
                                  {{"ngram", "1"}, {"draft_tokens", "3"}},
                                  -1},
                      Speculation{"DraftTree", "speculate", {}, 1.0f},
                      Speculation{"DraftChain", "speculate", {{"tree", "1,1,1,1,1"}}, 0.5f},
                      Speculation{"DraftWideOneLevel", "speculate", {{"tree", "6"}}, 2.0f},
                      Speculation{"DraftEqualsTarget", "speculate", {{"tree", "1,1,1"}}, 0.0f}),
    [](const auto &info) { return std::string(info.param.name); });

TEST_F(EngineTest, EveryBundledStrategyThatClaimsToBeLosslessIsTested) {
  const std::vector<std::string> tested = {"greedy", "sample", "prompt_lookup", "speculate"};
  for (const PluginRecord &record : host.list())
    for (const Provision &provision : record.manifest.provides)
      if (provision.kind == "strategy" && provision.lossless)
        EXPECT_NE(std::find(tested.begin(), tested.end(), provision.id), tested.end())
            << provision.id << ": add it above";
}

class SamplingTest : public EngineTest {};

TEST_F(SamplingTest, DrawsFollowTheProcessedDistribution) {
  const OptionList sampling = {{"temperature", "0.9"}, {"min_p", "0.02"}};
  const std::vector<int32_t> prompt = {4, 9, 4};
  constexpr int draws = 4000;
  std::vector<std::shared_ptr<GenerationHandle>> handles;
  for (int i = 0; i < draws; ++i) {
    GenerationOptions each = request(prompt, "sample");
    each.options = sampling;
    each.seed = static_cast<uint64_t>(i);
    each.maxTokens = 1;
    handles.push_back(engine->start(each));
  }
  std::vector<int> counts(32);
  for (auto &handle : handles)
    ++counts[static_cast<size_t>(handle->wait().outputs.at(0).ids.at(0))];
  int degrees = 0;
  const auto likelihoods = sequenceLikelihoods(host, {}, sampling, prompt, 1);
  const double sum = chiSquared(likelihoods, counts, draws, degrees);
  ASSERT_GT(degrees, 5);
  EXPECT_LT(sum, degrees + 4 * std::sqrt(2.0 * degrees));
}

TEST_F(SamplingTest, TheSameSeedGivesTheSameIdsAndAnotherSeedOthers) {
  GenerationOptions options = request({7, 7}, "sample");
  options.seed = 5;
  const auto first = engine->generate(options).outputs[0].ids;
  EXPECT_EQ(engine->generate(options).outputs[0].ids, first);
  options.seed = 6;
  EXPECT_NE(engine->generate(options).outputs[0].ids, first);
}

TEST_F(SamplingTest, TemperatureZeroIsGreedyAndATemperatureAloneSamples) {
  GenerationOptions options = request({7, 7}, "sample");
  options.options = {{"temperature", "0"}};
  EXPECT_EQ(engine->generate(options).outputs[0].ids, referenceGreedy({}, {7, 7}, 24));
  options.strategy = "";
  EXPECT_EQ(engine->generate(options).outputs[0].ids, referenceGreedy({}, {7, 7}, 24));
  options.options = {{"temperature", "2"}};
  EXPECT_NE(engine->generate(options).outputs[0].ids, referenceGreedy({}, {7, 7}, 24));
}

TEST_F(SamplingTest, RepetitionPenaltyActsOnGreedyToo) {
  GenerationOptions options = request({7, 7});
  options.options = {{"repetition_penalty", "100"}};
  auto ids = engine->generate(options).outputs[0].ids;
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end()) << "24 of 32 ids, none twice";
}

} // namespace
} // namespace plexus::test
