// Every tokenizer pack of the repository, case by case, against the recorded reference.
#include "tools/conformance/TokenizerPack.h"
#include "frontends/gguf/GgufModel.h"

#include <filesystem>
#include <gtest/gtest.h>

using namespace plexus;

namespace {
std::vector<std::string> packs() {
  std::vector<std::string> names;
  for (const auto &entry :
       std::filesystem::directory_iterator(PLEXUS_SOURCE_DIR "/tests/conformance/packs")) {
    std::string name = entry.path().filename().string();
    if (name.starts_with("tok-"))
      names.push_back(name.substr(4));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Expected<GgufVocabulary> readGguf(const std::string &path) {
  PLX_ASSIGN(auto file, frontends::GgufFile::open(path));
  return frontends::readGgufVocabulary(*file);
}

class TokenizerPack : public testing::TestWithParam<std::string> {};

TEST_P(TokenizerPack, MatchesTheReferenceInEveryCase) {
  auto results = conformance::runTokenizerPack(
      PLEXUS_SOURCE_DIR "/tests/conformance/packs/tok-" + GetParam(), readGguf);
  ASSERT_TRUE(results.isOk()) << results.status().message();
  EXPECT_GT(results->size(), 40u);
  for (const auto &result : *results)
    EXPECT_TRUE(result.passed()) << result.name << ": " << result.difference;
}

INSTANTIATE_TEST_SUITE_P(Packs, TokenizerPack, testing::ValuesIn(packs()), [](const auto &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});
} // namespace
