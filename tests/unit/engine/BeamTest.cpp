#include "tests/unit/engine/EngineTestBase.h"

#include <cmath>

namespace plexus::test {
namespace {

class BeamTest : public EngineTest {
protected:
  static constexpr int64_t vocabulary = 6;
  const ToyOptions small = {.vocabSize = vocabulary, .historyWeight = 1.5f};
  void SetUp() override { model = toy(small); }

  double logProb(std::vector<int32_t> history, std::span<const int32_t> ids) const {
    double sum = 0;
    for (const int32_t id : ids) {
      const auto logits = toyLogits(small, history);
      double total = 0;
      for (const float logit : logits)
        total += std::exp(static_cast<double>(logit));
      sum += logits[static_cast<size_t>(id)] - std::log(total);
      history.push_back(id);
    }
    return sum;
  }
  GenerationOptions beams(int count, int64_t maxTokens, OptionList more = {}) {
    GenerationOptions options = request({2, 4}, "beam");
    options.maxTokens = maxTokens;
    options.options = std::move(more);
    options.options.push_back({"num_beams", std::to_string(count)});
    return options;
  }
};

TEST_F(BeamTest, ScoresAreSumsOfLogProbabilitiesOverLengthToThePenalty) {
  GenerationOptions options = beams(4, 12, {{"length_penalty", "0.7"}});
  options.stopTokens = {5};
  const GenerationResult result = engine->generate(options);
  ASSERT_TRUE(result.status) << result.status.message();
  ASSERT_EQ(result.outputs.size(), 4u);
  double previous = 1e9;
  for (const GenerationOutput &output : result.outputs) {
    ASSERT_TRUE(output.hasScore);
    EXPECT_NEAR(output.score,
                logProb({2, 4}, output.ids) / std::pow(static_cast<double>(output.ids.size()), 0.7),
                1e-5);
    EXPECT_LE(output.score, previous);
    EXPECT_TRUE(output.ids.back() == 5 || output.ids.size() == 12);
    previous = output.score;
  }
  EXPECT_EQ(backend(model).openSequences(), 0u);
}

TEST_F(BeamTest, EnoughBeamsFindTheBestOfAllSequences) {
  // 6^4 sequences of 4 ids; with 6^3 beams nothing is ever dropped.
  std::vector<int32_t> best;
  double bestScore = -1e9;
  for (int code = 0; code < 1296; ++code) {
    const std::vector<int32_t> ids = {code / 216, code / 36 % 6, code / 6 % 6, code % 6};
    if (const double score = logProb({2, 4}, ids); score > bestScore) {
      bestScore = score;
      best = ids;
    }
  }
  const GenerationResult result = engine->generate(beams(216, 4));
  ASSERT_TRUE(result.status) << result.status.message();
  EXPECT_EQ(result.outputs[0].ids, best);
  EXPECT_NEAR(result.outputs[0].score, bestScore / 4, 1e-5);
}

TEST_F(BeamTest, OneBeamIsGreedy) {
  const GenerationResult result = engine->generate(beams(1, 10));
  ASSERT_TRUE(result.status) << result.status.message();
  EXPECT_EQ(result.outputs[0].ids, referenceGreedy(small, {2, 4}, 10));
}

TEST_F(BeamTest, EarlyStoppingEndsWithTheFirstFullSetOfHypotheses) {
  GenerationOptions early = beams(3, 60, {{"early_stopping", "true"}, {"length_penalty", "2"}});
  early.stopTokens = {5, 1};
  GenerationOptions never = beams(3, 60, {{"early_stopping", "never"}, {"length_penalty", "2"}});
  never.stopTokens = {5, 1};
  const GenerationResult first = engine->generate(early), last = engine->generate(never);
  ASSERT_TRUE(first.status) << first.status.message();
  ASSERT_TRUE(last.status) << last.status.message();
  EXPECT_EQ(first.outputs.size(), 3u);
  EXPECT_LT(first.timing.steps, last.timing.steps);
  EXPECT_GE(last.outputs[0].score, first.outputs[0].score);
}

TEST_F(BeamTest, PenaltiesFollowEachBeamsOwnIds) {
  GenerationOptions options = beams(3, 4, {{"repetition_penalty", "1000"}});
  const GenerationResult result = engine->generate(options);
  ASSERT_TRUE(result.status) << result.status.message();
  std::vector<int32_t> ids = result.outputs[0].ids;
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

TEST_F(BeamTest, WhatItCannotDoIsRefused) {
  for (const auto &[key, value] :
       OptionList{{"temperature", "1"}, {"early_stopping", "maybe"}, {"num_beams", "0"}}) {
    GenerationOptions options = request({2, 4}, "beam");
    options.options = {{key, value}};
    const GenerationResult result = engine->generate(options);
    EXPECT_FALSE(result.status) << key;
    EXPECT_NE(result.status.message().find(key), std::string::npos) << result.status.message();
  }
}

} // namespace
} // namespace plexus::test
