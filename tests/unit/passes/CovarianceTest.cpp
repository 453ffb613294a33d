// Covariances of ragged windows against plain loops, and their logarithms against the exponential.
#include "SegmentHarness.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace plexus::compiler::test {
namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
constexpr int64_t kChannels = 7;

Floats samples(int64_t rows, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Floats values(rows * kChannels);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] =
        normal(generator) * float(1 + i % kChannels) + (i % kChannels > 0 ? values[i - 1] : 0);
  return values;
}

std::string textOf(const std::string &attributes, bool log) {
  const std::string rows = "tensor<?x7xf32>", matrices = "tensor<?x7x7xf32>";
  return "plx.model @m {\nplx.segment @s(%x: " + rows + ", %batch: !plx.batch) -> " + matrices +
         " {\n%c = brain.covariance %x, %batch {" + attributes + "} : (" + rows +
         ", !plx.batch) -> " + matrices + "\n" +
         (log ? "%y = brain.matrix_log %c {floor = 1.0e-10 : f64} : " + matrices + " -> " +
                    matrices + "\nplx.return %y"
              : "plx.return %c") +
         " : " + matrices + "\n}\n}\n";
}

Doubles covariance(const float *x, int64_t count, bool center, double shrinkage) {
  Doubles mean(kChannels), out(kChannels * kChannels);
  for (int64_t t = 0; t < count && center; ++t)
    for (int64_t c = 0; c < kChannels; ++c)
      mean[c] += x[t * kChannels + c] / double(count);
  double trace = 0;
  for (int64_t i = 0; i < kChannels; ++i)
    for (int64_t j = 0; j < kChannels; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < count; ++t)
        sum += (x[t * kChannels + i] - mean[i]) * (x[t * kChannels + j] - mean[j]);
      out[i * kChannels + j] = sum / double(count) * (1 - shrinkage);
      trace += i == j ? sum / double(count) : 0;
    }
  for (int64_t i = 0; i < kChannels; ++i)
    out[i * kChannels + i] += shrinkage * trace / kChannels;
  return out;
}

Doubles product(const Doubles &a, const Doubles &b) {
  Doubles out(kChannels * kChannels);
  for (int64_t i = 0; i < kChannels; ++i)
    for (int64_t k = 0; k < kChannels; ++k)
      for (int64_t j = 0; j < kChannels; ++j)
        out[i * kChannels + j] += a[i * kChannels + k] * b[k * kChannels + j];
  return out;
}

/// exp(m) by its series of m / 2^10, squared ten times.
Doubles exponential(Doubles m) {
  Doubles sum(kChannels * kChannels), term(kChannels * kChannels);
  for (int64_t i = 0; i < kChannels; ++i)
    sum[i * kChannels + i] = term[i * kChannels + i] = 1;
  for (double &value : m)
    value /= 1024;
  for (int n = 1; n < 12; ++n) {
    term = product(term, m);
    for (size_t i = 0; i < sum.size(); ++i)
      sum[i] += term[i] /= n;
  }
  for (int i = 0; i < 10; ++i)
    sum = product(sum, sum);
  return sum;
}

TEST(Covariance, EqualsPlainLoopsOverRaggedWindows) {
  for (bool center : {false, true})
    for (double shrinkage : {0.0, 0.25})
      for (Path path : {Path::Fast, Path::Decomposed}) {
        const std::string attributes = std::string(center ? "center, " : "") +
                                       "shrinkage = " + std::to_string(shrinkage) + " : f64";
        const std::vector<int32_t> lengths = {30, 1, 9};
        Floats x = samples(40, 3);
        Floats got = CompiledSegment(textOf(attributes, false), path)(RaggedBatch(lengths), {x})[0];
        ASSERT_EQ(got.size(), lengths.size() * kChannels * kChannels);
        for (size_t s = 0, begin = 0; s < lengths.size(); begin += lengths[s++]) {
          Doubles want = covariance(&x[begin * kChannels], lengths[s], center, shrinkage);
          for (size_t i = 0; i < want.size(); ++i)
            ASSERT_NEAR(got[s * want.size() + i], want[i], 1e-5 * (1 + std::abs(want[i])));
        }
      }
}

TEST(MatrixLog, IsUndoneByTheExponential) {
  for (Path path : {Path::Fast, Path::Decomposed}) {
    const std::vector<int32_t> lengths = {60, 40};
    Floats x = samples(100, 5);
    Floats logs = CompiledSegment(textOf("center", true), path)(RaggedBatch(lengths), {x})[0];
    for (size_t s = 0, begin = 0; s < lengths.size(); begin += lengths[s++]) {
      constexpr size_t kSize = kChannels * kChannels;
      Doubles log(logs.begin() + s * kSize, logs.begin() + (s + 1) * kSize);
      Doubles back = exponential(log);
      Doubles want = covariance(&x[begin * kChannels], lengths[s], true, 0);
      for (size_t i = 0; i < kSize; ++i)
        ASSERT_NEAR(back[i], want[i], 1e-4 * (1 + std::abs(want[i]))) << s << ", " << i;
    }
  }
}

} // namespace
} // namespace plexus::compiler::test
