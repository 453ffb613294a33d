// Decoding as the transformers library does it: the cases of the gpt2 pack, through the strategies.
#include "runtime/io/Json.h"
#include "tests/unit/engine/EngineTestBase.h"
#include "tests/unit/engine/ReferenceGpt2.h"

namespace plexus::test {
namespace {

class PackTest : public EngineTest {
protected:
  void SetUp() override {
    reference = std::make_shared<ReferenceGpt2>(pack + "/model");
    ASSERT_GT(reference->vocabSize, 0) << pack;
    auto file = SafetensorsFile::open(pack + "/cases.safetensors");
    auto json = readJsonFile(pack + "/cases.json");
    ASSERT_TRUE(file) << file.status().message();
    ASSERT_TRUE(json) << json.status().message();
    tensors = *file;
    cases = (*json)["cases"];
    model = std::make_shared<EngineModel>();
    model->backend = std::make_unique<ToyBackend>(
        BackendInfo{"gpt2", "gpt2", reference->vocabSize, reference->context, 1, 1},
        [reference = reference](std::span<const int32_t> seen) { return reference->logits(seen); });
  }
  std::vector<int32_t> ids(const std::string &key) const {
    const TensorView *tensor = tensors->find(key);
    const auto *data = reinterpret_cast<const int64_t *>(tensor->bytes);
    return {data, data + tensor->size / sizeof(int64_t)};
  }
  GenerationOptions prepare(const nlohmann::json &each, const char *strategy) {
    GenerationOptions options = request(ids(each["inputs"]["input_ids"]), strategy);
    options.maxTokens = each["max_new_tokens"];
    if (each["eos_token_id"].is_number())
      options.stopTokens = {each["eos_token_id"].get<int32_t>()};
    return options;
  }

  const std::string pack = PLEXUS_SOURCE_DIR "/tests/conformance/packs/gpt2";
  std::shared_ptr<ReferenceGpt2> reference;
  std::shared_ptr<const SafetensorsFile> tensors;
  nlohmann::json cases;
};

TEST_F(PackTest, BeamSearchGivesTheReferencesTokensAndScores) {
  int found = 0;
  for (const auto &each : cases) {
    if (each["kind"] != "beam")
      continue;
    ++found;
    GenerationOptions options = prepare(each, "beam");
    options.options = {{"num_beams", each["num_beams"].dump()},
                       {"length_penalty", each["length_penalty"].dump()},
                       {"early_stopping", each["early_stopping"].dump()}};
    const GenerationResult result = engine->generate(options);
    ASSERT_TRUE(result.status) << result.status.message();
    const auto &best = result.outputs.at(0);
    EXPECT_EQ(best.ids, ids(each["outputs"]["tokens"])) << each["name"];
    const TensorView *score = tensors->find(each["outputs"]["score"].get<std::string>());
    EXPECT_NEAR(best.score, *reinterpret_cast<const float *>(score->bytes), 2e-4) << each["name"];
  }
  EXPECT_EQ(found, 2);
}

TEST_F(PackTest, GreedyAndItsLosslessFriendsGiveTheReferencesTokens) {
  int found = 0;
  for (const auto &each : cases) {
    if (each["kind"] != "greedy" ||
        tensors->find(each["inputs"]["input_ids"].get<std::string>())->shape[0] != 1)
      continue;
    ++found;
    for (const char *strategy : {"greedy", "prompt_lookup", "speculate"}) {
      GenerationOptions options = prepare(each, strategy);
      options.drafts = {toy({.vocabSize = reference->vocabSize})};
      const GenerationResult result = engine->generate(options);
      ASSERT_TRUE(result.status) << result.status.message();
      EXPECT_EQ(result.outputs.at(0).ids, ids(each["outputs"]["tokens"]))
          << each["name"] << " by " << strategy;
    }
  }
  EXPECT_GT(found, 0);
}

} // namespace
} // namespace plexus::test
