// One model, many threads: generations that stream, are cancelled and speculate, runs of named
// tensors, and models that open and close beside them. What TSan watches end to end.
#include "tests/unit/models/ModelFixture.h"

#include <atomic>
#include <thread>

using namespace plexus;
using namespace plexus::test;

namespace {

constexpr int kThreads = 4;
constexpr int64_t kTokens = 24;

std::string artifact(const std::string &name) { return PLEXUS_TEST_MODELS "/" + name + ".plx"; }

/// Runs body(thread) in kThreads threads at once.
template <typename Body>
void inThreads(Body body) {
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back(body, t);
  for (std::thread &thread : threads)
    thread.join();
}

class Sessions : public ::testing::Test {
protected:
  void SetUp() override {
    model = openExact(artifact("kjv-llama"));
    draft = openExact(artifact("kjv-draft"));
    ASSERT_TRUE(model && draft) << "built by the target test_models of the release build";
    reference = readReference("examples/models/kjv-llama/expected.json");
    for (const auto &prompt : reference["greedy"])
      prompts.push_back(prompt["prompt_ids"].get<std::vector<int32_t>>());
  }

  /// A request of each kind in turn.
  GenerateRequest request(size_t index) const {
    GenerateRequest made = greedyRequest(prompts[index % prompts.size()], kTokens);
    switch (index % 5) {
    case 1:
      made.strategy = "sample";
      made.options = {{"temperature", "0.9"}, {"top_k", "20"}, {"repetition_penalty", "1.1"}};
      made.seed = index;
      break;
    case 2:
      made.strategy = "prompt_lookup";
      break;
    case 3:
      made.strategy = "speculate";
      made.drafts = {draft};
      break;
    case 4:
      made.strategy = "beam";
      made.options = {{"num_beams", "3"}};
      break;
    }
    return made;
  }

  nlohmann::json reference;
  OpenedModelPtr model, draft;
  std::vector<std::vector<int32_t>> prompts;
};

TEST_F(Sessions, GreedyIdsAreTheReferences) {
  for (const auto &expected : reference["greedy"]) {
    const auto ids = expected["ids"].get<std::vector<int32_t>>();
    const auto request = greedyRequest(expected["prompt_ids"], static_cast<int64_t>(ids.size()));
    EXPECT_EQ(idsOf(generate(*model, request)), ids);
  }
}

TEST_F(Sessions, FourThreadsOfAllStrategiesGetWhatEachGetsAlone) {
  std::vector<std::vector<int32_t>> alone;
  for (size_t i = 0; i < 10; ++i)
    alone.push_back(idsOf(generate(*model, request(i))));
  inThreads([&](int t) {
    for (size_t i = 0; i < 10; ++i) {
      const size_t which = (i + 3 * static_cast<size_t>(t)) % 10;
      EXPECT_EQ(idsOf(generate(*model, request(which))), alone[which]) << which;
    }
  });
}

TEST_F(Sessions, StreamedPiecesAddUpInEveryThread) {
  inThreads([&](int t) {
    for (size_t i = 0; i < 5; ++i) {
      GenerateRequest streaming = request(static_cast<size_t>(t) + i);
      std::string text;
      std::vector<int32_t> ids;
      streaming.onPiece = [&](const GenerationPiece &piece) {
        text += piece.text;
        ids.insert(ids.end(), piece.ids.begin(), piece.ids.end());
        return true;
      };
      const GenerationResult result = generate(*model, streaming);
      ASSERT_TRUE(result.status) << result.status.message();
      EXPECT_EQ(text, result.outputs[0].text);
      EXPECT_EQ(ids, result.outputs[0].ids);
    }
  });
}

TEST_F(Sessions, CancelledGenerationsEndAndOthersGoOn) {
  const auto expected = idsOf(generate(*model, request(0)));
  std::atomic<int> cancelled = 0;
  inThreads([&](int t) {
    for (int i = 0; i < 6; ++i) {
      if (t == 0) {
        EXPECT_EQ(idsOf(generate(*model, request(0))), expected);
        continue;
      }
      GenerateRequest endless = request(static_cast<size_t>(i));
      endless.maxTokens = 400;
      std::atomic<int> pieces = 0;
      const bool fromCallback = t == 1;
      endless.onPiece = [&](const GenerationPiece &) { return ++pieces < 3 || !fromCallback; };
      auto handle = startGenerate(*model, endless);
      ASSERT_TRUE(handle) << handle.status().message();
      if (!fromCallback) {
        (*handle)->waitFor(std::chrono::milliseconds(3 * i));
        (*handle)->cancel();
      }
      cancelled += (*handle)->wait().status.code() == Code::Cancelled;
    }
  });
  EXPECT_GT(cancelled, 6);
}

TEST_F(Sessions, HandlesMayBeDroppedWhileTheyRun) {
  inThreads([&](int t) {
    for (size_t i = 0; i < 5; ++i) {
      auto handle = startGenerate(*model, request(static_cast<size_t>(t) + i));
      ASSERT_TRUE(handle) << handle.status().message();
    }
  });
  // The engine takes requests in order: behind this one, all of them ran.
  EXPECT_EQ(idsOf(generate(*model, request(0))).size(), static_cast<size_t>(kTokens));
}

TEST_F(Sessions, NamedTensorsRunBesideGenerations) {
  auto expected = allLogits(*model, prompts[1]);
  ASSERT_TRUE(expected) << expected.status().message();
  inThreads([&](int t) {
    for (int i = 0; i < 6; ++i) {
      if (t % 2) {
        EXPECT_EQ(idsOf(generate(*model, request(0))).size(), static_cast<size_t>(kTokens));
        continue;
      }
      auto logits = allLogits(*model, prompts[1]);
      ASSERT_TRUE(logits) << logits.status().message();
      const float *a = expected->as<float>(), *b = logits->as<float>();
      const auto count = prompts[1].size() * static_cast<size_t>(model->info().vocabSize);
      EXPECT_TRUE(std::equal(a, a + count, b));
    }
  });
}

TEST_F(Sessions, ModelsOpenAndCloseBesideGenerations) {
  const auto expected = idsOf(generate(*draft, request(0)));
  inThreads([&](int t) {
    for (int i = 0; i < 6; ++i) {
      if (t == 0) {
        EXPECT_EQ(idsOf(generate(*draft, request(0))), expected);
        continue;
      }
      auto opened = openModel(artifact("kjv-draft"));
      ASSERT_TRUE(opened) << opened.status().message();
      EXPECT_EQ(idsOf(generate(**opened, request(0))), expected);
    }
  });
}

} // namespace
