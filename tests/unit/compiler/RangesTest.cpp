// Ranges of activations: what each rule spans, and that histograms of parts add up.
#include "compiler/calibrate/Ranges.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace plexus::compiler {
namespace {

std::vector<float> normals(int64_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<size_t>(count));
  for (float &x : out)
    x = normal(random);
  return out;
}

Histogram histogramOf(const std::vector<float> &x) {
  Histogram out;
  out.add(x.data(), static_cast<int64_t>(x.size()));
  return out;
}

TEST(Ranges, MinMaxReachesTheFurthestValue) {
  Histogram h = histogramOf({-0.5f, 0.25f, 2.54f, NAN, INFINITY});
  ByteRange symmetric = h.fit({RangeRule::MinMax}, true),
            affine = h.fit({RangeRule::MinMax}, false);
  EXPECT_FLOAT_EQ(symmetric.scale, 0.02f);
  EXPECT_EQ(symmetric.zero, 0);
  EXPECT_FLOAT_EQ(affine.scale, 3.04f / 254);
  EXPECT_EQ(affine.zero, std::nearbyint(-127 + 0.5 / affine.scale));
  // All values of one sign use all of the grid.
  EXPECT_EQ(histogramOf({0.0f, 1.0f}).fit({RangeRule::MinMax}, false).zero, -127);
}

TEST(Ranges, PercentilesAndErrorsClipOutliers) {
  std::vector<float> x = normals(100'000);
  x.push_back(60);
  Histogram h = histogramOf(x);
  float whole = h.fit({RangeRule::MinMax}, true).scale;
  EXPECT_FLOAT_EQ(whole, 60.0f / 127);
  EXPECT_NEAR(h.fit({RangeRule::Percentile, 99.73}, true).scale, 3.0 / 127, 0.1 / 127);
  ByteRange best = h.fit({RangeRule::Mse}, true);
  EXPECT_LT(best.scale, whole);
  EXPECT_LT(h.relativeError(best), h.relativeError({whole, 0}));
}

TEST(Ranges, PartsAddUp) {
  std::vector<float> x = normals(1000), y = normals(500), all = x;
  for (float &value : y)
    value *= 40;
  all.insert(all.end(), y.begin(), y.end());
  Histogram sum = histogramOf(x), whole = histogramOf(all);
  sum.add(histogramOf(y));
  for (RangeRule rule : {RangeRule{RangeRule::MinMax}, RangeRule{RangeRule::Percentile, 99}}) {
    EXPECT_FLOAT_EQ(sum.fit(rule, true).scale, whole.fit(rule, true).scale);
    EXPECT_EQ(sum.fit(rule, false).zero, whole.fit(rule, false).zero);
  }
}

TEST(Ranges, NothingSeenIsAGridOfOnes) {
  ByteRange range = Histogram().fit({}, false);
  EXPECT_EQ(range.scale, 1);
  EXPECT_EQ(range.zero, 0);
}

TEST(Ranges, TensorsAreNamedByLayerAndOfAllLayers) {
  std::map<std::pair<std::string, int>, Histogram> seen;
  seen[{"up", 0}] = histogramOf({1.27f});
  seen[{"up", 1}] = histogramOf({-2.54f});
  RangeTensors tensors(seen, {RangeRule::MinMax});
  auto scale = [&](const char *name) {
    const TensorView *view = tensors.find(name);
    float pair[2] = {};
    EXPECT_TRUE(view && decodeElements(*view, 0, 2, pair)) << name;
    return pair[0];
  };
  EXPECT_FLOAT_EQ(scale("plexus.range.symmetric.up.0"), 0.01f);
  EXPECT_FLOAT_EQ(scale("plexus.range.symmetric.up.1"), 0.02f);
  EXPECT_FLOAT_EQ(scale("plexus.range.symmetric.up"), 0.02f);
  EXPECT_FALSE(tensors.find("plexus.range.symmetric.down"));
}

} // namespace
} // namespace plexus::compiler
