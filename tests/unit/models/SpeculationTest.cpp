// Speculation with trained models: the ids of plain decoding, and as many accepted drafts as the
// reference counts.
#include "tests/unit/models/ModelFixture.h"

#include "runtime/exec/EngineThread.h"
#include "runtime/exec/Session.h"

using namespace plexus;
using namespace plexus::test;

namespace {

constexpr int64_t kTokens = 64;

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

  GenerationResult run(const std::vector<int32_t> &prompt, const std::string &strategy,
                       const OptionList &options) {
    GenerateRequest request = greedyRequest(prompt, kTokens);
    request.strategy = strategy;
    request.options = options;
    if (strategy == "speculate")
      request.drafts = {draft};
    request.seed = static_cast<uint64_t>(prompt.back());
    return generate(*target, request);
  }

  /// Chains of the reference's length from every prompt: the counts are the reference's within 1 %.
  void expectAcceptance(const nlohmann::json &expected,
                        const std::vector<std::vector<int32_t>> &from) {
    ASSERT_EQ(expected["k"], 4);
    int64_t runs = 0, drafted = 0, accepted = 0;
    for (const auto &prompt : from) {
      const GenerationResult result = run(prompt, "speculate", {{"tree", "1,1,1,1"}});
      ASSERT_TRUE(result.status) << result.status.message();
      runs += counter(result, "target_runs");
      drafted += counter(result, "drafted");
      accepted += counter(result, "accepted");
      // A level of the chain is one run of the draft model.
      EXPECT_EQ(counter(result, "draft_runs"), counter(result, "drafted"));
    }
    const double rate = double(accepted) / double(drafted);
    RecordProperty("acceptance_rate", std::to_string(rate));
    RecordProperty("target_runs", std::to_string(runs));
    EXPECT_NEAR(rate / expected["acceptance_rate"].get<double>(), 1, 0.01);
    EXPECT_NEAR(double(runs) / expected["target_passes"].get<double>(), 1, 0.01);
    EXPECT_NEAR(double(accepted) / expected["accepted"].get<double>(), 1, 0.01);
  }

  static nlohmann::json acceptance() {
    return readReference("examples/models/kjv-draft/expected.json")["assisted"];
  }

  OpenedModelPtr target, draft;
  std::vector<std::vector<int32_t>> prompts;
};

TEST_F(Speculation, ChainsAndTreesGiveTheGreedyIds) {
  for (const auto &prompt : prompts) {
    const auto expected = idsOf(run(prompt, "greedy", {}));
    for (const char *tree : {"1,1,1,1", "4,2", "3,1,2"})
      EXPECT_EQ(idsOf(run(prompt, "speculate", {{"tree", tree}})), expected) << tree;
  }
}

TEST_F(Speculation, PromptLookupGivesTheGreedyIds) {
  for (const auto &prompt : prompts)
    EXPECT_EQ(idsOf(run(prompt, "prompt_lookup", {})), idsOf(run(prompt, "greedy", {})));
}

TEST_F(Speculation, PagesOfFourBitsGiveTheGreedyIdsToo) {
  target = openExact(sourcePath("examples/models/kjv-llama"), "f32", "int4");
  ASSERT_TRUE(target);
  // Five pages, three of them sealed, while drafts are made; trees reach across pages.
  std::vector<int32_t> prompt;
  for (const auto &part : prompts)
    prompt.insert(prompt.end(), part.begin(), part.end());
  const auto ids = [&](const std::string &strategy, const OptionList &choices) {
    GenerateRequest request = greedyRequest(prompt, 150);
    request.strategy = strategy;
    request.options = choices;
    if (strategy == "speculate")
      request.drafts = {draft};
    return idsOf(generate(*target, request));
  };
  const auto expected = ids("greedy", {});
  EXPECT_EQ(expected.size(), 150u);
  for (const char *tree : {"1,1,1,1", "4,2"})
    EXPECT_EQ(ids("speculate", {{"tree", tree}}), expected) << tree;
  EXPECT_EQ(ids("prompt_lookup", {}), expected);
}

TEST_F(Speculation, SampledIdsAreThoseOfPlainSampling) {
  const OptionList sampling = {{"temperature", "0.9"}, {"top_p", "0.95"}};
  for (const auto &prompt : prompts) {
    const auto expected = idsOf(run(prompt, "sample", sampling));
    OptionList tree = sampling;
    tree.emplace_back("tree", "4,2");
    EXPECT_EQ(idsOf(run(prompt, "speculate", tree)), expected);
    EXPECT_EQ(idsOf(run(prompt, "prompt_lookup", sampling)), expected);
  }
}

TEST_F(Speculation, AWiderTreeIsAcceptedMoreOften) {
  int64_t narrow = 0, wide = 0;
  for (const auto &prompt : prompts) {
    narrow += counter(run(prompt, "speculate", {{"tree", "1,1"}}), "target_runs");
    wide += counter(run(prompt, "speculate", {{"tree", "4,2"}}), "target_runs");
  }
  EXPECT_LT(wide, narrow);
}

TEST_F(Speculation, ChainsAreAcceptedAsOftenAsTheReferenceSays) {
  expectAcceptance(acceptance()["greedy_prompts"], prompts);
}

TEST_F(Speculation, ChainsBehindTheValidationTextAreAcceptedAsOftenAsTheReferenceSays) {
  const auto text = fileIds(*target, sourcePath("examples/models/kjv-valid.txt"));
  std::vector<std::vector<int32_t>> cuts;
  for (size_t i = 0; i < 32; ++i) {
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(i * (text.size() / 32));
    cuts.push_back({0}); // BOS
    cuts.back().insert(cuts.back().end(), begin, begin + 32);
  }
  expectAcceptance(acceptance()["validation_prompts"], cuts);
}

/// The logits behind `ids`, appended to a sequence of its own.
std::vector<float> append(Session &session, SequenceId sequence, std::span<const int32_t> ids) {
  Want want;
  want.rows = RowSet::Last;
  ForwardRequest request;
  request.sequence = sequence;
  request.ids = ids;
  request.wants = {&want, 1};
  ForwardOutcome outcome;
  session.forward({&request, 1}, {&outcome, 1});
  EXPECT_TRUE(outcome.status) << outcome.status.message();
  const auto row = outcome.result[0].row(0);
  return {row.begin(), row.end()};
}

void expectNear(std::span<const float> got, std::span<const float> expected) {
  ASSERT_EQ(got.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i)
    worst = std::max<double>(worst, std::abs(got[i] - expected[i]));
  EXPECT_LT(worst, 1e-4);
}

TEST_F(Speculation, CommittedAndTruncatedStatesContinueAsIfNothingElseHadBeenRun) {
  const auto text = fileIds(*target, sourcePath("examples/models/kjv-valid.txt"));
  const std::span<const int32_t> ids(text.data(), 90);
  auto made = Session::create(target->model);
  ASSERT_TRUE(made) << made.status().message();
  Session &session = **made;
  EngineThread::shared().run([&] {
    const SequenceId plain = *session.openSequence(), other = *session.openSequence();
    const auto expected = append(session, plain, ids);
    append(session, other, ids.first(40));
    // A tree of 12 rows over a page's border; its path 1, 4, 6 holds the next three ids.
    const std::vector<int32_t> tree = {9, ids[40], 7, 8, ids[41], 5, ids[42], 3, 2, 1, 4, 6};
    const std::vector<int32_t> parents = {-1, -1, -1, 0, 1, 1, 4, 4, 2, 3, 6, 10};
    ForwardRequest request;
    request.sequence = other;
    request.ids = tree;
    request.parents = parents;
    request.mode = RowMode::Draft;
    ForwardOutcome outcome;
    session.forward({&request, 1}, {&outcome, 1});
    ASSERT_TRUE(outcome.status) << outcome.status.message();
    const std::vector<int32_t> path = {1, 4, 6};
    ASSERT_TRUE(session.commit(other, path));
    ASSERT_EQ(*session.length(other), 43);
    // Another text, taken back.
    append(session, other, std::span(text).subspan(500, 300));
    ASSERT_TRUE(session.truncate(other, 43));
    expectNear(append(session, other, ids.subspan(43)), expected);
    ASSERT_TRUE(session.closeSequence(plain) && session.closeSequence(other));
  });
}

} // namespace
