// EEG nets through the public API: no allocation in a prepared run, and what is said of inputs that
// do not fit.
#include "tests/support/CountedAllocations.h"

#include <plexus/plexus.hpp>

#include <cmath>
#include <gmock/gmock.h>

namespace {

using testing::HasSubstr;

struct Net {
  const char *name;
  int64_t samples;
};
constexpr int64_t kChannels = 22;

plexus::Result<plexus::Model> open(const std::string &pack) {
  plexus::CompileOptions options;
  options.inMemory = true;
  return plexus::Model::open(PLEXUS_SOURCE_DIR "/tests/conformance/packs/" + pack + "/model",
                             options);
}

class EegNet : public testing::TestWithParam<Net> {};

TEST_P(EegNet, APreparedRunAllocatesNothing) {
#if PLEXUS_COUNTS_ALLOCATIONS
  auto model = open(std::string("brain-") + GetParam().name + "-plain");
  ASSERT_TRUE(model) << model.error().message;
  std::vector<float> x(kChannels * GetParam().samples, 0.5f);
  auto run = model->prepare({plexus::Input("x", x, {1, kChannels, GetParam().samples})});
  ASSERT_TRUE(run) << run.error().message;
  for (int i = 0; i < 3; ++i)
    ASSERT_FALSE(run->run());
  const int64_t before = allocations;
  for (int i = 0; i < 50; ++i)
    ASSERT_FALSE(run->run());
  EXPECT_EQ(allocations - before, 0);
#else
  GTEST_SKIP() << "sanitizers bring their own allocator";
#endif
}

INSTANTIATE_TEST_SUITE_P(Packs, EegNet,
                         testing::Values(Net{"eegnet", 1000}, Net{"shallow", 500},
                                         Net{"deep4", 600}, Net{"eegconformer", 300}),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(EegInputs, ThatDoNotFitAreRefusedByName) {
  auto model = open("brain-eegnet-plain");
  ASSERT_TRUE(model) << model.error().message;
  auto refusal = [&](std::vector<int64_t> shape, const char *name = "x") {
    size_t count = 1;
    for (int64_t size : shape)
      count *= static_cast<size_t>(size);
    const std::vector<float> x(count);
    auto out = model->run({plexus::Input(name, x, shape)});
    return out ? std::string("accepted") : out.error().message;
  };
  // Missing channels, another window, no window at all, another name.
  EXPECT_THAT(refusal({1, 21, 1000}), HasSubstr("21 elements in dimension"));
  EXPECT_THAT(refusal({1, 21, 1000}), HasSubstr("expected 22"));
  EXPECT_THAT(refusal({1, 22, 999}), HasSubstr("expected 1000"));
  EXPECT_THAT(refusal({1, 22, 0}), HasSubstr("expected 1000"));
  EXPECT_THAT(refusal({0, 22, 1000}), HasSubstr("\"x\""));
  EXPECT_THAT(refusal({1, 22, 1000}, "eeg"), HasSubstr("it takes x"));
}

TEST(EegInputs, NanStaysInItsWindowOrIsRefused) {
  auto model = open("brain-eegnet-plain");
  ASSERT_TRUE(model) << model.error().message;
  std::vector<float> x(2 * kChannels * 1000, 0.25f);
  x[5 * 1000 + 77] = NAN;
  const std::vector<plexus::Input> input{plexus::Input("x", x, {2, kChannels, 1000})};
  auto out = model->run(input);
  ASSERT_TRUE(out) << out.error().message;
  auto y = out->floats("y");
  ASSERT_TRUE(y);
  EXPECT_TRUE(std::isnan((*y)[0]));
  for (size_t i = y->size() / 2; i < y->size(); ++i)
    EXPECT_TRUE(std::isfinite((*y)[i])) << i;
  plexus::RunOptions strict;
  strict.refuseNan = true;
  auto refused = model->run(input, strict);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("\"x\" holds NaN at element 5077"));
}

TEST(EegInputs, WholeRecordingsAreAskedFor) {
  auto model = open("eeg-frontend");
  ASSERT_TRUE(model) << model.error().message;
  const std::vector<float> x(6 * 27, 1.0f);
  plexus::RunOptions zeroPhase;
  zeroPhase.schedule = "sosfiltfilt";
  auto out = model->run({plexus::Input("x", x, {6, 27})}, zeroPhase);
  ASSERT_FALSE(out);
  EXPECT_THAT(out.error().message,
              HasSubstr("\"x\" has 27 samples; schedule sosfiltfilt needs 28 or more"));
  plexus::StreamOptions options;
  options.run = zeroPhase;
  auto stream = model->stream(options);
  ASSERT_FALSE(stream);
  EXPECT_THAT(stream.error().message,
              HasSubstr("schedule sosfiltfilt of model model keeps no states"));
}

/// Filters and norms keep their state when a piece is refused.
TEST(EegInputs, ARefusedPieceLeavesAStreamAsItWas) {
  auto model = open("eeg-frontend");
  ASSERT_TRUE(model) << model.error().message;
  plexus::StreamOptions options;
  options.run.schedule = "ema";
  options.run.refuseNan = true;
  auto one = model->stream(options), two = model->stream(options);
  ASSERT_TRUE(one && two);
  auto push = [](plexus::Stream &stream, float value) {
    std::vector<float> x(6);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = value * float(i + 1);
    auto out = stream.push({plexus::Input("x", x, {6, 1})});
    std::vector<float> y;
    if (out)
      if (auto values = out->floats("y"))
        y.assign(values->begin(), values->end());
    return y;
  };
  for (float value : {1.0f, -2.0f, 0.5f}) {
    EXPECT_EQ(push(*one, value), push(*two, value));
    EXPECT_TRUE(push(*one, NAN).empty());
  }
  EXPECT_EQ(push(*one, 3), push(*two, 3));
  EXPECT_EQ(push(*one, 3).size(), 6u);
}

} // namespace
