// Requests that make no sense are refused by message and leave their sequence as it was.
#include "SessionFixture.h"

namespace plexus::test {
namespace {

class RequestErrors : public ::testing::Test {
protected:
  std::unique_ptr<Session> session = makeSession({.context = 40});
  SequenceId sequence = *session->openSequence();
  std::vector<int32_t> ids = {1, 2, 3};

  ForwardRequest request() {
    ForwardRequest r;
    r.sequence = sequence;
    r.ids = ids;
    return r;
  }
  void expectRefused(const ForwardRequest &r, Code code, std::vector<std::string> says) {
    int64_t length = *session->length(sequence), pending = *session->pending(sequence);
    ForwardOutcome outcome = forwardOne(*session, r);
    EXPECT_EQ(outcome.status.code(), code) << outcome.status.message();
    for (const std::string &words : says)
      EXPECT_NE(outcome.status.message().find(words), std::string::npos)
          << outcome.status.message() << " does not say " << words;
    EXPECT_FALSE(outcome.result);
    EXPECT_EQ(*session->length(sequence), length);
    EXPECT_EQ(*session->pending(sequence), pending);
  }
};

TEST_F(RequestErrors, PromptLongerThanTheContextNamesBothNumbers) {
  auto longPrompt = someIds(41, 1);
  ForwardRequest r = request();
  r.ids = longPrompt;
  expectRefused(r, Code::ResourceExhausted, {"41", "40"});
  append(*session, sequence, someIds(39, 2));
  r.ids = ids;
  expectRefused(r, Code::ResourceExhausted, {"3 rows after 39", "40"});
}

TEST_F(RequestErrors, EmptyPrompt) {
  ForwardRequest r = request();
  r.ids = {};
  expectRefused(r, Code::InvalidArgument, {"empty"});
}

TEST_F(RequestErrors, IdsOutsideTheVocabulary) {
  for (int32_t bad : {-1, kVocabulary}) {
    ids[1] = bad;
    expectRefused(request(), Code::InvalidArgument, {std::to_string(bad), "row 1", "37"});
  }
}

TEST_F(RequestErrors, UnknownSequences) {
  ForwardRequest r = request();
  for (uint64_t id : {uint64_t(0), uint64_t(77), ~uint64_t(0)}) {
    r.sequence = static_cast<SequenceId>(id);
    expectRefused(r, Code::NotFound, {"no open sequence"});
  }
  SequenceId closed = *session->openSequence();
  ASSERT_TRUE(session->closeSequence(closed));
  SequenceId reused = *session->openSequence();
  EXPECT_NE(closed, reused);
  r.sequence = closed;
  expectRefused(r, Code::NotFound, {"no open sequence"});
}

TEST_F(RequestErrors, UnknownTapsAndOutputsListThoseThatExist) {
  Want want;
  want.source = Source::Tap;
  want.layer = 1;
  want.name = "mlp.in";
  ForwardRequest r = request();
  r.wants = {&want, 1};
  expectRefused(r, Code::NotFound, {"mlp.in", "attn.out"});
  want.source = Source::Output;
  want.name = "logitz";
  expectRefused(r, Code::NotFound,
                {"logitz", "logits, last_hidden_state, pooled", "hidden_states.0 to 3"});
  want.source = Source::Hidden;
  want.layer = 4;
  expectRefused(r, Code::NotFound, {"layer 4", "0 to 3"});
}

TEST_F(RequestErrors, ListsOfTheWrongLengthOrRange) {
  const std::vector<int32_t> two = {0, 1}, far = {0, 1, 40}, negative = {0, 0, -1},
                             third = {0, 0, 2};
  ForwardRequest r = request();
  r.positions = two;
  expectRefused(r, Code::InvalidArgument, {"positions has 2 entries for 3 rows"});
  r.positions = far;
  expectRefused(r, Code::InvalidArgument, {"position 40", "40"});
  r.positions = {};
  r.tokenTypes = negative;
  expectRefused(r, Code::InvalidArgument, {"token type -1"});
  r.tokenTypes = third;
  expectRefused(r, Code::InvalidArgument, {"token type 2", "2 types"});
  r.tokenTypes = {};
  r.parents = two;
  expectRefused(r, Code::InvalidArgument, {"parents has 2 entries"});
  r.flags = 0x80;
  expectRefused(r, Code::Unsupported, {"flags 128"});
}

TEST_F(RequestErrors, ParentsThatAreNotYetThere) {
  const std::vector<int32_t> self = {-1, 1, 0}, below = {-2, 0, 1}, branch = {-1, 0, 0};
  ForwardRequest r = request();
  r.mode = RowMode::Draft;
  r.parents = self;
  expectRefused(r, Code::InvalidArgument, {"row 1 has parent 1"});
  r.parents = below;
  expectRefused(r, Code::InvalidArgument, {"parent -2"});
  r.parents = branch;
  r.mode = RowMode::Append;
  expectRefused(r, Code::InvalidArgument, {"chain", "row 2"});
  r.bidirectional = true;
  expectRefused(r, Code::InvalidArgument, {"parents"});
}

TEST_F(RequestErrors, LayerRangesAndMasksThatDoNotFit) {
  const std::vector<uint8_t> shortMask = {0, 0}, badBits = {0, 9, 0};
  ForwardRequest r = request();
  r.mode = RowMode::Scratch;
  r.layerEnd = 4;
  expectRefused(r, Code::InvalidArgument, {"of a model of 3"});
  r.layerEnd = -1;
  r.layerBegin = 1;
  expectRefused(r, Code::InvalidArgument, {"need hidden rows"});
  r.layerBegin = 0;
  r.skip = shortMask;
  expectRefused(r, Code::InvalidArgument, {"2 entries for 3 layers"});
  r.skip = badBits;
  expectRefused(r, Code::InvalidArgument, {"layer 1"});
}

TEST_F(RequestErrors, ReductionsOutsideTheRow) {
  Want want;
  want.reduce = Reduce::TopK;
  want.k = kVocabulary + 1;
  ForwardRequest r = request();
  r.wants = {&want, 1};
  expectRefused(r, Code::InvalidArgument, {"38", "37"});
  const int32_t bad[] = {37};
  want.reduce = Reduce::LogProbs;
  want.ids = bad;
  expectRefused(r, Code::InvalidArgument, {"id 37"});
  const int32_t rows[] = {1, 3};
  want.reduce = Reduce::Full;
  want.rows = RowSet::Listed;
  want.listed = rows;
  expectRefused(r, Code::InvalidArgument, {"row 3 of 3"});
}

TEST_F(RequestErrors, ABadRequestDoesNotTouchItsNeighbours) {
  SequenceId other = *session->openSequence();
  std::vector<int32_t> bad = {99};
  Want want = wantLogits();
  ForwardRequest requests[3] = {request(), request(), request()};
  requests[0].ids = bad;
  requests[1].sequence = other;
  for (ForwardRequest &r : requests)
    r.wants = {&want, 1};
  ForwardOutcome outcomes[3];
  session->forward(requests, outcomes);
  EXPECT_FALSE(outcomes[0].status);
  auto alone = recompute({.context = 40}, chain(ids)).logits.back();
  for (int i : {1, 2}) {
    ASSERT_TRUE(outcomes[i].status) << outcomes[i].status.message();
    expectNear(outcomes[i].result[0].row(0), alone, "neighbour");
  }
}

TEST_F(RequestErrors, AppendWhileRowsArePending) {
  ForwardRequest r = request();
  r.mode = RowMode::Draft;
  ASSERT_TRUE(forwardOne(*session, r).status);
  expectRefused(request(), Code::InvalidArgument, {"3 rows are pending"});
}

TEST(SessionErrors, StatesBeyondTheirBudgetFailTheRequestOnly) {
  FakeOptions options;
  auto image = makeFakeImage(options);
  SessionOptions sessionOptions;
  sessionOptions.maxStateBytes = image->program.states[0].pageBytes() * 3;
  auto session = *Session::create(*Model::create(image), sessionOptions);
  SequenceId a = *session->openSequence(), b = *session->openSequence();
  auto ids = someIds(64, 1);
  append(*session, a, ids);
  ForwardRequest request;
  request.sequence = b;
  request.ids = ids;
  ForwardOutcome outcome = forwardOne(*session, request);
  EXPECT_EQ(outcome.status.code(), Code::ResourceExhausted);
  EXPECT_EQ(*session->length(b), 0);
  ASSERT_TRUE(session->closeSequence(a));
  EXPECT_FALSE(append(*session, b, ids).empty());
}

TEST(SessionErrors, CodeWithoutItsSymbolsListsThemAll) {
  auto image = std::make_shared<ModelImage>(*makeFakeImage());
  image->program.segments[0].symbol = "embedd";
  image->program.segments[2].scratch = "skratch";
  auto model = Model::create(image);
  EXPECT_EQ(model.status().code(), Code::NotFound);
  EXPECT_NE(model.status().message().find("embedd, skratch"), std::string::npos)
      << model.status().message();
}

TEST(SessionErrors, AnotherCallVersionIsAMismatch) {
  auto image = std::make_shared<ModelImage>(*makeFakeImage());
  image->program.callVersion = PLX_CALL_VERSION + 1;
  EXPECT_EQ(Model::create(image).status().code(), Code::Mismatch);
}

} // namespace
} // namespace plexus::test
