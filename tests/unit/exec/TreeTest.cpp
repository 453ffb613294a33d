// Drafted trees, scratch rows and bidirectional rows: each row sees its own ancestors only.
#include "SessionFixture.h"

namespace plexus::test {
namespace {

/// A tree of pending rows, kept beside the session's to say what each row ought to see.
struct Draft {
  std::vector<int32_t> prompt, ids, parents;

  std::vector<FakeToken> pathTo(int32_t row) const {
    std::vector<int32_t> path;
    for (; row >= 0; row = parents[row])
      path.insert(path.begin(), ids[row]);
    path.insert(path.begin(), prompt.begin(), prompt.end());
    return chain(path);
  }
};

class TreeTest : public ::testing::TestWithParam<FakeOptions> {
protected:
  FakeOptions options = GetParam();
  std::unique_ptr<Session> session = makeSession(options);
  SequenceId sequence = *session->openSequence();
  Draft draft;

  void prompt(size_t length) {
    draft.prompt = someIds(length, 21);
    append(*session, sequence, draft.prompt);
  }

  /// Drafts rows, checks the logits of each against its path alone.
  void draftRows(std::vector<int32_t> ids, std::vector<int32_t> parents) {
    size_t first = draft.ids.size();
    draft.ids.insert(draft.ids.end(), ids.begin(), ids.end());
    draft.parents.insert(draft.parents.end(), parents.begin(), parents.end());
    Want want = wantLogits(RowSet::All);
    ForwardRequest request;
    request.sequence = sequence;
    request.ids = ids;
    request.parents = parents;
    request.mode = RowMode::Draft;
    request.wants = {&want, 1};
    ForwardOutcome outcome = forwardOne(*session, request);
    ASSERT_TRUE(outcome.status) << outcome.status.message();
    for (size_t i = 0; i < ids.size(); ++i) {
      auto want = recompute(options, draft.pathTo(static_cast<int32_t>(first + i))).logits.back();
      expectNear(outcome.result[0].row(static_cast<int64_t>(i)), want,
                 "pending row " + std::to_string(first + i));
    }
  }

  void commit(std::vector<int32_t> path) {
    Status status = session->commit(sequence, path);
    ASSERT_TRUE(status) << status.message();
    for (int32_t row : path)
      draft.prompt.push_back(draft.ids[row]);
    draft.ids.clear();
    draft.parents.clear();
    EXPECT_EQ(*session->length(sequence), static_cast<int64_t>(draft.prompt.size()));
    EXPECT_EQ(*session->pending(sequence), 0);
  }

  void expectContinuation() {
    auto ids = draft.prompt;
    ids.push_back(2);
    expectNear(append(*session, sequence, {2}), recompute(options, chain(ids)).logits.back(),
               "continuation");
    draft.prompt.push_back(2);
  }
};

TEST_P(TreeTest, RowsOfATreeSeeTheirAncestorsOnly) {
  prompt(20);
  draftRows({1, 2, 3, 4, 5, 6, 7}, {-1, -1, 0, 0, 1, 2, 5});
}

TEST_P(TreeTest, TreesGrowOverSeveralRequests) {
  prompt(30); // The tree crosses a page.
  draftRows({1, 2, 3}, {-1, -1, 0});
  draftRows({4, 5, 6, 7}, {2, 1, 3, 0});
  draftRows({8, 9}, {5, -1});
  EXPECT_EQ(*session->pending(sequence), 9);
}

TEST_P(TreeTest, CommittedPathsKeepTheirRowsInOrder) {
  prompt(29);
  for (int round = 0; round < 6; ++round) {
    draftRows({1, 2, 3, 4, 5, 6}, {-1, -1, 1, 1, 3, 4});
    commit(round % 2 ? std::vector<int32_t>{1, 3, 4, 5} : std::vector<int32_t>{1, 2});
    expectContinuation();
  }
}

TEST_P(TreeTest, AnEmptyPathDropsEverything) {
  prompt(10);
  draftRows({1, 2, 3}, {-1, 0, 0});
  commit({});
  expectContinuation();
}

TEST_P(TreeTest, DraftsWithoutParentsContinueTheNewestRow) {
  prompt(10);
  auto ids = someIds(4, 5);
  Want want = wantLogits();
  ForwardRequest request;
  request.sequence = sequence;
  request.mode = RowMode::Draft;
  request.wants = {&want, 1};
  auto path = draft.prompt;
  for (int round = 0; round < 3; ++round) {
    request.ids = ids;
    ForwardOutcome outcome = forwardOne(*session, request);
    ASSERT_TRUE(outcome.status) << outcome.status.message();
    path.insert(path.end(), ids.begin(), ids.end());
    expectNear(outcome.result[0].row(0), recompute(options, chain(path)).logits.back(), "chain");
  }
}

TEST_P(TreeTest, TruncatingDropsTheYoungestPendingRows) {
  prompt(12);
  draftRows({1, 2, 3, 4}, {-1, 0, 0, 1});
  ASSERT_TRUE(session->truncate(sequence, 14));
  EXPECT_EQ(*session->pending(sequence), 2);
  draft.ids.resize(2);
  draft.parents.resize(2);
  draftRows({9, 8}, {1, 2});
  commit({0, 1, 2, 3});
  expectContinuation();
}

TEST_P(TreeTest, ForkSnapshotAndCloseRefuseWhileRowsArePending) {
  prompt(3);
  draftRows({1}, {-1});
  EXPECT_EQ(session->fork(sequence).status().code(), Code::InvalidArgument);
  EXPECT_EQ(session->snapshot(sequence).status().code(), Code::InvalidArgument);
  EXPECT_EQ(session->closeSequence(sequence).code(), Code::InvalidArgument);
  commit({0});
  EXPECT_TRUE(session->fork(sequence));
}

TEST_P(TreeTest, PathsThatAreNoPathsAreRefused) {
  prompt(3);
  draftRows({1, 2, 3}, {-1, -1, 0});
  for (std::vector<int32_t> path : {std::vector<int32_t>{2}, {0, 1}, {1, 2}, {3}, {-1}}) {
    EXPECT_EQ(session->commit(sequence, path).code(), Code::InvalidArgument);
    EXPECT_EQ(*session->pending(sequence), 3);
  }
}

TEST_P(TreeTest, ScratchRowsLeaveNoTrace) {
  prompt(31);
  draftRows({1, 2}, {-1, -1});
  auto ids = someIds(70, 6);
  std::vector<int32_t> parents = {0, 2};
  for (size_t i = 2; i < ids.size(); ++i)
    parents.push_back(static_cast<int32_t>(i) + 1);
  Want want = wantLogits();
  ForwardRequest request;
  request.sequence = sequence;
  request.ids = ids;
  request.parents = parents;
  request.mode = RowMode::Scratch;
  request.wants = {&want, 1};
  ForwardOutcome outcome = forwardOne(*session, request);
  ASSERT_TRUE(outcome.status) << outcome.status.message();
  auto path = draft.prompt;
  path.push_back(1);
  path.insert(path.end(), ids.begin(), ids.end());
  expectNear(outcome.result[0].row(0), recompute(options, chain(path)).logits.back(), "scratch");
  EXPECT_EQ(*session->pending(sequence), 2);
  EXPECT_EQ(*session->length(sequence), 31);
  draftRows({5}, {1});
  commit({1, 2});
  expectContinuation();
}

TEST_P(TreeTest, TreesAndChainsShareABatch) {
  prompt(20);
  SequenceId other = *session->openSequence();
  auto ids = someIds(45, 9);
  const int32_t tree[] = {1, 2, 3}, parents[] = {-1, -1, 1};
  Want want = wantLogits(RowSet::All);
  ForwardRequest requests[2];
  requests[0].sequence = sequence;
  requests[0].ids = tree;
  requests[0].parents = parents;
  requests[0].mode = RowMode::Draft;
  requests[1].sequence = other;
  requests[1].ids = ids;
  requests[0].wants = requests[1].wants = {&want, 1};
  ForwardOutcome outcomes[2];
  resetCalls();
  session->forward(requests, outcomes);
  ASSERT_TRUE(outcomes[0].status && outcomes[1].status);
  EXPECT_EQ(callsOf("embed"), 1);
  draft.ids = {1, 2, 3};
  draft.parents = {-1, -1, 1};
  for (int32_t row = 0; row < 3; ++row)
    expectNear(outcomes[0].result[0].row(row), recompute(options, draft.pathTo(row)).logits.back(),
               "tree");
  FakeTrace trace = recompute(options, chain(ids));
  for (int row = 0; row < 45; ++row)
    expectNear(outcomes[1].result[0].row(row), trace.logits[row], "chain");
}

INSTANTIATE_TEST_SUITE_P(Models, TreeTest,
                         ::testing::Values(FakeOptions{}, FakeOptions{.window = 7},
                                           FakeOptions{.recurrent = Recurrent::Odd},
                                           FakeOptions{.recurrent = Recurrent::All}),
                         [](const auto &info) { return optionsName(info.param); });

TEST(Tree, BidirectionalRowsSeeEachOther) {
  // In a causal model through bitmaps, in an encoder by itself: the same numbers.
  auto ids = someIds(40, 3);
  FakeTrace trace = recompute({.task = "encoder"}, chain(ids));
  for (const char *task : {"causal-lm", "encoder"}) {
    auto session = makeSession({.task = task});
    Want want = wantLogits(RowSet::All);
    ForwardRequest request;
    request.sequence = *session->openSequence();
    request.ids = ids;
    request.bidirectional = true;
    request.mode = RowMode::Scratch;
    request.wants = {&want, 1};
    ForwardOutcome outcome = forwardOne(*session, request);
    ASSERT_TRUE(outcome.status) << outcome.status.message();
    for (int row = 0; row < 40; ++row)
      expectNear(outcome.result[0].row(row), trace.logits[row], task);
  }
}

} // namespace
} // namespace plexus::test
