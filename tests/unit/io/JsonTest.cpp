#include "runtime/io/Json.h"

#include <gtest/gtest.h>

using namespace plexus;

namespace {

Status statusOf(std::string_view text, const JsonLimits &limits = {}) {
  return parseJson(text, "file.json", limits).status();
}

TEST(Json, ParsesWhatTheLibraryParses) {
  std::string_view text = R"({"a": [1, -2, 3.5, {"b": null}, [], "x"], "c": {"d": true}, "e": 0})";
  auto parsed = parseJson(text, "file.json");
  ASSERT_TRUE(parsed.isOk()) << parsed.status().message();
  EXPECT_EQ(*parsed, nlohmann::json::parse(text));
  EXPECT_EQ(*parseJson(" 7 ", "x"), 7);
}

TEST(Json, RefusesADuplicateKeyByName) {
  EXPECT_TRUE(statusOf(R"({"a": {"b": 1}, "c": {"b": 2}})").isOk());
  Status status = statusOf(R"({"a": {"b": 1, "b": 2}})");
  EXPECT_EQ(status.code(), Code::Corrupt);
  EXPECT_EQ(status.message(), "file.json: the key \"b\" occurs twice");
}

TEST(Json, RefusesDeepNesting) {
  JsonLimits limits{.maxDepth = 3};
  EXPECT_TRUE(statusOf("[[[1]]]", limits).isOk());
  EXPECT_EQ(statusOf("[[[[1]]]]", limits).code(), Code::ResourceExhausted);
  EXPECT_EQ(statusOf(std::string(1'000'000, '[')).code(), Code::ResourceExhausted);
}

TEST(Json, RefusesLargeDocuments) {
  EXPECT_EQ(statusOf("[1, 2]", {.maxBytes = 5}).code(), Code::ResourceExhausted);
}

TEST(Json, NamesTheFileAndTheByteOfASyntaxError) {
  for (std::string_view text : {"", "{", "[1,]", "{\"a\" 1}", "[NaN]", "1 2", "\"\xff\"", "[1e999]",
                                "\"\\ud800\"", "nul"}) {
    Status status = statusOf(text);
    EXPECT_EQ(status.code(), Code::Corrupt) << text;
    EXPECT_EQ(status.message().find("file.json: no valid JSON at byte "), 0u) << status.message();
  }
}

} // namespace
