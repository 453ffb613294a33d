// The program's JSON: what goes in comes out, and what is wrong is refused with its place.
#include "tests/unit/artifact/TestModel.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

using namespace plexus;
using namespace plexus::test;
using nlohmann::json;
using ::testing::HasSubstr;

namespace {

json smallJson() { return json::parse(serializeProgram(smallProgram())); }

std::string errorOf(const json &program) {
  auto parsed = parseProgram(program.dump());
  return parsed ? "accepted" : parsed.status().message();
}

TEST(Program, RoundTripsThroughJson) {
  std::string text = serializeProgram(smallProgram());
  auto parsed = parseProgram(text);
  ASSERT_TRUE(parsed) << parsed.status().message();
  EXPECT_EQ(serializeProgram(*parsed), text);
  EXPECT_EQ(parsed->model.pooling->mode, "mean");
  EXPECT_EQ(parsed->model.bos, 1);
  EXPECT_FALSE(parsed->model.pad.has_value());
}

TEST(Program, BindsWeightsOfTheStepsLayer) {
  auto parsed = parseProgram(serializeProgram(smallProgram()));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->schedules[0].steps[0].weights, std::vector<int>{0});
  EXPECT_EQ(parsed->schedules[0].steps[1].weights, std::vector<int>{1});
}

TEST(Program, CollectsTheLayersOfAState) {
  Program p = smallProgram();
  p.states = {{"kv", StateKind::Kv, 2, 64, 32, 0, DType::F32, {}, {}, {}, {}}};
  p.segments[0].states = {0};
  p.model.layers = 8;
  p.schedules[0].steps[1].layer = 5;
  p.weights[1].layer = 5;
  auto parsed = parseProgram(serializeProgram(p));
  ASSERT_TRUE(parsed) << parsed.status().message();
  const StateInfo &kv = parsed->states[0];
  EXPECT_EQ(kv.layers, (std::vector<int>{0, 5}));
  EXPECT_EQ(kv.ordinalOf(5), 1);
  EXPECT_EQ(kv.ordinalOf(1), -1);
  EXPECT_EQ(kv.layerBytes(), 32 * 2 * (64 + 32) * 4);
  EXPECT_EQ(kv.pageBytes(), 2 * kv.layerBytes());
}

TEST(Program, NamesFormatsItDoesNotRead) {
  json p = smallJson();
  p["format"] = 3;
  EXPECT_THAT(errorOf(p), HasSubstr("program has format 3, this Plexus reads 1"));
  p = smallJson();
  p["call_version"] = 9;
  EXPECT_THAT(errorOf(p), HasSubstr("calling convention 9"));
}

TEST(Program, RefusesUnknownAndMissingFields) {
  json p = smallJson();
  p["model"]["colour"] = "red";
  EXPECT_THAT(errorOf(p), HasSubstr("model: unknown field 'colour'"));
  p = smallJson();
  p["schedules"][0]["steps"][1].erase("layer");
  EXPECT_THAT(errorOf(p), HasSubstr("schedules[0].steps[1]: field 'layer' is missing"));
}

TEST(Program, RefusesIndicesOutOfRange) {
  json p = smallJson();
  p["schedules"][0]["steps"][1]["in"][0] = 9;
  EXPECT_THAT(errorOf(p), HasSubstr("schedules[0].steps[1].in[0]: value 9 is out of range (3"));
  p = smallJson();
  p["schedules"][0]["steps"][1]["in"][0] = -1;
  EXPECT_THAT(errorOf(p), HasSubstr("schedules[0].steps[1].in[0]: expected an integer from 0"));
  p = smallJson();
  p["schedules"][0]["outputs"][0]["value"] = 3;
  EXPECT_THAT(errorOf(p), HasSubstr("'y' is value 3, which nothing writes"));
  p = smallJson();
  p["schedules"][0]["hidden"][0] = 77;
  EXPECT_THAT(errorOf(p), HasSubstr("hidden: value 77"));
  p = smallJson();
  p["schedules"][0]["steps"][0]["layer"] = 2;
  EXPECT_THAT(errorOf(p), HasSubstr("steps[0].layer: 2 of 2"));
}

TEST(Program, RefusesValuesReadBeforeTheyAreWritten) {
  json p = smallJson();
  std::swap(p["schedules"][0]["steps"][0], p["schedules"][0]["steps"][1]);
  EXPECT_THAT(errorOf(p), HasSubstr("value 1 is not written yet"));
}

TEST(Program, RefusesTypesThatDoNotFitTheSegment) {
  json p = smallJson();
  p["schedules"][0]["values"][1]["shape"] = {9};
  EXPECT_THAT(errorOf(p), HasSubstr("value 1 is [T, 9] F32, the segment's is [T, 8] F32"));
}

TEST(Program, RefusesWeightsOfAnotherSize) {
  json p = smallJson();
  p["weights"][0]["bytes"] = 31;
  EXPECT_THAT(errorOf(p), HasSubstr("weights[0] 'w': takes 32 bytes, the table says 31"));
  p = smallJson();
  p["weights"][0]["encoding"] = "packed";
  EXPECT_THAT(errorOf(p), HasSubstr("no such packed form"));
  p = smallJson();
  p["weights"][0]["offset"] = 32;
  EXPECT_THAT(errorOf(p), HasSubstr("not a multiple of 64"));
}

TEST(Program, NamesTheWeightThatIsMissing) {
  json p = smallJson();
  p["weights"].erase(1);
  EXPECT_THAT(errorOf(p), HasSubstr("needs weight 'w' of layer 1, which is missing"));
}

TEST(Program, RefusesHugeShapes) {
  json p = smallJson();
  p["weights"][0]["shape"] = {int64_t(1) << 40, int64_t(1) << 40};
  EXPECT_NE(errorOf(p), "accepted");
  p = smallJson();
  p["schedules"][0]["values"][0]["shape"] = {int64_t(1) << 40, int64_t(1) << 40};
  EXPECT_NE(errorOf(p), "accepted");
}

TEST(Program, RefusesDeepNesting) { EXPECT_FALSE(parseProgram(std::string(100'000, '['))); }

TEST(Program, PackedSizesRoundUpToWholeBlocks) {
  using enum WeightEncoding;
  EXPECT_EQ(weightBytes({1, 1}, DType::F32, Packed), 64u * 16 * 4);
  EXPECT_EQ(weightBytes({65, 33}, DType::BF16, Packed), 128u * 64 * 2);
  EXPECT_EQ(weightBytes({64, 16}, DType::F16, Packed), 64u * 16 * 2);
  EXPECT_EQ(weightBytes({64, 16}, DType::I32, Packed), std::nullopt);
  EXPECT_EQ(weightBytes({3, 5}, DType::I64, Dense), 120u);
}

} // namespace
