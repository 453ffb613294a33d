// Importing Hugging Face directories: what is built, and what is refused and how.
#include "frontends/huggingface/Import.h"
#include "runtime/plugins/Host.h"

#include "dialects/plx/PlxOps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fs = std::filesystem;
using namespace plexus;
using namespace plexus::frontends;
using testing::HasSubstr;

namespace {

Expected<ImportedModel> import(mlir::MLIRContext &context, const fs::path &path) {
  return importDirectory(context, path.string(), familyFinder(PluginHost::shared()));
}

fs::path pack(const std::string &name) {
  return fs::path(PLEXUS_SOURCE_DIR) / "tests/conformance/packs" / name / "model";
}

/// A copy of a pack's model with config fields changed, in a folder of the test's own.
class Edited : public testing::Test {
protected:
  fs::path copy(const std::string &name) {
    fs::path to =
        fs::path(testing::TempDir()) /
        ("import-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(to);
    fs::copy(pack(name), to);
    for (auto &entry : fs::directory_iterator(to))
      fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
    return to;
  }
  std::string messageWith(const std::string &name, const std::string &field,
                          const nlohmann::json &value) {
    fs::path dir = copy(name);
    nlohmann::json config = nlohmann::json::parse(std::ifstream(dir / "config.json"));
    config[nlohmann::json::json_pointer(field)] = value;
    std::ofstream(dir / "config.json") << config;
    mlir::MLIRContext context;
    return import(context, dir).status().message();
  }
};

class EveryPack : public testing::TestWithParam<std::string> {};

TEST_P(EveryPack, BecomesAVerifiedModule) {
  mlir::MLIRContext context;
  auto model = import(context, pack(GetParam()));
  ASSERT_TRUE(model.isOk()) << model.status().message();
  auto plxModel = *(*model->module).getOps<mlir::plx::ModelOp>().begin();
  EXPECT_TRUE(plxModel->hasAttr("context"));
  // What is printed can be read again.
  std::string text;
  llvm::raw_string_ostream(text) << *model->module;
  EXPECT_THAT(text, HasSubstr("plx.schedule @forward"));
}
INSTANTIATE_TEST_SUITE_P(Families, EveryPack,
                         testing::Values("llama", "llama-sharded", "llama-bf16",
                                         "llama-legacy-config", "llama-tied", "mistral", "qwen2",
                                         "qwen3", "gpt2", "bert", "bert-sharded", "bert-bf16",
                                         "roberta"),
                         [](auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_F(Edited, UnknownModelTypeNamesTheFamiliesAndHowToAddOne) {
  auto message = messageWith("llama", "/model_type", "gargantua");
  EXPECT_THAT(message, HasSubstr("gargantua"));
  EXPECT_THAT(message, HasSubstr("qwen3"));
  EXPECT_THAT(message, HasSubstr("writing-a-family"));
}
TEST_F(Edited, UnknownRopeKindIsRefusedByName) {
  auto message = messageWith("llama", "/rope_parameters/rope_type", "spiral");
  EXPECT_THAT(message, HasSubstr("rope_parameters.rope_type is 'spiral'"));
}
TEST_F(Edited, UnknownActivationIsRefusedByName) {
  EXPECT_THAT(messageWith("llama", "/hidden_act", "wiggle"), HasSubstr("'wiggle'"));
}
TEST_F(Edited, FieldThatNobodyHonoursIsRefusedByName) {
  auto message = messageWith("llama", "/logit_scale", 0.5);
  EXPECT_THAT(message, HasSubstr("logit_scale"));
  EXPECT_THAT(message, HasSubstr("0.5"));
}
TEST_F(Edited, WrongShapeNamesWhatDoesNotFit) {
  EXPECT_THAT(messageWith("llama", "/hidden_size", 60), HasSubstr("64"));
}
TEST_F(Edited, UnusedWeightsAreAllListed) {
  auto message = messageWith("llama", "/num_hidden_layers", 2);
  EXPECT_THAT(message, HasSubstr("model.layers.2.mlp.up_proj.weight"));
  EXPECT_THAT(message, HasSubstr("model.layers.2.self_attn.q_proj.weight"));
}
TEST_F(Edited, MissingWeightsAreAllListed) {
  auto message = messageWith("llama", "/num_hidden_layers", 4);
  EXPECT_THAT(message, HasSubstr("model.layers.3.mlp.up_proj.weight"));
  EXPECT_THAT(message, HasSubstr("model.layers.3.self_attn.q_proj.weight"));
}
TEST_F(Edited, WeightsMissingFromEveryLayerAreListedToo) {
  auto message = messageWith("llama", "/attention_bias", true);
  EXPECT_THAT(message, HasSubstr("model.layers.0.self_attn.q_proj.bias"));
  EXPECT_THAT(message, HasSubstr("model.layers.2.self_attn.o_proj.bias"));
}
TEST_F(Edited, ArchitectureWithAnotherHeadIsRefusedByName) {
  EXPECT_THAT(messageWith("bert", "/architectures/0", "BertForQuestionAnswering"),
              HasSubstr("BertForQuestionAnswering"));
}

} // namespace
