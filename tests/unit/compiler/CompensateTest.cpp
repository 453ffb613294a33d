// Rounding that makes up for its errors: the factor of the inverse, and what it gains.
#include "compiler/pack/Compensate.h"
#include "compiler/calibrate/Moments.h"

#include <cmath>
#include <gmock/gmock.h>
#include <random>

using namespace plexus;
using namespace plexus::compiler;

namespace {

/// Rows [rows][depth] of inputs that are correlated: mixtures of a few sources, and noise.
std::vector<float> correlatedInputs(int64_t rows, int64_t depth) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  constexpr int64_t kSources = 6;
  std::vector<float> mixture(kSources * depth), out(rows * depth);
  for (float &value : mixture)
    value = normal(random);
  for (int64_t t = 0; t < rows; ++t) {
    float sources[kSources];
    for (float &value : sources)
      value = normal(random);
    for (int64_t k = 0; k < depth; ++k) {
      float x = 0.2f * normal(random);
      for (int64_t s = 0; s < kSources; ++s)
        x += sources[s] * mixture[s * depth + k];
      out[t * depth + k] = x;
    }
  }
  return out;
}

TEST(Compensate, TheFactorIsThatOfTheInverse) {
  constexpr int64_t n = 33;
  Moments moments(n);
  std::vector<float> inputs = correlatedInputs(200, n);
  moments.add(inputs.data(), 150, 2);
  moments.add(inputs.data() + 150 * n, 50, 1);
  std::vector<float> h = moments.mean();
  auto factor = inverseFactor(h, n, 0.01);
  ASSERT_TRUE(factor) << factor.status().message();
  double mean = 0;
  for (int64_t k = 0; k < n; ++k)
    mean += h[k * n + k] / n;
  // (U^T U) (H + damping) = 1.
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < n; ++k) {
        double inverse = 0;
        for (int64_t m = 0; m <= std::min(i, k); ++m)
          inverse += double((*factor)[m * n + i]) * (*factor)[m * n + k];
        sum += inverse * (h[k * n + j] + (k == j ? 0.01 * mean : 0));
      }
      EXPECT_NEAR(sum, i == j ? 1 : 0, 2e-3) << i << ", " << j;
    }
}

TEST(Compensate, ErrorsOfProductsShrinkWhereInputsAreCorrelated) {
  constexpr int64_t depth = 300, rows = 40, samples = 400;
  std::vector<float> inputs = correlatedInputs(samples, depth), weights(rows * depth);
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (float &value : weights)
    value = normal(random);
  Moments moments(depth);
  moments.add(inputs.data(), samples, 2);
  auto factor = inverseFactor(moments.mean(), depth);
  ASSERT_TRUE(factor);
  std::vector<float> importance = moments.meanSquares();
  for (const char *name : {"q4", "q4z:64", "q4m", "q4:channel", "q4m:32/256", "fp4", "q8"}) {
    PackedForm form = *PackedForm::parse(name);
    auto errorOf = [&](bool compensated) {
      QuantizedRows out(form, depth);
      std::vector<float> x = weights;
      if (compensated)
        EXPECT_TRUE(quantizeCompensated(x.data(), rows, factor->data(), importance.data(), out));
      else
        for (int64_t n = 0; n < rows; ++n)
          EXPECT_TRUE(quantizeRow(x.data() + n * depth, n, out));
      double error = 0;
      for (int64_t n = 0; n < rows; ++n) {
        std::vector<double> lost(depth);
        for (int64_t k = 0; k < depth; ++k) {
          Fit fit;
          int64_t g = k / out.geometry.group, place = n * out.geometry.groups + g;
          if (out.geometry.superGroups) {
            int64_t super = n * out.halves() + k / form.superblock;
            fit.scale = fromHalf(out.scales[super]) * out.scaleMultipliers[place];
            fit.addend = fromHalf(out.zeros[super]) * out.zeroMultipliers[place];
          } else {
            fit.scale = fromHalf(out.scales[place]);
            if (form.zeros == PackedZeros::Min)
              fit.addend = fromHalf(out.zeros[place]);
            if (form.zeros == PackedZeros::Point)
              fit.addend = -fit.scale * fromHalf(out.zeros[place]);
          }
          lost[k] = weights[n * depth + k] - restoredValue(out.valuesOf(n)[k], fit, form);
        }
        for (int64_t t = 0; t < samples; ++t) {
          double sum = 0;
          for (int64_t k = 0; k < depth; ++k)
            sum += lost[k] * inputs[t * depth + k];
          error += sum * sum;
        }
      }
      return error;
    };
    EXPECT_LT(errorOf(true), 0.7 * errorOf(false)) << name;
  }
}

TEST(Compensate, InputsThatAreNotFiniteAreRefused) { EXPECT_FALSE(inverseFactor({NAN}, 1)); }

} // namespace
