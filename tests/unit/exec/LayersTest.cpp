// Layer ranges, skip masks, hidden rows that enter, taps: parts of a model at a time.
#include "SessionFixture.h"

namespace plexus::test {
namespace {

class LayersTest : public ::testing::Test {
protected:
  FakeOptions options{.layers = 4};
  std::unique_ptr<Session> session = makeSession(options);
  SequenceId sequence = *session->openSequence();
  std::vector<int32_t> ids = someIds(12, 31);

  static Want hidden(int32_t layer, RowSet rows = RowSet::All) {
    Want want;
    want.source = Source::Hidden;
    want.layer = layer;
    want.rows = rows;
    return want;
  }
  ForwardRequest request(std::span<const Want> wants, RowMode mode = RowMode::Scratch) {
    ForwardRequest r;
    r.sequence = sequence;
    r.ids = ids;
    r.mode = mode;
    r.wants = wants;
    return r;
  }
};

TEST_F(LayersTest, HiddenRowsOfEveryBoundaryCanBeRead) {
  std::vector<Want> wants;
  for (int layer = -1; layer <= 4; ++layer)
    wants.push_back(hidden(layer));
  ForwardOutcome outcome = forwardOne(*session, request(wants));
  ASSERT_TRUE(outcome.status) << outcome.status.message();
  FakeTrace trace = recompute(options, chain(ids));
  for (int row = 0; row < 12; ++row) {
    expectNear(outcome.result[0].row(row), trace.last[row], "behind the norm");
    for (int layer = 0; layer <= 4; ++layer)
      expectNear(outcome.result[layer + 1].row(row), trace.hidden[layer][row],
                 "layer " + std::to_string(layer));
  }
}

TEST_F(LayersTest, AnEmptyRangeEmbeds) {
  Want want = hidden(0);
  ForwardRequest r = request({&want, 1});
  r.layerEnd = 0;
  resetCalls();
  ForwardOutcome outcome = forwardOne(*session, r);
  ASSERT_TRUE(outcome.status) << outcome.status.message();
  EXPECT_EQ(callsOf("attn"), 0);
  expectNear(outcome.result[0].row(3), recompute(options, chain(ids)).hidden[0][3], "embedding");
}

TEST_F(LayersTest, HiddenRowsEnterTheHead) {
  FakeTrace trace = recompute(options, chain(ids));
  std::vector<float> rows;
  for (auto &row : trace.hidden[4])
    rows.insert(rows.end(), row.begin(), row.end());
  Want want = wantLogits(RowSet::All);
  ForwardRequest r = request({&want, 1});
  r.ids = {};
  r.hidden = rows;
  r.layerBegin = 4;
  resetCalls();
  ForwardOutcome outcome = forwardOne(*session, r);
  ASSERT_TRUE(outcome.status) << outcome.status.message();
  EXPECT_EQ(callsOf("embed") + callsOf("attn"), 0);
  for (int row = 0; row < 12; ++row)
    expectNear(outcome.result[0].row(row), trace.logits[row], "row " + std::to_string(row));
}

TEST_F(LayersTest, DraftsThatExitEarlyEnterAgainAndCommit) {
  auto prompt = someIds(33, 32);
  append(*session, sequence, prompt);
  Want at2 = hidden(2), full = wantLogits(RowSet::All);
  ForwardRequest draft = request({&at2, 1}, RowMode::Draft);
  draft.layerEnd = 2;
  ForwardOutcome early = forwardOne(*session, draft);
  ASSERT_TRUE(early.status) << early.status.message();
  auto all = prompt;
  all.insert(all.end(), ids.begin(), ids.end());
  FakeTrace trace = recompute(options, chain(all));
  expectNear(early.result[0].row(11), trace.hidden[2].back(), "exit");

  std::vector<int32_t> path(12);
  for (int i = 0; i < 12; ++i)
    path[i] = i;
  Status premature = session->commit(sequence, path);
  EXPECT_EQ(premature.code(), Code::InvalidArgument);
  EXPECT_NE(premature.message().find("layer 2"), std::string::npos) << premature.message();

  std::vector<float> rows(early.result[0].data, early.result[0].data + 12 * kHidden);
  ForwardRequest rest = request({&full, 1}, RowMode::Draft);
  rest.ids = {};
  rest.hidden = rows;
  rest.layerBegin = 2;
  rest.reenter = path;
  ForwardOutcome late = forwardOne(*session, rest);
  ASSERT_TRUE(late.status) << late.status.message();
  for (int row = 0; row < 12; ++row)
    expectNear(late.result[0].row(row), trace.logits[33 + row], "row " + std::to_string(row));
  ASSERT_TRUE(session->commit(sequence, path));
  all.push_back(1);
  expectNear(append(*session, sequence, {1}), recompute(options, chain(all)).logits.back(), "next");
}

TEST_F(LayersTest, RowsThatLackALayerAreNotSilentlySeenThere) {
  append(*session, sequence, {1, 2, 3});
  ForwardRequest draft = request({}, RowMode::Draft);
  draft.layerEnd = 2;
  ASSERT_TRUE(forwardOne(*session, draft).status);
  ForwardOutcome outcome = forwardOne(*session, request({}, RowMode::Draft));
  EXPECT_EQ(outcome.status.code(), Code::InvalidArgument);
  EXPECT_NE(outcome.status.message().find("layer 2"), std::string::npos);
  EXPECT_EQ(*session->pending(sequence), 12);
}

TEST_F(LayersTest, SkippedPartsHandTheResidualOn) {
  const std::vector<uint8_t> skip = {SkipNone, SkipAttention, SkipFfn, SkipBoth};
  Want want = wantLogits(RowSet::All);
  ForwardRequest r = request({&want, 1});
  r.skip = skip;
  ForwardOutcome outcome = forwardOne(*session, r);
  ASSERT_TRUE(outcome.status) << outcome.status.message();
  FakeTrace trace = recompute(options, chain(ids), {skip});
  for (int row = 0; row < 12; ++row)
    expectNear(outcome.result[0].row(row), trace.logits[row], "row " + std::to_string(row));
}

TEST_F(LayersTest, AppendRefusesToLeaveHolesInTheStates) {
  const std::vector<uint8_t> skip = {SkipNone, SkipAttention, SkipNone, SkipNone};
  ForwardRequest r = request({}, RowMode::Append);
  r.skip = skip;
  Status status = forwardOne(*session, r).status;
  EXPECT_EQ(status.code(), Code::InvalidArgument);
  EXPECT_NE(status.message().find("layer 1"), std::string::npos) << status.message();
}

TEST_F(LayersTest, TapsAreReadFromTheLayersThatWereAsked) {
  Want wants[2];
  for (Want &want : wants) {
    want.source = Source::Tap;
    want.name = "attn.out";
    want.rows = RowSet::All;
  }
  wants[0].layer = 2;
  wants[1].layer = 0;
  ForwardOutcome outcome = forwardOne(*session, request(wants));
  ASSERT_TRUE(outcome.status) << outcome.status.message();
  FakeTrace trace = recompute(options, chain(ids));
  for (int row = 0; row < 12; ++row) {
    expectNear(outcome.result[0].row(row), trace.attention[2][row], "layer 2");
    expectNear(outcome.result[1].row(row), trace.attention[0][row], "layer 0");
  }
}

TEST_F(LayersTest, AWantBehindTheRangeFailsAloneInItsBatch) {
  SequenceId other = *session->openSequence();
  Want logits = wantLogits(), at1 = hidden(1, RowSet::Last);
  ForwardRequest requests[2] = {request({&logits, 1}), request({&at1, 1})};
  requests[1].sequence = other;
  requests[0].layerEnd = requests[1].layerEnd = 1;
  ForwardOutcome outcomes[2];
  session->forward(requests, outcomes);
  EXPECT_EQ(outcomes[0].status.code(), Code::InvalidArgument);
  EXPECT_NE(outcomes[0].status.message().find("logits"), std::string::npos);
  ASSERT_TRUE(outcomes[1].status) << outcomes[1].status.message();
  expectNear(outcomes[1].result[0].row(0), recompute(options, chain(ids)).hidden[1].back(),
             "other");
}

} // namespace
} // namespace plexus::test
