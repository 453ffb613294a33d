#include "tests/unit/engine/EngineTestBase.h"

#include "runtime/io/Json.h"
#include "runtime/io/Safetensors.h"

#include <cmath>

namespace plexus::test {
namespace {

class SamplerTest : public EngineTest {
protected:
  std::vector<float> probabilities(const OptionList &options, std::vector<float> logits,
                                   std::vector<int32_t> prompt = {}) {
    auto result = samplingProbabilities(host, options, prompt, logits);
    EXPECT_TRUE(result) << result.status().message();
    return result ? *result : std::vector<float>();
  }
};

TEST_F(SamplerTest, GiveTheReferencesProbabilities) {
  const std::string pack = PLEXUS_SOURCE_DIR "/tests/conformance/packs/llama";
  auto cases = readJsonFile(pack + "/cases.json");
  auto tensors = SafetensorsFile::open(pack + "/cases.safetensors");
  ASSERT_TRUE(cases) << cases.status().message();
  ASSERT_TRUE(tensors) << tensors.status().message();
  int found = 0;
  for (const auto &each : (*cases)["cases"]) {
    if (each["kind"] != "sample_logits")
      continue;
    ++found;
    OptionList options;
    for (const char *key : {"temperature", "top_k", "top_p", "repetition_penalty"})
      options.emplace_back(key, each[key].dump());
    const TensorView *ids = (*tensors)->find(each["inputs"]["input_ids"].get<std::string>());
    const TensorView *logits = (*tensors)->find(each["inputs"]["logits"].get<std::string>());
    const TensorView *wanted = (*tensors)->find(each["outputs"]["probs"].get<std::string>());
    ASSERT_TRUE(ids && logits && wanted);
    const int64_t batch = wanted->shape[0], width = wanted->shape[1];
    const int64_t length = ids->shape.back();
    for (int64_t row = 0; row < batch; ++row) {
      const auto *idData = reinterpret_cast<const int64_t *>(ids->bytes) + row * length;
      const auto *logitData = reinterpret_cast<const float *>(logits->bytes) + row * width;
      const auto *wantData = reinterpret_cast<const float *>(wanted->bytes) + row * width;
      const auto got = probabilities(options, {logitData, logitData + width},
                                     std::vector<int32_t>(idData, idData + length));
      for (int64_t i = 0; i < width; ++i)
        EXPECT_NEAR(got[static_cast<size_t>(i)], wantData[i], 1e-5 + 1e-4 * wantData[i]) << i;
    }
  }
  EXPECT_GT(found, 0);
}

TEST_F(SamplerTest, TopKKeepsTiesAndMinPIsRelativeToTheBest) {
  const auto tied = probabilities({{"top_k", "2"}}, {1, 3, 2, 2, 0});
  EXPECT_EQ(tied[0], 0);
  EXPECT_GT(tied[1], tied[2]);
  EXPECT_EQ(tied[2], tied[3]);
  EXPECT_GT(tied[2], 0);
  const auto relative = probabilities({{"min_p", "0.5"}}, {0, std::log(0.6f), std::log(0.4f)});
  EXPECT_GT(relative[1], 0);
  EXPECT_EQ(relative[2], 0);
}

TEST_F(SamplerTest, TopPKeepsTheSmallestSetThatReachesP) {
  const std::vector<float> logits = {std::log(0.1f), std::log(0.4f), std::log(0.2f),
                                     std::log(0.3f)};
  const auto got = probabilities({{"top_p", "0.69"}}, logits);
  EXPECT_NEAR(got[1], 4.0 / 7, 1e-5);
  EXPECT_NEAR(got[3], 3.0 / 7, 1e-5);
  EXPECT_EQ(got[0] + got[2], 0);
  EXPECT_NEAR(probabilities({{"top_p", "0"}}, logits)[1], 1, 1e-6) << "the best always stays";
}

TEST_F(SamplerTest, PresenceAndFrequencyCountTheOutputAlone) {
  auto chain = SamplerChain::create(
      host, std::vector<std::string>{"presence_penalty", "frequency_penalty"},
      {{"presence_penalty", "0.5"}, {"frequency_penalty", "0.25"}}, 4, std::vector<int32_t>{0, 0});
  ASSERT_TRUE(chain) << chain.status().message();
  const std::vector<int32_t> emitted = {1, 1}, path = {2};
  ASSERT_TRUE(chain->accept(emitted));
  const auto apply = [&](SamplerChain &to, std::span<const int32_t> behind) {
    std::vector<int32_t> ids = {0, 1, 2, 3};
    std::vector<float> scores(4);
    plx_candidates c = {sizeof(plx_candidates), nullptr, 4, ids.data(), scores.data(), 0, 0, 2};
    EXPECT_TRUE(to.apply(c, PLX_STAGE_PENALTY, behind));
    return scores;
  };
  EXPECT_EQ(apply(*chain, path), (std::vector<float>{0, -1, -0.75, 0}));
  EXPECT_EQ(apply(*chain, {}), (std::vector<float>{0, -1, 0, 0})) << "the path was rolled back";
  auto copy = chain->clone();
  ASSERT_TRUE(copy);
  ASSERT_TRUE(copy->accept(path));
  EXPECT_EQ(apply(*copy, {}), (std::vector<float>{0, -1, -0.75, 0}));
  EXPECT_EQ(apply(*chain, {}), (std::vector<float>{0, -1, 0, 0})) << "a clone is on its own";
}

TEST_F(SamplerTest, WhenNothingIsLeftItIsAnErrorWithItsPosition) {
  const float never = -std::numeric_limits<float>::infinity(), nan = std::nanf("");
  EXPECT_FALSE(samplingProbabilities(host, {}, {}, std::vector<float>{never, nan}));
  EXPECT_NEAR(probabilities({{"top_k", "1"}}, {nan, 2, 1})[1], 1, 1e-6) << "NaN is never kept";
}

} // namespace
} // namespace plexus::test
