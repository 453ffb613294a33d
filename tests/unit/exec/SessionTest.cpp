// Sequences in one batch, in chunks, forked, cut back and restored: always what each alone gives.
#include "SessionFixture.h"

namespace plexus::test {
namespace {

std::vector<float> lastLogits(const FakeOptions &options, const std::vector<int32_t> &ids) {
  return recompute(options, chain(ids)).logits.back();
}

/// Greedy continuation by full recomputation.
std::vector<int32_t> greedyAlone(const FakeOptions &options, std::vector<int32_t> ids, int steps) {
  std::vector<int32_t> produced;
  for (int i = 0; i < steps; ++i) {
    produced.push_back(argmax(lastLogits(options, ids)));
    ids.push_back(produced.back());
  }
  return produced;
}

class SessionTest : public ::testing::TestWithParam<FakeOptions> {
protected:
  FakeOptions options = GetParam();
};

TEST_P(SessionTest, PromptGivesTheLogitsOfEveryRow) {
  auto session = makeSession(options);
  auto ids = someIds(50, 1);
  Want want = wantLogits(RowSet::All);
  ForwardRequest request;
  request.sequence = *session->openSequence();
  request.ids = ids;
  request.wants = {&want, 1};
  ForwardOutcome outcome = forwardOne(*session, request);
  ASSERT_TRUE(outcome.status) << outcome.status.message();
  FakeTrace trace = recompute(options, chain(ids));
  ASSERT_EQ(outcome.result[0].rows, 50);
  for (int t = 0; t < 50; ++t)
    expectNear(outcome.result[0].row(t), trace.logits[t], "row " + std::to_string(t));
}

TEST_P(SessionTest, EightUnlikeSequencesInChunksGiveTheIdsOfEachAlone) {
  SessionOptions sessionOptions;
  sessionOptions.chunk = 24;
  auto session = makeSession(options, sessionOptions);
  const int lengths[] = {1, 3, 17, 32, 33, 64, 90, 130};
  constexpr int kSteps = 12;
  std::vector<SequenceId> sequences;
  std::vector<std::vector<int32_t>> feed, produced(8);
  for (int i = 0; i < 8; ++i) {
    sequences.push_back(*session->openSequence());
    feed.push_back(someIds(lengths[i], 100 + i));
  }
  Want want = wantLogits();
  for (int step = 0; step < kSteps; ++step) {
    std::vector<ForwardRequest> requests(8);
    std::vector<ForwardOutcome> outcomes(8);
    for (int i = 0; i < 8; ++i) {
      requests[i].sequence = sequences[i];
      requests[i].ids = feed[i];
      requests[i].wants = {&want, 1};
    }
    session->forward(requests, outcomes);
    for (int i = 0; i < 8; ++i) {
      ASSERT_TRUE(outcomes[i].status) << outcomes[i].status.message();
      produced[i].push_back(argmax(outcomes[i].result[0].row(0)));
      feed[i] = {produced[i].back()};
    }
  }
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(produced[i], greedyAlone(options, someIds(lengths[i], 100 + i), kSteps)) << i;
}

TEST_P(SessionTest, SeveralRequestsOnOneSequenceRunInTheirOrder) {
  auto session = makeSession(options);
  SequenceId sequence = *session->openSequence();
  auto ids = someIds(20, 3);
  Want want = wantLogits();
  ForwardRequest requests[2];
  requests[0].sequence = requests[1].sequence = sequence;
  requests[0].ids = std::span(ids).first(13);
  requests[1].ids = std::span(ids).subspan(13);
  requests[0].wants = requests[1].wants = {&want, 1};
  ForwardOutcome outcomes[2];
  session->forward(requests, outcomes);
  ASSERT_TRUE(outcomes[0].status && outcomes[1].status);
  expectNear(outcomes[1].result[0].row(0), lastLogits(options, ids), "last row");
  EXPECT_EQ(*session->length(sequence), 20);
}

TEST_P(SessionTest, ForksContinueApart) {
  auto session = makeSession(options);
  SequenceId first = *session->openSequence();
  auto prompt = someIds(41, 5), left = someIds(9, 6), right = someIds(30, 7);
  append(*session, first, prompt);
  SequenceId second = *session->fork(first);
  auto gotLeft = append(*session, first, left), gotRight = append(*session, second, right);
  auto join = [&](std::vector<int32_t> tail) {
    tail.insert(tail.begin(), prompt.begin(), prompt.end());
    return tail;
  };
  expectNear(gotLeft, lastLogits(options, join(left)), "left");
  expectNear(gotRight, lastLogits(options, join(right)), "right");
  ASSERT_TRUE(session->closeSequence(first));
  auto more = join(right);
  more.push_back(4);
  expectNear(append(*session, second, {4}), lastLogits(options, more), "after the other is gone");
}

TEST_P(SessionTest, SnapshotsComeBackAsOftenAsWanted) {
  auto session = makeSession(options);
  SequenceId sequence = *session->openSequence();
  auto ids = someIds(37, 8);
  append(*session, sequence, ids);
  SnapshotId snapshot = *session->snapshot(sequence);
  for (int round = 0; round < 3; ++round) {
    auto tail = someIds(40 + round, 9 + round);
    append(*session, sequence, tail);
    ASSERT_TRUE(session->restore(sequence, snapshot));
    EXPECT_EQ(*session->length(sequence), 37);
    auto whole = ids;
    whole.push_back(round);
    expectNear(append(*session, sequence, {round}), lastLogits(options, whole), "restored");
    ASSERT_TRUE(session->restore(sequence, snapshot));
  }
  ASSERT_TRUE(session->dropSnapshot(snapshot));
  EXPECT_EQ(session->restore(sequence, snapshot).code(), Code::NotFound);
}

INSTANTIATE_TEST_SUITE_P(Models, SessionTest,
                         ::testing::Values(FakeOptions{}, FakeOptions{.window = 7},
                                           FakeOptions{.window = 40},
                                           FakeOptions{.recurrent = Recurrent::Odd},
                                           FakeOptions{.recurrent = Recurrent::All}),
                         [](const auto &info) { return optionsName(info.param); });

TEST(Session, TruncatedSequencesContinueAsIfTheRestHadNeverBeen) {
  FakeOptions options;
  auto session = makeSession(options);
  SequenceId sequence = *session->openSequence();
  auto ids = someIds(100, 11);
  append(*session, sequence, ids);
  for (int64_t length : {97, 64, 33, 32, 5}) {
    ASSERT_TRUE(session->truncate(sequence, length));
    std::vector<int32_t> kept(ids.begin(), ids.begin() + length);
    kept.push_back(7);
    expectNear(append(*session, sequence, {7}), lastLogits(options, kept), "truncated");
    ASSERT_TRUE(session->truncate(sequence, length));
  }
}

/// Pieces that are longer than the ring, that end within one of its pages, and single tokens: rows
/// see their window, whatever pages have been given back and used again.
TEST(Session, SequencesLongerThanARingSeeTheirWindow) {
  for (int window : {1, 40, 64}) {
    FakeOptions options{.context = 700, .window = window};
    auto session = makeSession(options);
    SequenceId sequence = *session->openSequence();
    auto ids = someIds(660, 5);
    size_t fed = 0;
    for (size_t size : {1, 33, 260, 1, 95, 1, 170, 99}) {
      std::vector<int32_t> piece(ids.begin() + fed, ids.begin() + fed + size);
      fed += size;
      std::vector<int32_t> seen(ids.begin(), ids.begin() + fed);
      expectNear(append(*session, sequence, piece), lastLogits(options, seen),
                 "window " + std::to_string(window) + ", " + std::to_string(fed) + " tokens");
    }
    SnapshotId snapshot = *session->snapshot(sequence);
    append(*session, sequence, someIds(40, 6));
    ASSERT_TRUE(session->restore(sequence, snapshot)) << "the snapshot keeps its pages";
    ids.push_back(7);
    expectNear(append(*session, sequence, {7}), lastLogits(options, ids), "restored");
  }
}

TEST(Session, WindowsCannotGoBackBehindWhatTheyDropped) {
  FakeOptions options{.window = 8};
  auto session = makeSession(options);
  SequenceId sequence = *session->openSequence();
  auto ids = someIds(200, 12);
  append(*session, sequence, ids);
  Status status = session->truncate(sequence, 100);
  EXPECT_EQ(status.code(), Code::NotKept);
  EXPECT_NE(status.message().find("ring"), std::string::npos) << status.message();
  EXPECT_EQ(*session->length(sequence), 200) << "a refused truncation changes nothing";
  ASSERT_TRUE(session->truncate(sequence, 199)) << "its page is still there";
  ids.back() = 3;
  expectNear(append(*session, sequence, {3}), lastLogits(options, ids), "one back");
}

TEST(Session, TopKAndLogProbabilitiesAgreeWithTheFullRow) {
  auto session = makeSession();
  auto ids = someIds(10, 13);
  const int32_t asked[] = {0, 36, 5};
  Want wants[3];
  wants[1].reduce = Reduce::TopK;
  wants[1].k = 6;
  wants[2].reduce = Reduce::LogProbs;
  wants[2].ids = asked;
  ForwardRequest request;
  request.sequence = *session->openSequence();
  request.ids = ids;
  request.wants = wants;
  ForwardOutcome outcome = forwardOne(*session, request);
  ASSERT_TRUE(outcome.status) << outcome.status.message();
  auto row = outcome.result[0].row(0);
  double sum = 0;
  for (float logit : row)
    sum += std::exp(logit);
  EXPECT_NEAR(outcome.result[1].logSumExp[0], std::log(sum), 1e-5);
  std::vector<int32_t> order(kVocabulary);
  for (int i = 0; i < kVocabulary; ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(outcome.result[1].ids[i], order[i]);
    EXPECT_EQ(outcome.result[1].values[i], row[order[i]]);
  }
  for (int i = 0; i < 3; ++i)
    EXPECT_NEAR(outcome.result[2].values[i], row[asked[i]] - std::log(sum), 1e-5);
}

TEST(Session, HeldResultsOutliveLaterRunsAndTheSession) {
  auto session = makeSession();
  SequenceId sequence = *session->openSequence();
  auto ids = someIds(5, 14);
  Want want = wantLogits();
  ForwardRequest request;
  request.sequence = sequence;
  request.ids = ids;
  request.wants = {&want, 1};
  ResultRef held = forwardOne(*session, request).result;
  std::vector<float> copy(held[0].row(0).begin(), held[0].row(0).end());
  for (int i = 0; i < 4; ++i)
    append(*session, sequence, {i});
  session.reset();
  expectNear(held[0].row(0), copy, "held");
}

TEST(Session, OnlyStepsThatAWantedOutputNeedsRun) {
  auto session = makeSession();
  auto ids = someIds(5, 15);
  resetCalls();
  ForwardRequest request;
  request.sequence = *session->openSequence();
  request.ids = ids;
  ASSERT_TRUE(forwardOne(*session, request).status);
  EXPECT_EQ(callsOf("head"), 0);
  EXPECT_EQ(callsOf("norm"), 0);
  EXPECT_EQ(callsOf("attn"), 3);
  EXPECT_EQ(callsOf("ffn"), 2) << "nothing reads the last layer's FFN";
}

TEST(Session, ExplicitPositionsAndTokenTypesReachTheModel) {
  FakeOptions options;
  auto session = makeSession(options);
  std::vector<FakeToken> tokens = {{3, 10, 1}, {4, 11, 0}, {5, 40, 1}};
  std::vector<int32_t> ids, positions, types;
  for (const FakeToken &token : tokens) {
    ids.push_back(token.id);
    positions.push_back(token.position);
    types.push_back(token.type);
  }
  Want want = wantLogits();
  ForwardRequest request;
  request.sequence = *session->openSequence();
  request.ids = ids;
  request.positions = positions;
  request.tokenTypes = types;
  request.wants = {&want, 1};
  ForwardOutcome outcome = forwardOne(*session, request);
  ASSERT_TRUE(outcome.status) << outcome.status.message();
  expectNear(outcome.result[0].row(0), recompute(options, tokens).logits.back(), "logits");
}

} // namespace
} // namespace plexus::test
