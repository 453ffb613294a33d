// Profiles: what the executor reports, and what ops cost.
#include "runtime/profile/Profile.h"
#include "SessionFixture.h"
#include "runtime/profile/OpText.h"

namespace plexus::test {
namespace {

TEST(OpText, SaysWhatAnOpMovesAndMultiplies) {
  auto op = OpText::parse("plx.rms_norm+plx.linear w0 w2 bT512 bT8 bR64 b1100 mT2048 a1:16");
  ASSERT_TRUE(op) << op.status().message();
  EXPECT_EQ(op->name, "plx.rms_norm+plx.linear");
  EXPECT_EQ(op->weights, (std::vector<int>{0, 2}));
  EXPECT_EQ(op->bytes, (std::array<int64_t, 4>{100, 520, 0, 64}));
  EXPECT_EQ(op->multiplies, (std::array<int64_t, 4>{0, 2048, 0, 0}));
  ASSERT_EQ(op->attends.size(), 1u);
  EXPECT_EQ(op->attends[0], (std::pair<int, int64_t>{1, 16}));
}

TEST(OpText, RefusesOtherWordsByTheirText) {
  for (const char *text : {"", "a  w0", "a w", "a w-1", "a wx", "a bQ4", "a b", "a bT", "a bT4x",
                           "a a1", "a a1:", "a a:2", "a z9", "a w99999999999"}) {
    auto op = OpText::parse(text);
    ASSERT_FALSE(op) << text;
    EXPECT_EQ(op.status().code(), Code::Corrupt) << text;
  }
}

TEST(Profile, HasEachStepOfEachRunWhileActive) {
  auto session = makeSession();
  const std::vector<int32_t> ids = {1, 2, 3};
  const NamedTensor input{"input_ids", Tensor::borrow(DType::I32, {1, 3}, ids.data())};
  ASSERT_TRUE(session->runNamed({&input, 1}));
  Profile profile;
  profile.activate();
  ASSERT_TRUE(session->runNamed({&input, 1}));
  profile.deactivate();
  ASSERT_TRUE(session->runNamed({&input, 1}));
  ASSERT_EQ(profile.runs().size(), 1u);
  const Profile::Run &run = profile.runs()[0];
  EXPECT_EQ(run.tokens, 3);
  EXPECT_LE(run.begin, run.end);
  EXPECT_EQ(profile.spans().size(), run.program->schedules[run.schedule].steps.size());
  Profile::Time last = run.begin;
  for (const Profile::Span &span : profile.spans()) {
    EXPECT_LE(last, span.begin);
    EXPECT_LE(span.begin, span.end);
    EXPECT_EQ(span.op, nullptr); // These segments have no marks.
    last = span.end;
  }
}

TEST(Profile, CostsFollowTheSizesOfTheRun) {
  Program program;
  program.states.push_back({"kv", StateKind::Kv, 2, 4, 4, 0, DType::F32, {0}});
  program.weights.push_back({"w", 0, {32, 64}, DType::F32, WeightEncoding::Packed, 0, 8192});
  program.segments.push_back({"attn", "", "", {}, {}, {"w"}, {0}, 0, {}});
  program.schedules.push_back({"forward", {}, {}, {{0, 0, {}, {}, {}, {0}}}, {}, {}});
  const int32_t begins[] = {0, 3}, past[] = {5};
  plx_batch batch = {};
  batch.tokens = 3, batch.sequences = 1, batch.outputs = 1;
  batch.token_begin = begins, batch.past = past;
  Profile profile;
  profile.beginRun(program, 0, batch);
  profile.beginStep(0);
  profile.mark("plx.linear w0 bT10 bR100 mT2048");
  profile.mark("attn.attention a0:8");
  profile.endStep();
  profile.endRun();
  auto linear = costOf(profile.runs()[0], profile.spans()[1]);
  ASSERT_TRUE(linear) << linear.status().message();
  EXPECT_EQ(linear->bytes, 8192 + 3 * 10 + 100);
  EXPECT_EQ(linear->operations, 2 * 3 * 2048);
  auto attention = costOf(profile.runs()[0], profile.spans()[2]);
  ASSERT_TRUE(attention) << attention.status().message();
  // Eight slots are read once; three tokens see 6, 7 and 8 of them.
  EXPECT_EQ(attention->bytes, 8 * 2 * (4 + 4) * 4);
  EXPECT_EQ(attention->operations, 2.0 * (6 + 7 + 8) * 8 * (4 + 4));
  auto rows = summarize(profile, [](const Profile::Run &) { return true; });
  ASSERT_TRUE(rows) << rows.status().message();
  ASSERT_EQ(rows->size(), 4u);
  EXPECT_EQ(rows->back().op, "(between steps)");
}

} // namespace
} // namespace plexus::test
