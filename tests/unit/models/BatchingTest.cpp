// Many generations at once on one engine: everyone gets what it would get alone.
#include "tests/unit/models/ModelFixture.h"

#include <thread>

using namespace plexus;
using namespace plexus::test;

namespace {

constexpr int64_t kTokens = 48;

class Batching : public ::testing::Test {
protected:
  void SetUp() override {
    model = openExact(sourcePath("examples/models/kjv-llama"));
    ASSERT_TRUE(model && model->tokenizer);
    // Pieces of a text, of 2 to 212 ids.
    const auto text = fileIds(*model, sourcePath("examples/models/kjv-valid.txt"));
    ASSERT_GT(text.size(), 4000u);
    for (size_t i = 0; i < 8; ++i) {
      const auto begin = text.begin() + static_cast<std::ptrdiff_t>(400 * i);
      prompts.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(2 + 30 * i));
    }
    for (const auto &prompt : prompts)
      alone.push_back(idsOf(generate(*model, greedyRequest(prompt, kTokens))));
  }
  /// Starts all prompts, then waits for them.
  std::vector<std::vector<int32_t>> together() const {
    std::vector<std::shared_ptr<GenerationHandle>> handles;
    for (const auto &prompt : prompts) {
      auto handle = startGenerate(*model, greedyRequest(prompt, kTokens));
      EXPECT_TRUE(handle) << handle.status().message();
      handles.push_back(*handle);
    }
    std::vector<std::vector<int32_t>> ids;
    for (const auto &handle : handles)
      ids.push_back(idsOf(handle->wait()));
    return ids;
  }
  OpenedModelPtr model;
  std::vector<std::vector<int32_t>> prompts, alone;
};

TEST_F(Batching, PromptsOfUnlikeLengthGetWhatTheyGetAlone) { EXPECT_EQ(together(), alone); }

/// What a row reads of a page, 4 bits or bf16, is a matter of its own position.
TEST_F(Batching, PagesOfFourBitsAreReadAsTheyAreAlone) {
  model = openExact(sourcePath("examples/models/kjv-llama"), "f32", "int4");
  ASSERT_TRUE(model);
  alone.clear();
  for (const auto &prompt : prompts)
    alone.push_back(idsOf(generate(*model, greedyRequest(prompt, kTokens))));
  EXPECT_EQ(together(), alone);
}

TEST_F(Batching, FourThreadsGetWhatOneGets) {
  std::vector<std::vector<std::vector<int32_t>>> got(4);
  std::vector<std::thread> threads;
  for (auto &ids : got)
    threads.emplace_back([this, &ids] { ids = together(); });
  for (std::thread &thread : threads)
    thread.join();
  for (const auto &ids : got)
    EXPECT_EQ(ids, alone);
}

} // namespace
