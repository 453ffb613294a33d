#include "frontends/huggingface/ModelDirectory.h"
#include "frontends/huggingface/WeightIndex.h"

#include "runtime/io/Safetensors.h"
#include "tests/support/TempDir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace plexus;
using namespace plexus::frontends;
using plexus::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

constexpr float someFloats[6] = {1, 2, 3, 4, 5, 6};

void writeWeights(const std::string &path, const std::vector<std::string> &names) {
  std::vector<NamedTensorView> tensors;
  for (const std::string &name : names) {
    TensorView view;
    view.shape = {2, 3};
    view.bytes = reinterpret_cast<const uint8_t *>(someFloats);
    view.size = sizeof(someFloats);
    tensors.push_back({name, view});
  }
  ASSERT_TRUE(writeSafetensors(path, tensors).isOk());
}

ModelDirectory opened(const TempDir &dir) {
  auto directory = ModelDirectory::open(dir.path());
  EXPECT_TRUE(directory.isOk()) << directory.status().message();
  return *std::move(directory);
}

TEST(ModelDirectory, OpensConfigWeightsAndTokenizer) {
  TempDir dir;
  dir.write("config.json", R"({"model_type": "llama", "torch_dtype": "float32"})");
  dir.write("generation_config.json", R"({"eos_token_id": 3})");
  dir.write("tokenizer.json", "{}");
  writeWeights(dir / "model.safetensors", {"a"});
  ModelDirectory directory = opened(dir);
  EXPECT_EQ((*directory.readConfig())["dtype"], "float32");
  EXPECT_EQ((*directory.readGenerationConfig())["eos_token_id"], 3);
  EXPECT_THAT((*directory.openWeights())->names(), ElementsAre("a"));
  EXPECT_EQ(*directory.tokenizerPath(), dir / "tokenizer.json");
  EXPECT_FALSE(directory.tokenizerConfigPath());
  EXPECT_FALSE(directory.sentenceEmbedding());
}

TEST(ModelDirectory, OpensShards) {
  TempDir dir;
  writeWeights(dir / "model-00001-of-00002.safetensors", {"a"});
  writeWeights(dir / "model-00002-of-00002.safetensors", {"b", "c"});
  dir.write("model.safetensors.index.json",
            R"({"weight_map": {"a": "model-00001-of-00002.safetensors",
                "b": "model-00002-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"}})");
  EXPECT_THAT((*opened(dir).openWeights())->names(), ElementsAre("a", "b", "c"));
}

TEST(ModelDirectory, SaysWhatIsMissingAndWhatIsThere) {
  TempDir dir;
  EXPECT_EQ(ModelDirectory::open(dir / "none").status().code(), Code::NotFound);
  EXPECT_EQ(ModelDirectory::open(dir.write("file", "")).status().code(), Code::InvalidArgument);
  dir.write("pytorch_model.bin", "x");
  ModelDirectory directory = opened(dir);
  Status status = directory.openWeights().status();
  EXPECT_EQ(status.code(), Code::NotFound);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("no model.safetensors"), HasSubstr("found file, pytorch_model.bin"),
                    HasSubstr("convert it to safetensors")));
  EXPECT_THAT(directory.readConfig().status().message(), HasSubstr("no config.json; found file"));
  EXPECT_THAT(directory.tokenizerPath().status().message(), HasSubstr("no tokenizer.json"));
  EXPECT_TRUE(directory.readGenerationConfig()->is_null());
}

TEST(ModelDirectory, FindsTheChatTemplateWhereverItIs) {
  TempDir dir;
  ModelDirectory directory = opened(dir);
  EXPECT_EQ(*directory.readChatTemplate(), std::nullopt);
  dir.write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  EXPECT_EQ(*directory.readChatTemplate(), std::nullopt);
  dir.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "x"},
                                                          {"name": "default", "template": "y"}]})");
  EXPECT_EQ(*directory.readChatTemplate(), "y");
  dir.write("tokenizer_config.json", R"({"chat_template": "z"})");
  EXPECT_EQ(*directory.readChatTemplate(), "z");
  dir.write("chat_template.jinja", "{{ w }}");
  EXPECT_EQ(*directory.readChatTemplate(), "{{ w }}");
  TempDir other;
  other.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": 1}]})");
  EXPECT_EQ(opened(other).readChatTemplate().status().code(), Code::Corrupt);
}

class SentenceTransformers : public ::testing::Test {
protected:
  void SetUp() override {
    modules({"Transformer", "", "Pooling", "1_Pooling", "Normalize", "2_Normalize"});
    pooling(R"({"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true})");
  }
  void modules(const std::vector<std::string> &typesAndPaths) {
    nlohmann::json list = nlohmann::json::array();
    for (size_t i = 0; i < typesAndPaths.size(); i += 2)
      list.push_back({{"idx", i / 2},
                      {"type", "sentence_transformers.models." + typesAndPaths[i]},
                      {"path", typesAndPaths[i + 1]}});
    dir.write("modules.json", list.dump());
  }
  void pooling(std::string_view text) { dir.write("1_Pooling/config.json", text); }
  Status refused() {
    auto directory = ModelDirectory::open(dir.path());
    EXPECT_FALSE(directory.isOk());
    return directory.status();
  }
  TempDir dir;
};

TEST_F(SentenceTransformers, ReadsPoolingNormalisationAndLimits) {
  dir.write("sentence_bert_config.json", R"({"max_seq_length": 256, "do_lower_case": true})");
  dir.write("config_sentence_transformers.json",
            R"({"prompts": {"query": "query: "}, "default_prompt_name": "query"})");
  const ModelDirectory directory = opened(dir);
  const auto &embedding = directory.sentenceEmbedding();
  ASSERT_TRUE(embedding);
  EXPECT_EQ(embedding->pooling, "mean");
  EXPECT_TRUE(embedding->normalize);
  EXPECT_EQ(embedding->maxSequenceLength, 256);
  EXPECT_TRUE(embedding->lowerCase);
  EXPECT_EQ(embedding->defaultPrompt, "query: ");
}

TEST_F(SentenceTransformers, TheTransformerMayLieInAFolderOfItsOwn) {
  modules({"Transformer", "0_Transformer", "Pooling", "1_Pooling"});
  pooling(R"({"pooling_mode": "cls"})");
  dir.write("0_Transformer/config.json", R"({"model_type": "bert"})");
  const ModelDirectory directory = opened(dir);
  EXPECT_EQ((*directory.readConfig())["model_type"], "bert");
  EXPECT_EQ(directory.sentenceEmbedding()->pooling, "cls");
  EXPECT_FALSE(directory.sentenceEmbedding()->normalize);
}

TEST_F(SentenceTransformers, OtherModulesAndPoolingsAreRefusedByName) {
  pooling(R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true})");
  EXPECT_THAT(refused().message(), HasSubstr("pooling by cls, mean"));
  pooling(R"({"pooling_mode": "attention"})");
  EXPECT_THAT(refused().message(), HasSubstr("attention"));
  pooling("{}");
  EXPECT_THAT(refused().message(), HasSubstr("nothing"));
  pooling(R"({"pooling_mode_cls_token": "yes"})");
  EXPECT_EQ(refused().code(), Code::Corrupt);
  modules({"Transformer", "", "Pooling", "1_Pooling", "Dense", "2_Dense"});
  pooling(R"({"pooling_mode": "mean"})");
  EXPECT_THAT(refused().message(), HasSubstr("\"Dense\""));
  modules({"Transformer", "../../etc", "Pooling", "1_Pooling"});
  EXPECT_THAT(refused().message(), HasSubstr("out of the model's folder"));
  modules({"Transformer", "/etc", "Pooling", "1_Pooling"});
  EXPECT_EQ(refused().code(), Code::Corrupt);
  modules({"Pooling", "1_Pooling"});
  EXPECT_EQ(refused().code(), Code::Unsupported);
}

TEST(WeightIndex, ListsAllMissingAndUnusedWeights) {
  TempDir dir;
  writeWeights(dir / "m.safetensors", {"a", "b", "c", "rotary.inv_freq"});
  WeightIndex index(*openSafetensors(dir / "m.safetensors"));
  EXPECT_NE(index.find("c"), nullptr);
  EXPECT_NE(index.use("a"), nullptr);
  EXPECT_EQ(index.use("x"), nullptr);
  EXPECT_EQ(index.use("y"), nullptr);
  index.allowUnused("*.inv_freq");
  Status status = index.check();
  EXPECT_EQ(status.code(), Code::NotFound);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("missing: x\n  missing: y\n  unused: b [2, 3]\n  unused: c [2, 3]"),
                    Not(HasSubstr("inv_freq"))));

  WeightIndex complete(*openSafetensors(dir / "m.safetensors"));
  for (const char *name : {"a", "b", "c"})
    complete.use(name);
  EXPECT_EQ(complete.check().code(), Code::Mismatch);
  complete.use("rotary.inv_freq");
  EXPECT_TRUE(complete.check().isOk());
}

TEST(WeightIndex, PatternsHaveStarsOnly) {
  EXPECT_TRUE(matchesPattern("model.layers.3.inv_freq", "*.inv_freq"));
  EXPECT_TRUE(matchesPattern("abcbd", "a*b*d"));
  EXPECT_TRUE(matchesPattern("", "*"));
  EXPECT_FALSE(matchesPattern("a.inv_freqs", "*.inv_freq"));
  EXPECT_FALSE(matchesPattern("ab", "a"));
  EXPECT_FALSE(matchesPattern("a", "ab"));
}

} // namespace
