#include "tests/unit/engine/EngineTestBase.h"

#include <thread>

namespace plexus::test {
namespace {

TEST_F(EngineTest, GreedyGivesTheArgmaxOfEachStep) {
  const GenerationResult result = engine->generate(request({1, 2, 3}));
  ASSERT_TRUE(result.status) << result.status.message();
  ASSERT_EQ(result.outputs.size(), 1u);
  EXPECT_EQ(result.outputs[0].ids, referenceGreedy({}, {1, 2, 3}, 24));
  EXPECT_EQ(result.outputs[0].stop, PLX_STOP_LENGTH);
  EXPECT_EQ(result.timing.promptTokens, 3);
  EXPECT_GT(result.timing.firstTokenSeconds, 0);
  EXPECT_EQ(backend(model).openSequences(), 0u);
}

TEST_F(EngineTest, SequencesOfUnlikeLengthRunTogetherAndGiveTheIdsOfEachAlone) {
  std::vector<std::shared_ptr<GenerationHandle>> handles;
  std::vector<std::vector<int32_t>> prompts;
  for (int32_t i = 0; i < 8; ++i) {
    std::vector<int32_t> prompt;
    for (int32_t j = 0; j < 1 + i * 7; ++j)
      prompt.push_back((i * 11 + j * 5) % 32);
    prompts.push_back(prompt);
  }
  thread.run([&] { // queued together, so that they must run together
    for (const auto &prompt : prompts)
      handles.push_back(engine->start(request(prompt)));
  });
  for (size_t i = 0; i < handles.size(); ++i) {
    const GenerationResult result = handles[i]->wait();
    ASSERT_TRUE(result.status) << result.status.message();
    EXPECT_EQ(result.outputs[0].ids, referenceGreedy({}, prompts[i], 24)) << i;
  }
  EXPECT_EQ(backend(model).mostRequests, 8u);
  // Long prompts were cut: no step ran more than a chunk of each.
  EXPECT_LE(backend(model).mostRows, 8u * 8);
}

TEST_F(EngineTest, ThreadsMayStartGenerationsAtTheSameTime) {
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int32_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int32_t i = 0; i < 5; ++i) {
        const GenerationResult result = engine->generate(request({t, i, 4}));
        right += result.status && result.outputs[0].ids == referenceGreedy({}, {t, i, 4}, 24);
      }
    });
  for (auto &each : threads)
    each.join();
  EXPECT_EQ(right, 20);
}

TEST_F(EngineTest, StopTokensEndTheOutputAndAreNotText) {
  const auto ids = referenceGreedy({}, {1, 2, 3}, 24);
  GenerationOptions options = request({1, 2, 3});
  options.stopTokens = {ids[5]};
  const GenerationResult result = engine->generate(options);
  const auto first = std::find(ids.begin(), ids.end(), ids[5]) - ids.begin() + 1;
  ASSERT_TRUE(result.status) << result.status.message();
  EXPECT_EQ(result.outputs[0].ids, std::vector<int32_t>(ids.begin(), ids.begin() + first));
  EXPECT_EQ(result.outputs[0].stop, PLX_STOP_TOKEN);
  EXPECT_EQ(result.outputs[0].text,
            *ToyCodec().decode({ids.data(), static_cast<size_t>(first - 1)}, true));
}

TEST_F(EngineTest, TextStreamsInPiecesThatAddUpAndNeverShowAStopString) {
  const std::string whole = engine->generate(request({1, 2, 3})).outputs[0].text;
  GenerationOptions options = request({1, 2, 3});
  options.stopStrings = {"nowhere to be found", whole.substr(8, 3)};
  std::string streamed;
  options.onPiece = [&](const GenerationPiece &piece) {
    streamed += piece.text;
    return true;
  };
  const GenerationResult result = engine->generate(options);
  ASSERT_TRUE(result.status) << result.status.message();
  EXPECT_EQ(result.outputs[0].text, whole.substr(0, whole.find(options.stopStrings[1])));
  EXPECT_EQ(streamed, result.outputs[0].text);
  EXPECT_EQ(result.outputs[0].stop, PLX_STOP_STRING);
}

TEST_F(EngineTest, CallersCancelFromOutsideAndFromTheCallback) {
  GenerationOptions options = request({1});
  options.maxTokens = 1'000'000;
  auto handle = engine->start(options);
  EXPECT_FALSE(handle->waitFor(std::chrono::milliseconds(1)));
  handle->cancel();
  const GenerationResult cancelled = handle->wait();
  EXPECT_EQ(cancelled.status.code(), Code::Cancelled);

  int pieces = 0;
  options.onPiece = [&](const GenerationPiece &) { return ++pieces < 3; };
  const GenerationResult stopped = engine->generate(options);
  EXPECT_EQ(stopped.status.code(), Code::Cancelled);
  EXPECT_EQ(stopped.outputs[0].ids.size(), 3u);
  EXPECT_EQ(pieces, 3);
}

TEST_F(EngineTest, TheEngineMayGoAwayWhileGenerationsRun) {
  GenerationOptions options = request({1});
  options.maxTokens = 1'000'000;
  auto first = engine->start(options), second = engine->start(options);
  engine.reset();
  EXPECT_EQ(first->wait().status.code(), Code::Cancelled);
  EXPECT_EQ(second->wait().status.code(), Code::Cancelled);
}

TEST_F(EngineTest, AFullContextEndsTheOutput) {
  model = toy({.context = 12});
  GenerationOptions options = request({1, 2, 3});
  options.maxTokens = 100;
  const GenerationResult result = engine->generate(options);
  ASSERT_TRUE(result.status) << result.status.message();
  EXPECT_EQ(result.outputs[0].ids.size(), 10u); // the last one need not be run
  EXPECT_EQ(result.outputs[0].stop, PLX_STOP_CONTEXT);
}

TEST_F(EngineTest, TheExampleOfTheGuidePicksTheBestOfItsDraws) {
  GenerationOptions options = request({1, 2, 3}, "best_of");
  options.options = {{"n", "1"}, {"temperature", "0.9"}};
  const GenerationResult one = engine->generate(options);
  ASSERT_TRUE(one.status) << one.status.message();
  options.options[0].second = "16";
  const GenerationResult many = engine->generate(options);
  ASSERT_TRUE(many.status) << many.status.message();
  EXPECT_EQ(many.outputs[0].ids.size(), 24u);
  EXPECT_GT(many.outputs[0].score, one.outputs[0].score);
  EXPECT_EQ(backend(model).mostRequests, 16u);
  EXPECT_EQ(backend(model).openSequences(), 0u);
}

struct BadInput {
  const char *name;
  std::function<void(GenerationOptions &)> change;
  Code code;
  const char *message;
};
void PrintTo(const BadInput &each, std::ostream *out) { *out << each.name; }
class BadInputTest : public EngineTest, public ::testing::WithParamInterface<BadInput> {};

TEST_P(BadInputTest, IsRefusedByName) {
  GenerationOptions options = request({1, 2});
  GetParam().change(options);
  const GenerationResult result = engine->generate(options);
  EXPECT_EQ(result.status.code(), GetParam().code) << result.status.message();
  EXPECT_NE(result.status.message().find(GetParam().message), std::string::npos)
      << result.status.message();
}

INSTANTIATE_TEST_SUITE_P(
    All, BadInputTest,
    ::testing::Values(
        BadInput{"EmptyPrompt", [](auto &o) { o.prompt.clear(); }, Code::InvalidArgument,
                 "prompt is empty"},
        BadInput{"PromptOutsideVocabulary", [](auto &o) { o.prompt = {1, 32}; },
                 Code::InvalidArgument, "id 32"},
        BadInput{"PromptLongerThanContext", [](auto &o) { o.prompt.assign(5000, 1); },
                 Code::ResourceExhausted, "5000 tokens, the model's context is 4096"},
        BadInput{"NoTokens", [](auto &o) { o.maxTokens = 0; }, Code::InvalidArgument,
                 "max tokens is 0"},
        BadInput{"UnknownStrategy", [](auto &o) { o.strategy = "clairvoyance"; }, Code::NotFound,
                 "no strategy 'clairvoyance'; there is"},
        BadInput{"UnknownOption", [](auto &o) { o.options = {{"temprature", "1"}}; },
                 Code::InvalidArgument, "option 'temprature' is known neither"},
        BadInput{"OptionThatIsNoNumber", [](auto &o) { o.options = {{"temperature", "hot"}}; },
                 Code::InvalidArgument, "'temperature' is 'hot': expected a number"},
        BadInput{"UnknownSampler", [](auto &o) { o.options = {{"samplers", "magic"}}; },
                 Code::NotFound, "no sampler 'magic'"},
        BadInput{"EmptyStopString", [](auto &o) { o.stopStrings = {""}; }, Code::InvalidArgument,
                 "stop string is empty"},
        BadInput{"SpeculationWithoutDraft", [](auto &o) { o.strategy = "speculate"; },
                 Code::InvalidArgument, "needs a draft model"},
        BadInput{"StrategyThatTheFactoryLacks", [](auto &o) { o.strategy = "not_there"; },
                 Code::NotFound, "no strategy 'not_there' in this plugin"}),
    [](const auto &info) { return std::string(info.param.name); });

} // namespace
} // namespace plexus::test
