// Tokenizer behaviour beyond the packs: round trips, damaged input, refusals, serialization.
#include "runtime/text/Tokenizer.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

using namespace plexus;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

std::string packFile(const std::string &pack, const std::string &file = "tokenizer.json") {
  std::ifstream in(PLEXUS_SOURCE_DIR "/tests/conformance/packs/tok-" + pack + "/model/" + file,
                   std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TokenizerPtr load(const std::string &bytes) {
  auto t = Tokenizer::fromJson(bytes);
  EXPECT_TRUE(t.isOk()) << t.status().message();
  return t ? *t : nullptr;
}

std::string loadError(const json &document) {
  auto t = Tokenizer::fromJson(document.dump());
  return t ? "" : t.status().message();
}

/// A word-level tokenizer of a few words, to be varied.
json wordLevel() {
  return {{"version", "1.0"},
          {"model",
           {{"type", "WordLevel"}, {"unk_token", "?"}, {"vocab", {{"?", 0}, {"a", 1}, {"b", 2}}}}},
          {"pre_tokenizer", {{"type", "WhitespaceSplit"}}}};
}

std::vector<uint32_t> ids(const TokenizerPtr &t, std::string_view text) {
  EncodeOptions plain;
  plain.addSpecialTokens = false;
  auto e = t->encode(text, plain);
  EXPECT_TRUE(e.isOk()) << e.status().message();
  return e ? e->ids : std::vector<uint32_t>();
}

std::string randomText(std::mt19937 &random) {
  constexpr std::pair<char32_t, char32_t> blocks[] = {
      {1, 0x7F},      {0x20, 0x7E},     {0xA0, 0x24F},     {0x300, 0x36F},
      {0x400, 0x4FF}, {0x4E00, 0x4FFF}, {0x1F300, 0x1F6FF}};
  std::string out;
  for (size_t n = random() % 60; n > 0; --n) {
    auto [first, last] = blocks[random() % std::size(blocks)];
    char32_t c = first + random() % (last - first + 1);
    if (c < 0x80) {
      out += char(c);
    } else if (c < 0x800) {
      out += {char(0xC0 | (c >> 6)), char(0x80 | (c & 0x3F))};
    } else if (c < 0x10000) {
      out += {char(0xE0 | (c >> 12)), char(0x80 | ((c >> 6) & 0x3F)), char(0x80 | (c & 0x3F))};
    } else {
      out += {char(0xF0 | (c >> 18)), char(0x80 | ((c >> 12) & 0x3F)),
              char(0x80 | ((c >> 6) & 0x3F)), char(0x80 | (c & 0x3F))};
    }
  }
  return out;
}
} // namespace

TEST(Tokenizer, ByteLevelDecodingGivesTheTextBack) {
  std::mt19937 random(1);
  for (const char *pack : {"kjv-bpe", "gpt2", "llama3-like"}) {
    TokenizerPtr t = load(packFile(pack));
    for (int i = 0; i < 300; ++i) {
      std::string text = randomText(random);
      auto decoded = t->decode(ids(t, text));
      ASSERT_TRUE(decoded.isOk());
      EXPECT_EQ(*decoded, text) << pack;
    }
  }
}

TEST(Tokenizer, TokenBytesConcatenateToTheText) {
  TokenizerPtr t = load(packFile("gpt2"));
  std::string text = "Grüße 😀, it's 12:30\n\n";
  std::string bytes;
  for (uint32_t id : ids(t, text))
    bytes += *t->tokenBytes(id);
  EXPECT_EQ(bytes, text);
}

TEST(Tokenizer, TokenBytesOfMarksPrefixesAndByteTokens) {
  TokenizerPtr spm = load(packFile("spm-bpe"));
  EXPECT_EQ(spm->tokenBytes(*spm->tokenToId("<0xE4>")), "\xE4");
  EXPECT_EQ(spm->tokenBytes(*spm->tokenToId("\xE2\x96\x81the")), " the");
  TokenizerPtr bert = load(packFile("minilm"));
  EXPECT_EQ(bert->tokenBytes(*bert->tokenToId("##ing")), "ing");
  EXPECT_EQ(bert->tokenBytes(*bert->tokenToId("the")), " the");
  EXPECT_EQ(bert->tokenBytes(bert->idLimit()), std::nullopt);
}

TEST(Tokenizer, InvalidUtf8CountsAsReplacementCharactersAtTheirOwnBytes) {
  TokenizerPtr t = load(packFile("kjv-bpe"));
  std::string broken = "a\xFF\xE4\xB8z", repaired = "a\xEF\xBF\xBD\xEF\xBF\xBDz";
  EncodeOptions plain;
  auto e = t->encode(broken, plain);
  ASSERT_TRUE(e.isOk());
  EXPECT_EQ(e->ids, ids(t, repaired));
  EXPECT_EQ(e->offsets.front(), std::pair(0u, 1u));
  EXPECT_EQ(e->offsets[1], std::pair(1u, 2u));
  EXPECT_EQ(e->offsets.back(), std::pair(4u, 5u));
}

TEST(Tokenizer, EmptyTextHasOnlySpecialTokens) {
  TokenizerPtr t = load(packFile("minilm"));
  auto e = t->encode("");
  ASSERT_TRUE(e.isOk());
  EXPECT_THAT(e->ids, ElementsAre(101, 102));
  EXPECT_THAT(e->specialTokensMask, ElementsAre(1, 1));
}

TEST(Tokenizer, SerializedFormLoadsTheSameTokenizer) {
  TokenizerPtr t = load(packFile("spm-bpe"));
  auto again = Tokenizer::fromSerialized(t->serialize());
  ASSERT_TRUE(again.isOk()) << again.status().message();
  EXPECT_EQ(ids(*again, "In the beginning 中"), ids(t, "In the beginning 中"));
  EXPECT_EQ((*again)->serialize(), t->serialize());
}

TEST(Tokenizer, DamagedSerializedFormIsRefusedNotMisread) {
  std::string bytes = load(wordLevel().dump())->serialize();
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(Tokenizer::fromSerialized(std::string_view(bytes).substr(0, n)).isOk()) << n;
  bytes[4] = 9;
  EXPECT_THAT(Tokenizer::fromSerialized(bytes).status().message(), HasSubstr("version 9"));
}

TEST(Tokenizer, UnknownComponentsAreNamedWithTheKnownOnes) {
  struct Case {
    const char *section, *expected;
  };
  for (auto [section, expected] : {Case{"normalizer", "NFKC"}, Case{"pre_tokenizer", "Metaspace"},
                                   Case{"post_processor", "TemplateProcessing"},
                                   Case{"decoder", "WordPiece"}, Case{"model", "Unigram"}}) {
    json document = wordLevel();
    document[section] = {{"type", "Frobnicate"}};
    EXPECT_THAT(loadError(document),
                testing::AllOf(HasSubstr(section), HasSubstr("Frobnicate"), HasSubstr(expected)));
  }
}

TEST(Tokenizer, MissingAndWrongFieldsAreNamed) {
  json document = wordLevel();
  document["normalizer"] = {{"type", "Replace"}, {"content", "x"}};
  EXPECT_THAT(loadError(document), HasSubstr("'pattern' is missing"));
  document["normalizer"] = {{"type", "Strip"}, {"strip_left", 1}, {"strip_right", true}};
  EXPECT_THAT(loadError(document), HasSubstr("'strip_left' must be true or false"));
  document["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "(a"}}}, {"content", "x"}};
  EXPECT_THAT(loadError(document), HasSubstr("(a"));
  document = wordLevel();
  document["model"].erase("vocab");
  EXPECT_THAT(loadError(document), HasSubstr("'vocab' is missing"));
  document = wordLevel();
  document["model"]["vocab"]["b"] = -1;
  EXPECT_THAT(loadError(document), HasSubstr("id of token 'b'"));
  document["model"]["vocab"]["b"] = 4000000000u;
  EXPECT_THAT(loadError(document), HasSubstr("4000000000"));
  document = wordLevel();
  document["version"] = "2.0";
  EXPECT_THAT(loadError(document), HasSubstr("2.0"));
}

TEST(Tokenizer, WhatIsNotJsonIsRefused) {
  for (const char *bytes :
       {"", "{", "[]", "null", "{\"model\": 3}", "\xFF\xFE", "{\"a\":\"\xFF\"}"})
    EXPECT_FALSE(Tokenizer::fromJson(bytes).isOk()) << bytes;
  std::string deep(100000, '[');
  EXPECT_THAT(Tokenizer::fromJson(deep).status().message(), HasSubstr("nested deeper"));
}

TEST(Tokenizer, DropoutIsRefused) {
  json document = wordLevel();
  document["model"] = {
      {"type", "BPE"}, {"dropout", 0.1}, {"vocab", {{"a", 0}}}, {"merges", json::array()}};
  EXPECT_THAT(loadError(document), HasSubstr("dropout"));
}

TEST(Tokenizer, MergesOfUnknownTokensAreNamed) {
  json document = wordLevel();
  document["model"] = {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}}}, {"merges", {"a b"}}};
  EXPECT_THAT(loadError(document), HasSubstr("'ab'"));
}

TEST(Tokenizer, MissingUnknownTokenIsAnErrorOnlyWhereItIsNeeded) {
  json document = wordLevel();
  document["model"]["vocab"].erase("?");
  TokenizerPtr t = load(document.dump());
  EXPECT_THAT(ids(t, "a b"), ElementsAre(1, 2));
  EXPECT_THAT(t->encode("c").status().message(), HasSubstr("unk_token '?'"));
}

TEST(Tokenizer, TruncationThatLeavesNoRoomIsRefused) {
  TokenizerPtr t = load(packFile("minilm"));
  EncodeOptions options;
  options.truncation = TokenizerTruncation{};
  options.truncation->maxLength = 1;
  EXPECT_THAT(t->encode("a b c", options).status().message(), HasSubstr("no room"));
  options.truncation->maxLength = 4;
  options.truncation->stride = 2;
  EXPECT_THAT(t->encode("a b c", options).status().message(), HasSubstr("stride"));
  options.truncation->stride = 0;
  options.truncation->strategy = TokenizerTruncation::Strategy::OnlySecond;
  EXPECT_THAT(t->encode("a b c", options).status().message(), HasSubstr("second sequence"));
}

TEST(Tokenizer, HostilePatternEndsWithAnError) {
  json document = wordLevel();
  document["normalizer"] = {
      {"type", "Replace"}, {"pattern", {{"Regex", "(a|aa)+$"}}}, {"content", ""}};
  TokenizerPtr t = load(document.dump());
  EXPECT_EQ(t->encode(std::string(3000, 'a') + 'b').status().code(), Code::ResourceExhausted);
}

TEST(Tokenizer, LongWordsTakeTimeInProportion) {
  TokenizerPtr t = load(packFile("gpt2"));
  // Quadratic merging would need minutes for this.
  std::string word(400'000, 'a');
  auto decoded = t->decode(ids(t, word));
  ASSERT_TRUE(decoded.isOk());
  EXPECT_EQ(*decoded, word);
}

TEST(Tokenizer, OneTokenizerServesManyThreads) {
  TokenizerPtr t = load(packFile("llama3-like"));
  std::string text = "Threads share one tokenizer: 12345, naïve café, 中文.";
  std::vector<uint32_t> expected = ids(t, text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int &count : wrong)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        count += ids(t, text) != expected;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

TEST(Tokenizer, ConfigNamesSpecialTokensAndChatTemplate) {
  auto t = Tokenizer::fromJson(packFile("llama3-like"),
                               packFile("llama3-like", "tokenizer_config.json"));
  ASSERT_TRUE(t.isOk()) << t.status().message();
  EXPECT_EQ((*t)->specialIds().bos, 32000u);
  json config = {
      {"bos_token", {{"content", "a"}}},
      {"chat_template",
       {{{"name", "tools"}, {"template", "T"}}, {{"name", "default"}, {"template", "D"}}}}};
  t = Tokenizer::fromJson(wordLevel().dump(), config.dump());
  ASSERT_TRUE(t.isOk()) << t.status().message();
  EXPECT_EQ((*t)->specialIds().bos, 1u);
  EXPECT_EQ((*t)->chatTemplate(), "D");
}

TEST(DecodeStream, HoldsBackHalfACharacterAndGivesItUpAtTheEnd) {
  TokenizerPtr t = load(packFile("gpt2"));
  std::vector<uint32_t> tokens = ids(t, "a😀");
  DecodeStream stream(t, false);
  std::string out;
  for (size_t i = 0; i + 1 < tokens.size(); ++i)
    out += (*stream.push(tokens[i])).value_or("");
  EXPECT_EQ(out, "a");
  auto rest = stream.finish();
  ASSERT_TRUE(rest.isOk());
  EXPECT_EQ(*rest, "\xEF\xBF\xBD");
}
