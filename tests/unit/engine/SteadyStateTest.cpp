// The engine's own cost in the steady state: no heap allocation.
#include "tests/support/CountedAllocations.h"
#include "tests/unit/engine/EngineTestBase.h"
#include "tests/unit/engine/NoOpModel.h"

#if PLEXUS_COUNTS_ALLOCATIONS
namespace plexus::test {
namespace {

class SteadyStateTest : public EngineTest, public ::testing::WithParamInterface<OptionList> {};

TEST_P(SteadyStateTest, AllocatesNothingForATokenAfterTheFirstFew) {
  auto model = std::make_shared<EngineModel>();
  model->backend = std::make_unique<NoOpBackend>(64);
  GenerationOptions options;
  options.model = model;
  options.prompt = {1, 2, 3};
  options.options = GetParam();
  options.maxTokens = 2000;
  int64_t tokens = 0, before = 0;
  options.onPiece = [&](const GenerationPiece &) {
    if (++tokens == 100)
      before = allocations;
    return tokens < 1900;
  };
  const GenerationResult result = engine->generate(options);
  EXPECT_EQ(result.status.code(), Code::Cancelled);
  ASSERT_EQ(tokens, 1900);
  // What ending costs is in here too; 1800 tokens would show.
  EXPECT_LT(allocations - before, 60);
}

INSTANTIATE_TEST_SUITE_P(Strategies, SteadyStateTest,
                         ::testing::Values(OptionList{},
                                           OptionList{{"temperature", "0.7"}, {"top_k", "20"}},
                                           OptionList{{"temperature", "0.7"}, {"top_p", "0.9"}}));

} // namespace
} // namespace plexus::test
#endif
