#include "frontends/huggingface/ConfigReader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace plexus;
using namespace plexus::frontends;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

ConfigReader reader(std::string_view text) {
  return ConfigReader(nlohmann::json::parse(text), "config.json");
}

TEST(ConfigReader, ReadsTypedFieldsByPath) {
  ConfigReader c = reader(R"({"n": 5, "x": 1e-5, "i": 4096.0, "s": "silu", "b": true, "z": null,
                              "rope": {"factor": 8}, "types": ["full", "window"]})");
  EXPECT_EQ(c.getInt("n"), 5);
  EXPECT_EQ(c.getInt("i"), 4096);
  EXPECT_EQ(c.getFloat("x"), 1e-5);
  EXPECT_EQ(c.getFloat("rope.factor"), 8.0);
  EXPECT_EQ(*c.getString("s"), "silu");
  EXPECT_EQ(c.getBool("b"), true);
  EXPECT_EQ(c.getArraySize("types"), 2u);
  EXPECT_EQ(*c.getString("types.1"), "window");
  EXPECT_FALSE(c.has("z"));
  EXPECT_TRUE(c.has("rope.factor"));
  EXPECT_EQ(c.getInt("z"), std::nullopt);
  EXPECT_EQ(c.getString("types.2"), nullptr);
  EXPECT_EQ(c.getString("types.-1"), nullptr);
  EXPECT_EQ(c.getInt("n.x"), std::nullopt);
  EXPECT_TRUE(c.allHonoured().isOk()) << c.allHonoured().message();
}

TEST(ConfigReader, CollectsMissingFieldsAndWrongTypes) {
  ConfigReader c = reader(R"({"n": "5", "x": [1], "f": 1.5, "big": 18446744073709551615})");
  EXPECT_EQ(c.getInt("n"), std::nullopt);
  EXPECT_EQ(c.getFloat("x"), std::nullopt);
  EXPECT_EQ(c.getInt("f"), std::nullopt);
  EXPECT_EQ(c.getInt("big"), std::nullopt);
  EXPECT_EQ(c.requireInt("hidden_size"), 0);
  c.requireInt("hidden_size");
  EXPECT_EQ(c.requireFloat("eps"), 0.0);
  EXPECT_EQ(c.requireString("act"), "");
  EXPECT_TRUE(c.hasTypeErrors());
  Status status = c.check();
  EXPECT_EQ(status.code(), Code::Corrupt);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("config.json: \"n\" should be an integer, found \"5\""),
                    HasSubstr("\"x\" should be a number, found [1]"),
                    HasSubstr("\"hidden_size\" should be an integer, and is missing"),
                    HasSubstr("\"act\" should be a string")));
  EXPECT_EQ(c.allHonoured().code(), Code::Corrupt);
}

TEST(ConfigReader, UnreadFieldsAreRefusedByNameAndValue) {
  ConfigReader c = reader(R"({"hidden_size": 4, "clip_qkv": 8.0, "quantization_config": {"bits": 4},
                              "rope": {"factor": 2, "beta": 1}, "extra": [1, 2], "flag": false,
                              "nothing": null, "none": {}, "transformers_version": "5"})");
  c.getInt("hidden_size");
  c.getFloat("rope.factor");
  Status status = c.allHonoured();
  EXPECT_EQ(status.code(), Code::Unsupported);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("\"clip_qkv\": 8.0"), HasSubstr("\"rope.beta\": 1"),
                                      HasSubstr("\"quantization_config.bits\": 4"),
                                      HasSubstr("\"extra\": [1,2]"), HasSubstr("\"flag\": false")));
  EXPECT_THAT(status.message(), Not(AnyOf(HasSubstr("hidden_size"), HasSubstr("factor"),
                                          HasSubstr("noth"), HasSubstr("transformers_version"))));
  for (const char *path : {"clip_qkv", "quantization_config", "extra", "flag"})
    c.ignore(path);
  c.getInt("rope.beta");
  EXPECT_TRUE(c.allHonoured().isOk());
}

TEST(ConfigReader, SwitchesThatNoFamilyHasAreInertWhenOff) {
  EXPECT_TRUE(reader(R"({"is_encoder_decoder": false, "rope_interleaved": false})").allHonoured());
  for (std::string_view name : absentSwitches()) {
    ConfigReader c = reader("{\"" + std::string(name) + "\": true}");
    EXPECT_THAT(c.allHonoured().message(), HasSubstr(std::string(name) + "\": true"));
  }
}

TEST(ConfigReader, NullIsToldFromAbsence) {
  ConfigReader c = reader(R"({"a": null, "b": 1, "c": {"d": null}})");
  EXPECT_TRUE(c.isNull("a") && c.isNull("c.d"));
  EXPECT_FALSE(c.isNull("b") || c.isNull("e") || c.isNull("c"));
  EXPECT_FALSE(c.has("a"));
}

TEST(ConfigReader, AskingWhetherAFieldIsThereDoesNotHonourIt) {
  ConfigReader c = reader(R"({"a": 1})");
  EXPECT_TRUE(c.has("a"));
  EXPECT_FALSE(c.allHonoured().isOk());
}

TEST(ConfigReader, ReadingOneElementHonoursTheArray) {
  ConfigReader c = reader(R"({"a": [1, 2], "ab": [1]})");
  c.getInt("a.0");
  Status status = c.allHonoured();
  EXPECT_THAT(status.message(), AllOf(Not(HasSubstr("\"a\"")), HasSubstr("\"ab\"")));
}

} // namespace
