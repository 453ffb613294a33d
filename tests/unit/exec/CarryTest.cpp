// Recurrent states: who starts from which slot, what is kept, and what going back costs.
#include "SessionFixture.h"

#include "runtime/exec/SessionImpl.h"

namespace plexus::test {
namespace {

std::vector<int32_t> joined(std::vector<int32_t> a, const std::vector<int32_t> &b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class CarryTest : public ::testing::TestWithParam<FakeOptions> {
protected:
  FakeOptions options = GetParam();
  std::unique_ptr<Session> session = makeSession(options);
  SequenceId sequence = *session->openSequence();
  std::vector<int32_t> prompt = someIds(20, 3);

  ForwardRequest request(std::span<const int32_t> ids, RowMode mode) {
    ForwardRequest r;
    r.sequence = sequence;
    r.ids = ids;
    r.mode = mode;
    return r;
  }
  std::vector<float> alone(const std::vector<int32_t> &ids) {
    return recompute(options, chain(ids)).logits.back();
  }
};

TEST_P(CarryTest, ChunksAndRestoredSnapshotsContinueToTheBit) {
  auto ids = someIds(60, 4);
  auto whole = append(*session, sequence, ids);
  SequenceId other = *session->openSequence();
  std::vector<float> last;
  SnapshotId snapshot{};
  for (auto [begin, count] : {std::pair<size_t, size_t>{0, 1}, {1, 24}, {25, 7}, {32, 28}}) {
    if (begin == 25)
      snapshot = *session->snapshot(other);
    last = append(*session, other, {ids.begin() + begin, ids.begin() + begin + count});
  }
  EXPECT_EQ(last, whole);
  ASSERT_TRUE(session->restore(other, snapshot));
  EXPECT_EQ(append(*session, other, {ids.begin() + 25, ids.end()}), whole);
}

TEST_P(CarryTest, CommittedRowsAreKeptAtTheLastOneAlone) {
  append(*session, sequence, prompt);
  Status status = session->truncate(sequence, 12);
  EXPECT_EQ(status.code(), Code::NotKept);
  EXPECT_NE(status.message().find("snapshot"), std::string::npos) << status.message();
  expectNear(append(*session, sequence, {5}), alone(joined(prompt, {5})), "refused, so unchanged");
  ASSERT_TRUE(session->truncate(sequence, 0));
  expectNear(append(*session, sequence, {6, 7}), alone({6, 7}), "from nothing again");
}

TEST_P(CarryTest, AcceptedPrefixesOfDraftedChainsAreCommitted) {
  append(*session, sequence, prompt);
  for (int accepted = 0; accepted <= 5; ++accepted) {
    auto drafted = someIds(5, 70 + accepted);
    ASSERT_TRUE(forwardOne(*session, request(drafted, RowMode::Draft)).status);
    std::vector<int32_t> path;
    for (int i = 0; i < accepted; ++i)
      path.push_back(i);
    ASSERT_TRUE(session->commit(sequence, path));
    drafted.resize(accepted);
    prompt = joined(joined(prompt, drafted), {1});
    expectNear(append(*session, sequence, {1}), alone(prompt), "after the accepted rows");
  }
}

TEST_P(CarryTest, RowsDoNotSeeEachOtherBothWays) {
  ForwardRequest r = request(prompt, RowMode::Scratch);
  r.bidirectional = true;
  Status status = forwardOne(*session, r).status;
  EXPECT_EQ(status.code(), Code::Unsupported);
  EXPECT_NE(status.message().find("one way"), std::string::npos) << status.message();
}

TEST_P(CarryTest, SkippedLayersLeaveTheirStateAsItWas) {
  // With layer 1 skipped, later rows go on from what layer 1 carried before.
  append(*session, sequence, prompt);
  std::vector<uint8_t> skip = {SkipNone, SkipAttention, SkipNone};
  const std::vector<int32_t> between = {4, 9};
  ForwardRequest r = request(between, RowMode::Draft);
  r.skip = skip;
  ASSERT_TRUE(forwardOne(*session, r).status);
  const int32_t path[] = {0, 1};
  ASSERT_TRUE(session->commit(sequence, path));
  auto got = append(*session, sequence, {2});

  auto other = makeSession(options);
  SequenceId same = *other->openSequence();
  append(*other, same, prompt);
  ForwardRequest appended = r;
  appended.sequence = same;
  appended.mode = RowMode::Append;
  ASSERT_TRUE(forwardOne(*other, appended).status) << "recurrences need no rows of every layer";
  EXPECT_EQ(append(*other, same, {2}), got);
  EXPECT_NE(got, append(*session, *session->openSequence(), joined(joined(prompt, between), {2})));
}

TEST_P(CarryTest, DraftsThatExitEarlyEnterAgainAndCommit) {
  append(*session, sequence, prompt);
  Want at1;
  at1.source = Source::Hidden;
  at1.layer = 1;
  at1.rows = RowSet::All;
  const std::vector<int32_t> drafted = {4, 9, 11}, parents = {-1, 0, 0}, path = {0, 2};
  ForwardRequest early = request(drafted, RowMode::Draft);
  early.parents = parents;
  early.wants = {&at1, 1};
  early.layerEnd = 1;
  ForwardOutcome exited = forwardOne(*session, early);
  ASSERT_TRUE(exited.status) << exited.status.message();
  ForwardRequest rest = request({}, RowMode::Draft);
  std::vector<float> rows(exited.result[0].data, exited.result[0].data + 3 * kHidden);
  const std::vector<int32_t> again = {0, 1, 2};
  rest.hidden = rows;
  rest.layerBegin = 1;
  rest.reenter = again;
  ForwardOutcome late = forwardOne(*session, rest);
  ASSERT_TRUE(late.status) << late.status.message();
  ASSERT_TRUE(session->commit(sequence, path));
  expectNear(append(*session, sequence, {1}), alone(joined(prompt, {4, 11, 1})), "committed");
}

INSTANTIATE_TEST_SUITE_P(Models, CarryTest,
                         ::testing::Values(FakeOptions{.recurrent = Recurrent::Odd},
                                           FakeOptions{.recurrent = Recurrent::All}),
                         [](const auto &info) { return optionsName(info.param); });

TEST(CarrySlots, SlotsComeBackWhenNothingHoldsThem) {
  auto image = makeFakeImage({.recurrent = Recurrent::All});
  int64_t slot = image->program.carryBytes();
  EXPECT_EQ(slot, 3 * 64) << "three layers of 32 bytes, each at a multiple of 64";
  // Zeros, two of a sequence, one for each of four drafted rows.
  SessionOptions few{.maxStateBytes = slot * 7};
  auto session = *Session::create(*Model::create(image), few);
  SequenceId sequence = *session->openSequence();
  append(*session, sequence, {1, 2, 3});
  ForwardRequest r;
  r.sequence = sequence;
  r.mode = RowMode::Draft;
  const std::vector<int32_t> six = {1, 2, 3, 4, 5, 6}, four = {1, 2, 3, 4}, path = {0, 1};
  for (int round = 0; round < 20; ++round) {
    r.ids = round == 0 ? six : four;
    auto before = *session->length(sequence);
    Status status = forwardOne(*session, r).status;
    if (round == 0) {
      EXPECT_EQ(status.code(), Code::ResourceExhausted);
      EXPECT_EQ(*session->pending(sequence), 0) << "a failed request leaves nothing";
      continue;
    }
    ASSERT_TRUE(status) << status.message();
    ASSERT_TRUE(session->commit(sequence, path));
    EXPECT_EQ(*session->length(sequence), before + 2);
    append(*session, sequence, four);
  }
}

TEST(CarrySlots, AFailedRequestLeavesTheSequenceAsItWas) {
  FakeOptions options{.context = 40, .recurrent = Recurrent::All};
  auto image = makeFakeImage(options);
  SessionOptions tight{.chunk = 4, .maxStateBytes = image->program.carryBytes() * 4};
  auto session = *Session::create(*Model::create(image), tight);
  SequenceId sequence = *session->openSequence(), other = *session->openSequence();
  append(*session, sequence, {1, 2, 3});
  append(*session, other, {1});
  // The second chunk finds no slot: the first one is undone.
  auto ids = someIds(12, 5);
  ForwardRequest r;
  r.sequence = sequence;
  r.ids = ids;
  Status status = forwardOne(*session, r).status;
  ASSERT_EQ(status.code(), Code::ResourceExhausted) << status.message();
  EXPECT_EQ(*session->length(sequence), 3);
  ASSERT_TRUE(session->closeSequence(other));
  expectNear(append(*session, sequence, {7}), recompute(options, chain({1, 2, 3, 7})).logits.back(),
             "after the failure");
}

} // namespace
} // namespace plexus::test
