// Products of two computed matrices: the fast path against the decomposition.
#include "SegmentHarness.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace plexus::compiler::test {
namespace {

using Floats = std::vector<float>;

struct Sizes {
  int64_t heads, m, k, n;
  bool transposed;
};

std::string tensor(std::initializer_list<int64_t> sizes) {
  std::string type = "tensor<?";
  for (int64_t size : sizes)
    type += "x" + std::to_string(size);
  return type + "xf32>";
}

std::string textOf(const Sizes &s) {
  const std::string a = tensor({s.heads, s.m, s.k}), y = tensor({s.heads, s.m, s.n});
  const std::string b = s.transposed ? tensor({s.heads, s.n, s.k}) : tensor({s.heads, s.k, s.n});
  return "plx.model @p {\nplx.segment @s(%a: " + a + ", %b: " + b + ", %batch: !plx.batch) -> " +
         y + " {\n%y = plx.matmul %a, %b" + (s.transposed ? " transposed" : "") + " : (" + a +
         ", " + b + ") -> " + y + "\nplx.return %y : " + y + "\n}\n}\n";
}

class Matmul : public testing::TestWithParam<Sizes> {};

TEST_P(Matmul, EqualsItsDecomposition) {
  const Sizes s = GetParam();
  constexpr int64_t kRows = 3;
  std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  auto random = [&](int64_t size) {
    Floats values(size);
    for (float &value : values)
      value = normal(generator);
    return values;
  };
  const std::vector<Floats> inputs = {random(kRows * s.heads * s.m * s.k),
                                      random(kRows * s.heads * s.k * s.n)};
  RaggedBatch batch({2, 1});
  Floats fast = CompiledSegment(textOf(s), Path::Fast)(batch, inputs)[0];
  Floats slow = CompiledSegment(textOf(s), Path::Decomposed)(batch, inputs)[0];
  ASSERT_EQ(fast.size(), static_cast<size_t>(kRows * s.heads * s.m * s.n));
  for (size_t i = 0; i < fast.size(); ++i)
    ASSERT_NEAR(fast[i], slow[i], 1e-5 * (1 + std::abs(slow[i]))) << "at " << i;
}

INSTANTIATE_TEST_SUITE_P(Shapes, Matmul,
                         testing::Values(Sizes{10, 61, 4, 61, true}, Sizes{10, 61, 61, 4, false},
                                         Sizes{1, 1, 1, 1, true}, Sizes{2, 7, 5, 19, true},
                                         Sizes{3, 6, 17, 33, false}, Sizes{1, 5, 9, 8, false},
                                         // too large to be turned over on the stack
                                         Sizes{1, 3, 130, 65, true}),
                         [](const auto &info) {
                           const Sizes &s = info.param;
                           return std::to_string(s.heads) + "x" + std::to_string(s.m) + "x" +
                                  std::to_string(s.k) + "x" + std::to_string(s.n) +
                                  (s.transposed ? "t" : "");
                         });

} // namespace
} // namespace plexus::compiler::test
