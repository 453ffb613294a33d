// Speculation with trained models: the same ids as greedy decoding, and as many accepted drafts as
// the models make possible.
#include "tests/unit/models/ModelFixture.h"

using namespace plexus;
using namespace plexus::test;

namespace {

constexpr int64_t kChain = 4;
constexpr size_t kTokens = 64;

struct Counts {
  int64_t passes = 0, accepted = 0;
};

class Speculation : public ::testing::Test {
protected:
  void SetUp() override {
    target = openExact(sourcePath("examples/models/kjv-llama"));
    draft = openExact(sourcePath("examples/models/kjv-draft"));
    ASSERT_TRUE(target && draft);
    const auto reference = readReference("examples/models/kjv-llama/expected.json");
    for (const auto &prompt : reference["greedy"])
      prompts.push_back(prompt["prompt_ids"].get<std::vector<int32_t>>());
  }

  std::vector<int32_t> greedy(const std::vector<int32_t> &prompt, size_t count) {
    return idsOf(generate(*target, greedyRequest(prompt, static_cast<int64_t>(count))));
  }
  GenerationResult speculate(const std::vector<int32_t> &prompt, int64_t count,
                             const std::string &tree) {
    GenerateRequest request = greedyRequest(prompt, count);
    request.strategy = "speculate";
    request.options = {{"tree", tree}};
    request.drafts = {draft};
    return generate(*target, request);
  }

  /// What chains of drafts come to when each begins behind `made` ids of the target's greedy
  /// output, worked out from the greedy ids of both models alone, until kTokens are made.
  Counts chains(const std::vector<int32_t> &prompt, size_t made) {
    const auto truth = greedy(prompt, kTokens + kChain + 1);
    Counts counts;
    while (made < kTokens) {
      std::vector<int32_t> seen = prompt;
      seen.insert(seen.end(), truth.begin(), truth.begin() + static_cast<std::ptrdiff_t>(made));
      const auto ids = idsOf(generate(*draft, greedyRequest(seen, kChain)));
      size_t agreed = 0;
      while (agreed < ids.size() && ids[agreed] == truth[made + agreed])
        ++agreed;
      ++counts.passes;
      counts.accepted += static_cast<int64_t>(agreed);
      made += agreed + 1;
    }
    return counts;
  }

  OpenedModelPtr target, draft;
  std::vector<std::vector<int32_t>> prompts;
};

TEST_F(Speculation, ChainsAndTreesGiveTheGreedyIds) {
  for (const auto &prompt : prompts) {
    const auto expected = greedy(prompt, kTokens);
    for (const char *tree : {"1,1,1,1", "4,2,1"})
      EXPECT_EQ(idsOf(speculate(prompt, kTokens, tree)), expected) << tree;
  }
}

TEST_F(Speculation, PromptLookupGivesTheGreedyIds) {
  for (const auto &prompt : prompts) {
    GenerateRequest request = greedyRequest(prompt, kTokens);
    request.strategy = "prompt_lookup";
    EXPECT_EQ(idsOf(generate(*target, request)), greedy(prompt, kTokens));
  }
}

TEST_F(Speculation, DraftAndTargetAgreeAsOftenAsTheReferenceSays) {
  const auto reference = readReference("examples/models/kjv-draft/expected.json")["assisted"];
  const auto &expected = reference["greedy_prompts"];
  ASSERT_EQ(expected["k"], kChain);
  Counts all;
  for (const auto &prompt : prompts) {
    const Counts counts = chains(prompt, 0); // The reference drafts behind the prompt at once.
    all.passes += counts.passes;
    all.accepted += counts.accepted;
  }
  const double rate = double(all.accepted) / double(kChain * all.passes);
  RecordProperty("acceptance_rate", std::to_string(rate));
  EXPECT_NEAR(rate / expected["acceptance_rate"].get<double>(), 1, 0.01);
}

TEST_F(Speculation, EveryDraftThatTheTargetWouldChooseIsAccepted) {
  Counts all, counted;
  for (const auto &prompt : prompts) {
    // The prompt's own pass makes one id. Room for one chain more, so that none is cut short; the
    // chains that begin behind kTokens are then not part of the comparison.
    const Counts counts = chains(prompt, 1);
    const int64_t count = 1 + counts.passes + counts.accepted;
    const GenerationResult result = speculate(prompt, count + kChain + 1, "1,1,1,1");
    EXPECT_EQ(idsOf(result), greedy(prompt, static_cast<size_t>(count + kChain + 1)));
    all.passes += counts.passes;
    all.accepted += counts.accepted;
    counted.passes += counter(result, "drafted") / kChain;
    counted.accepted += counter(result, "accepted");
  }
  EXPECT_GE(counted.accepted, all.accepted);
  EXPECT_GE(counted.passes, all.passes);
}

} // namespace
