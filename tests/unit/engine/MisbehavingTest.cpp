// Strategies that throw, insist, block, and hand over nonsense: the engine names them and goes on.
#include "tests/unit/engine/EngineTestBase.h"

namespace plexus::test {
namespace {

class MisbehavingTest : public EngineTest {
protected:
  /// The engine still works.
  void TearDown() override {
    if (!engine)
      return;
    const GenerationResult result = engine->generate(request({1, 2, 3}));
    ASSERT_TRUE(result.status) << result.status.message();
    EXPECT_EQ(result.outputs[0].ids, referenceGreedy({}, {1, 2, 3}, 24));
    EXPECT_EQ(backend(model).openSequences(), 0u);
    EXPECT_EQ(backend(model).openSnapshots(), 0u);
  }
  Status failure(const std::string &strategy, const OptionList &options = {}) {
    GenerationOptions each = request({1, 2, 3}, strategy);
    each.options = options;
    return engine->generate(each).status;
  }
};

TEST_F(MisbehavingTest, ExceptionsBecomeErrorsThatNameTheStrategyAndThePlugin) {
  const Status first = failure("throws_at_once");
  EXPECT_EQ(first.code(), Code::Internal);
  EXPECT_EQ(first.message(),
            "strategy 'throws_at_once' of plugin 'misbehaving': the plugin threw this");
  EXPECT_NE(failure("throws_later").message().find("not a std::exception"), std::string::npos);
}

TEST_F(MisbehavingTest, EmittingForEverEndsAtTheTokenLimit) {
  const GenerationResult result = engine->generate(request({1, 2, 3}, "emits_for_ever"));
  ASSERT_TRUE(result.status) << result.status.message();
  EXPECT_EQ(result.outputs[0].ids, referenceGreedy({}, {1, 2, 3}, 24));
  EXPECT_EQ(result.outputs[0].stop, PLX_STOP_LENGTH);
  EXPECT_LT(result.timing.steps, 100);
}

TEST_F(MisbehavingTest, AskingForEverEndsWithAnError) {
  for (const char *strategy : {"asks_for_ever", "insists"}) {
    const Status status = failure(strategy);
    EXPECT_EQ(status.code(), Code::ResourceExhausted);
    EXPECT_NE(status.message().find("without emitting"), std::string::npos) << status.message();
  }
}

TEST_F(MisbehavingTest, BlockingIsReportedAndTheCallerGoesOn) {
  std::string reported;
  std::mutex mutex;
  EngineOptions options = engineOptions();
  options.report = [&](std::string_view message) {
    std::lock_guard lock(mutex);
    reported = message;
  };
  engine = std::make_unique<Engine>(host, thread, options);
  int pieces = 0;
  GenerationOptions each = request({1, 2, 3}, "blocks");
  each.onPiece = [&](const GenerationPiece &) { return ++pieces, true; };
  const auto start = std::chrono::steady_clock::now();
  const GenerationResult result = engine->generate(each);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(550));
  EXPECT_EQ(result.status.code(), Code::Internal);
  EXPECT_NE(
      result.status.message().find("strategy 'blocks' of plugin 'misbehaving' has not returned"),
      std::string::npos);
  {
    std::lock_guard lock(mutex);
    EXPECT_EQ(reported, result.status.message());
  }
  thread.run([] {}); // until the strategy came back
  EXPECT_EQ(pieces, 1) << "nothing is delivered to a caller that has gone on";
}

TEST_F(MisbehavingTest, OtherNonsenseIsRefused) {
  EXPECT_NE(failure("awaits_nothing").message().find("not a forward request"), std::string::npos);
  EXPECT_NE(failure("emits_nonsense").message().find("outside the vocabulary"), std::string::npos);
}

struct BadRequest {
  const char *name;
  Code code;
  const char *field;
};
void PrintTo(const BadRequest &each, std::ostream *out) { *out << each.name; }
class BadRequestTest : public MisbehavingTest, public ::testing::WithParamInterface<BadRequest> {};

TEST_P(BadRequestTest, IsRefusedByItsField) {
  const Status status = failure("bad_requests", {{"case", GetParam().name}});
  EXPECT_EQ(status.code(), GetParam().code) << status.message();
  EXPECT_NE(status.message().find(GetParam().field), std::string::npos) << status.message();
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRequestTest,
    ::testing::Values(BadRequest{"null_request", Code::InvalidArgument, "plx_forward is NULL"},
                      BadRequest{"small_struct", Code::Mismatch, "plx_forward.struct_size is 8"},
                      BadRequest{"unknown_field", Code::Unsupported, "sets a field"},
                      BadRequest{"extension", Code::Unsupported, "extension of kind 77"},
                      BadRequest{"sequence", Code::InvalidArgument, "sequence 12345 is not open"},
                      BadRequest{"mode", Code::InvalidArgument, "mode is 9"},
                      BadRequest{"replace", Code::Unsupported, "PLX_MODE_REPLACE is reserved"},
                      BadRequest{"flags", Code::Unsupported, "flags = 64"},
                      BadRequest{"visibility", Code::Unsupported, "visibility is reserved"},
                      BadRequest{"options", Code::Unsupported, "options is reserved"},
                      BadRequest{"no_input", Code::InvalidArgument, "input_count is 0"},
                      BadRequest{"two_inputs", Code::Unsupported, "inputs[1]"},
                      BadRequest{"port", Code::Unsupported, "port = 'pixels'"},
                      BadRequest{"kind", Code::InvalidArgument, "kind is 17"},
                      BadRequest{"refs", Code::Unsupported, "PLX_INPUT_REFS"},
                      BadRequest{"dtype", Code::InvalidArgument, "dtype is 2"},
                      BadRequest{"device", Code::InvalidArgument, "device is 5"},
                      BadRequest{"ndim", Code::InvalidArgument, "ndim is 2"},
                      BadRequest{"empty", Code::InvalidArgument, "shape[0] is 0"},
                      BadRequest{"huge", Code::InvalidArgument, "shape[0] is 1099511627776"},
                      BadRequest{"strides", Code::Unsupported, "strides"},
                      BadRequest{"null_data", Code::InvalidArgument, "data is NULL"},
                      BadRequest{"source", Code::InvalidArgument, "source is 40"},
                      BadRequest{"head_at", Code::Unsupported, "PLX_SOURCE_HEAD_AT"},
                      BadRequest{"statistics", Code::Unsupported, "PLX_REDUCE_STATISTICS"},
                      BadRequest{"k", Code::InvalidArgument, "k is 0"},
                      BadRequest{"place", Code::Unsupported, "place is reserved"},
                      BadRequest{"token", Code::InvalidArgument, "bad id"}),
    [](const auto &info) { return std::string(info.param.name); });

TEST_F(MisbehavingTest, ARequestThatIsFineIsFine) {
  EXPECT_TRUE(failure("bad_requests", {{"case", "none"}}));
}

class ProbeTest : public MisbehavingTest, public ::testing::WithParamInterface<const char *> {};
TEST_P(ProbeTest, FindsEveryHostFunctionAsDocumented) {
  GenerationOptions options = request({1, 2, 3}, GetParam());
  options.stopTokens = {31};
  const GenerationResult result = engine->generate(options);
  EXPECT_TRUE(result.status) << result.status.message();
  EXPECT_FALSE(result.outputs.empty());
}
INSTANTIATE_TEST_SUITE_P(All, ProbeTest,
                         ::testing::Values("probe_sequences", "probe_wants", "probe_distributions",
                                           "probe_text"),
                         [](const auto &info) { return std::string(info.param); });

TEST_F(MisbehavingTest, CountersAndFurtherOutputsAreReported) {
  GenerationOptions options = request({1, 2, 3}, "probe_text");
  options.stopTokens = {31};
  const GenerationResult result = engine->generate(options);
  const std::vector<std::pair<std::string, int64_t>> counters = {{"drafted", 2}, {"own", 4}};
  EXPECT_EQ(result.counters, counters);
  ASSERT_EQ(result.outputs.size(), 2u);
  EXPECT_EQ(result.outputs[1].ids, (std::vector<int32_t>{2, 3, 31}));
  EXPECT_EQ(result.outputs[1].text, "cd");
  EXPECT_EQ(result.outputs[1].score, -0.5);
  EXPECT_EQ(result.outputs[0].stop, PLX_STOP_FINISHED);
}

} // namespace
} // namespace plexus::test
