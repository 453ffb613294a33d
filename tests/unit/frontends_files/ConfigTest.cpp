#include "frontends/huggingface/Config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace plexus;
using namespace plexus::frontends;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

nlohmann::json parsed(std::string_view text) {
  auto config = parseConfig(text, "config.json");
  EXPECT_TRUE(config.isOk()) << config.status().message();
  return config ? *config : nlohmann::json();
}

Status refused(std::string_view text) {
  auto config = parseConfig(text, "config.json");
  EXPECT_FALSE(config.isOk()) << text;
  return config.status();
}

TEST(Config, NonFiniteNumbersOfBothDialectsAreRead) {
  auto config = parsed(R"({"a": Infinity, "b": [-Infinity, NaN], "c": {"__float__": "Infinity"},
                           "d": "Infinity \" NaN", "e": {"__float__": "other"}})");
  EXPECT_EQ(config["a"].get<double>(), INFINITY);
  EXPECT_EQ(config["b"][0].get<double>(), -INFINITY);
  EXPECT_TRUE(std::isnan(config["b"][1].get<double>()));
  EXPECT_EQ(config["c"].get<double>(), INFINITY);
  EXPECT_EQ(config["d"], "Infinity \" NaN");
  EXPECT_TRUE(config["e"].is_object());
}

TEST(Config, OldAndNewDialectsBecomeTheSame) {
  auto newer = parsed(R"({"dtype": "bfloat16", "rope_parameters":
      {"rope_type": "llama3", "factor": 8.0, "rope_theta": 10000.0}})");
  auto older = parsed(R"({"torch_dtype": "torch.bfloat16", "rope_theta": 10000.0,
      "rope_scaling": {"type": "llama3", "factor": 8.0}})");
  auto both = parsed(R"({"torch_dtype": "bfloat16", "dtype": "bfloat16", "rope_theta": 10000.0,
      "rope_scaling": {"type": "llama3", "rope_type": "llama3", "factor": 8.0},
      "rope_parameters": {"rope_type": "llama3", "factor": 8.0, "rope_theta": 10000.0}})");
  EXPECT_EQ(newer, older);
  EXPECT_EQ(newer, both);
  EXPECT_EQ(parsed(R"({"rope_theta": 5.0, "rope_scaling": null})"),
            parsed(R"({"rope_parameters": {"rope_theta": 5.0}})"));
  EXPECT_FALSE(parsed(R"({"hidden_size": 3, "rope_scaling": null})").contains("rope_parameters"));
}

TEST(Config, OldRopeFieldsBesideTheDictionaryMoveIntoIt) {
  auto config = parsed(R"({"rotary_pct": 0.25, "rotary_emb_base": 20000,
      "original_max_position_embeddings": 4096, "rope_scaling": {"type": "su"}})");
  EXPECT_EQ(config["rope_parameters"],
            nlohmann::json::parse(R"({"rope_type": "longrope", "rope_theta": 20000,
                "partial_rotary_factor": 0.25, "original_max_position_embeddings": 4096})"));
  EXPECT_EQ(config.size(), 1u);
}

TEST(Config, AnOriginalContextWithoutScalingStaysWhereItIs) {
  auto config = parsed(R"({"rope_theta": 1.0, "original_max_position_embeddings": 4096})");
  EXPECT_EQ(config["original_max_position_embeddings"], 4096);
  EXPECT_EQ(config["rope_parameters"].size(), 2u);
}

TEST(Config, SubConfigsAreNormalisedToo) {
  auto config = parsed(R"({"text_config": {"model_type": "llama", "rope_theta": 7.0}})");
  EXPECT_EQ(config["text_config"]["rope_parameters"]["rope_theta"], 7.0);
}

TEST(Config, RopeByLayerTypeStaysAsItIs) {
  std::string_view text =
      R"({"rope_parameters": {"full_attention": {"rope_theta": 1.0, "rope_type": "default"}}})";
  EXPECT_EQ(parsed(text), nlohmann::json::parse(text));
}

TEST(Config, DialectsThatContradictEachOtherAreRefused) {
  for (std::string_view text :
       {R"({"torch_dtype": "float16", "dtype": "bfloat16"})",
        R"({"rope_theta": 1.0, "rope_parameters": {"rope_theta": 2.0}})",
        R"({"rope_scaling": {"factor": 1.0}, "rope_parameters": {"factor": 2.0}})",
        R"({"rope_scaling": {"type": "linear", "rope_type": "yarn"}})", R"({"rope_scaling": 3})",
        R"({"rope_parameters": []})", "[]", "3", "", "-Infinity", "{\"a\": Inf}",
        R"({"a": 1, "a": 1})", R"({"__float__"})"})
    EXPECT_EQ(refused(text).code(), Code::Corrupt) << text;
  EXPECT_THAT(refused("{").message(), HasSubstr("config.json"));
  EXPECT_EQ(refused(std::string(100, '[')).code(), Code::ResourceExhausted);
}

TEST(SpecialTokens, GenerationConfigComesFirst) {
  auto tokens = readSpecialTokens({{"eos_token_id", 2}, {"bos_token_id", 1}, {"pad_token_id", -1}},
                                  {{"eos_token_id", {3, 4}}, {"bos_token_id", nullptr}}, "dir");
  ASSERT_TRUE(tokens.isOk()) << tokens.status().message();
  EXPECT_THAT(tokens->eos, ElementsAre(3, 4));
  EXPECT_EQ(tokens->bos, 1);
  EXPECT_EQ(tokens->pad, std::nullopt);

  auto none = readSpecialTokens({{"eos_token_id", nullptr}}, nullptr, "dir");
  ASSERT_TRUE(none.isOk());
  EXPECT_THAT(none->eos, IsEmpty());
}

TEST(SpecialTokens, WhatIsNoIdIsRefusedByName) {
  for (nlohmann::json id : {nlohmann::json("2"), nlohmann::json(-5), nlohmann::json(1.5),
                            nlohmann::json(int64_t(1) << 40), nlohmann::json({2, "x"})}) {
    auto tokens = readSpecialTokens({{"eos_token_id", id}}, nullptr, "dir");
    ASSERT_FALSE(tokens.isOk()) << id;
    EXPECT_THAT(tokens.status().message(), HasSubstr("eos_token_id"));
  }
}

} // namespace
