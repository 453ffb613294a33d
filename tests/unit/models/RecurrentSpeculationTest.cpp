// Speculation over recurrent states: drafts that are not accepted leave no trace in them.
#include "tests/unit/models/ModelFixture.h"

using namespace plexus;
using namespace plexus::test;

namespace {

struct Pair {
  const char *name, *target, *draft;
};

class RecurrentSpeculation : public ::testing::TestWithParam<Pair> {
protected:
  void SetUp() override {
    target = openExact(sourcePath(GetParam().target));
    draft = openExact(sourcePath(GetParam().draft));
    ASSERT_TRUE(target && draft);
  }

  GenerationResult run(const std::vector<int32_t> &prompt, const std::string &strategy,
                       const OptionList &options) {
    GenerateRequest request = greedyRequest(prompt, 48);
    request.strategy = strategy;
    request.options = options;
    if (strategy == "speculate")
      request.drafts = {draft};
    return generate(*target, request);
  }

  OpenedModelPtr target, draft;
  const std::vector<std::vector<int32_t>> prompts = {
      {1, 17, 5, 60, 33}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, {1}};
};

TEST_P(RecurrentSpeculation, ChainsAndTreesGiveTheGreedyIds) {
  for (const auto &prompt : prompts) {
    const auto expected = idsOf(run(prompt, "greedy", {}));
    for (const char *tree : {"1,1,1,1", "4,2", "3,1,2"})
      EXPECT_EQ(idsOf(run(prompt, "speculate", {{"tree", tree}})), expected) << tree;
  }
}

TEST_P(RecurrentSpeculation, PromptLookupGivesTheGreedyIds) {
  for (const auto &prompt : prompts)
    EXPECT_EQ(idsOf(run(prompt, "prompt_lookup", {})), idsOf(run(prompt, "greedy", {})));
}

constexpr Pair kPairs[] = {
    {"Mamba", "examples/models/kjv-mamba", "examples/models/kjv-draft"},
    {"DraftedByMamba", "examples/models/kjv-llama", "examples/models/kjv-mamba"},
    {"Mamba2", "tests/conformance/packs/ssm-mamba2/model",
     "tests/conformance/packs/ssm-mamba/model"},
    {"Bamba", "tests/conformance/packs/ssm-bamba/model", "tests/conformance/packs/ssm-mamba/model"},
    {"Qwen3Next", "tests/conformance/packs/ssm-qwen3-next/model",
     "tests/conformance/packs/ssm-mamba/model"},
};

INSTANTIATE_TEST_SUITE_P(Models, RecurrentSpeculation, ::testing::ValuesIn(kPairs),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
