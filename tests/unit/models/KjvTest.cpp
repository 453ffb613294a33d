// The trained models in examples/models against transformers: tokenizer, greedy ids, first
// logits, perplexity.
#include "tests/unit/models/ModelFixture.h"

using namespace plexus;
using namespace plexus::test;

namespace {

/// Where the best two logits of every step lie further apart than this, float32 sums in another
/// order cannot choose another id.
constexpr double kClearGap = 1e-3;

class Kjv : public ::testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    const std::string folder = std::string("examples/models/") + GetParam();
    reference = readReference(folder + "/expected.json");
    model = openExact(sourcePath(folder));
    ASSERT_TRUE(model);
    ASSERT_TRUE(model->tokenizer);
  }
  nlohmann::json reference;
  OpenedModelPtr model;
};

std::vector<uint32_t> encode(const OpenedModel &model, const std::string &text) {
  auto encoding = model.tokenizer->encode(text);
  EXPECT_TRUE(encoding) << encoding.status().message();
  return encoding ? encoding->ids : std::vector<uint32_t>();
}

TEST_P(Kjv, EncodesAsTheReference) {
  for (const auto &prompt : reference["greedy"])
    EXPECT_EQ(encode(*model, prompt["prompt"]), prompt["prompt_ids"].get<std::vector<uint32_t>>());
  if (!reference.contains("tokenizer"))
    return; // The draft model's tokenizer is the target's.
  for (const auto &example : reference["tokenizer"]["cases"])
    EXPECT_EQ(encode(*model, example["text"]), example["ids"].get<std::vector<uint32_t>>())
        << example["text"];
}

TEST_P(Kjv, GeneratesTheReferencesIdsAndText) {
  for (const auto &prompt : reference["greedy"]) {
    if (prompt["min_top2_logit_gap"] < kClearGap)
      continue;
    const auto expected = prompt["ids"].get<std::vector<int32_t>>();
    GenerateRequest request = greedyRequest({}, static_cast<int64_t>(expected.size()));
    request.prompt = prompt["prompt"].get<std::string>();
    const GenerationResult result = generate(*model, request);
    EXPECT_EQ(idsOf(result), expected) << prompt["prompt"];
    ASSERT_EQ(result.outputs.size(), 1u);
    EXPECT_EQ(result.outputs[0].text, prompt["text"].get<std::string>());
  }
}

TEST_P(Kjv, FirstLogitsAreTheReferences) {
  for (const auto &prompt : reference["greedy"]) {
    const auto ids = prompt["prompt_ids"].get<std::vector<int32_t>>();
    auto logits = allLogits(*model, ids);
    ASSERT_TRUE(logits) << logits.status().message();
    const float *last = logits->as<float>() + (ids.size() - 1) * model->info().vocabSize;
    for (size_t i = 0; i < prompt["first_top5_ids"].size(); ++i)
      // The reference is written with five decimals.
      EXPECT_NEAR(last[prompt["first_top5_ids"][i].get<size_t>()],
                  prompt["first_top5_logits"][i].get<float>(), 1e-4);
  }
}

TEST_P(Kjv, PerplexityOfTheWholeValidationTextIsTheReferences) {
  const auto ids = fileIds(*model, sourcePath("examples/models/kjv-valid.txt"));
  const auto &validation = reference["validation"];
  ASSERT_EQ(ids.size(), validation["tokens"].get<size_t>());
  auto value = perplexity(*model, *model->info().bos, ids, validation["window"]);
  ASSERT_TRUE(value) << value.status().message();
  const double error = *value / validation["perplexity"].get<double>() - 1;
  RecordProperty("relative_error", std::to_string(error));
  EXPECT_NEAR(error, 0, 1e-5);
}

std::string modelName(const ::testing::TestParamInfo<const char *> &info) {
  std::string name = std::string(info.param).substr(4); // after "kjv-"
  name[0] = static_cast<char>(std::toupper(name[0]));
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, Kjv, ::testing::Values("kjv-llama", "kjv-draft", "kjv-mamba"),
                         modelName);

} // namespace
