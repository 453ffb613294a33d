// Recipes: every kind, evaluated in ranges of any cut, against an element-by-element reference.
#include "tests/unit/compiler/MemoryTensors.h"

#include <cmath>
#include <gmock/gmock.h>

using namespace plexus;
using namespace plexus::test;
using namespace plexus::compiler;
using ::testing::HasSubstr;

namespace {

/// A dense tensor and its element by index: the reference's only tool.
struct Dense {
  std::vector<int64_t> shape;
  std::vector<float> values;
  size_t flat(const std::vector<int64_t> &index) const {
    size_t at = 0;
    for (size_t i = 0; i < shape.size(); ++i)
      at = at * static_cast<size_t>(shape[i]) + static_cast<size_t>(index[i]);
    return at;
  }
};

template <typename Fn>
Dense build(std::vector<int64_t> shape, Fn element) {
  Dense out{shape, {}};
  int64_t total = 1;
  for (int64_t d : shape)
    total *= d;
  for (int64_t i = 0; i < total; ++i) {
    std::vector<int64_t> index(shape.size());
    int64_t rest = i;
    for (size_t a = shape.size(); a-- > 0; rest /= shape[a])
      index[a] = rest % shape[a];
    out.values.push_back(element(index));
  }
  return out;
}

Dense reference(const Recipe &r, const MemoryTensors &tensors) {
  std::vector<Dense> parts;
  for (const Recipe &part : r.parts)
    parts.push_back(reference(part, tensors));
  using Kind = Recipe::Kind;
  if (r.kind == Kind::Source)
    return {r.shape, tensors.values(r.name)};
  return build(r.shape, [&](std::vector<int64_t> index) -> float {
    if (r.kind == Kind::Concat) {
      size_t p = 0;
      while (index[r.axis] >= parts[p].shape[r.axis])
        index[r.axis] -= parts[p++].shape[r.axis];
      return parts[p].values[parts[p].flat(index)];
    }
    if (r.kind == Kind::Interleave) {
      int64_t block = index[r.axis] / r.block, count = static_cast<int64_t>(parts.size());
      const Dense &part = parts[block % count];
      index[r.axis] = block / count * r.block + index[r.axis] % r.block;
      return part.values[part.flat(index)];
    }
    const Dense &part = parts[0];
    if (r.kind == Kind::Slice)
      index[r.axis] += r.begin;
    if (r.kind == Kind::Transpose) {
      std::vector<int64_t> from(index.size());
      for (size_t i = 0; i < index.size(); ++i)
        from[r.dims[i]] = index[i];
      index = from;
    }
    size_t at = r.kind == Kind::Reshape ? Dense{r.shape, {}}.flat(index) : part.flat(index);
    float value = part.values[at];
    if (r.kind == Kind::Scale)
      value *= r.number;
    if (r.kind == Kind::Exp)
      return static_cast<float>(std::exp(double(value)));
    if (r.kind == Kind::Rsqrt)
      return static_cast<float>(1 / std::sqrt(double(value) + double(r.number)));
    return r.kind == Kind::Offset ? value + r.number : value;
  });
}

class RecipeCase : public ::testing::TestWithParam<Recipe> {};

MemoryTensors tensors() {
  MemoryTensors t;
  t.add("a", {7, 5});
  t.add("b", {3, 5});
  t.add("c", {7, 5}, DType::F16);
  t.add("d", {64, 33}, DType::BF16);
  t.add("e", {64, 33});
  t.add("f", {4, 6, 10});
  t.add("l.3.w", {8});
  return t;
}

TEST_P(RecipeCase, EveryRangeEqualsTheReference) {
  MemoryTensors t = tensors();
  auto bound = bindRecipe(GetParam(), t, 3);
  ASSERT_TRUE(bound) << bound.status().message();
  Dense expected = reference(*bound, t);
  auto total = static_cast<int64_t>(expected.values.size());
  for (int64_t step : {int64_t(1), int64_t(3), int64_t(17), int64_t(100), total}) {
    std::vector<float> got(expected.values.size());
    for (int64_t at = 0; at < total; at += step)
      ASSERT_TRUE(evaluateRecipe(*bound, at, std::min(step, total - at), got.data() + at));
    ASSERT_EQ(got, expected.values) << "in steps of " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, RecipeCase,
    ::testing::Values(
        source("a"), source("l.{layer}.w", {8}), concat(0, {source("a"), source("b"), source("c")}),
        concat(1, {source("a"), source("c")}), interleave(0, 32, {source("d"), source("e")}),
        interleave(1, 11, {source("d"), source("e"), source("d")}), slice(0, 2, 4, source("a")),
        slice(1, 1, 3, source("a")), transpose({1, 0}, source("a")), transpose({1, 0}, source("d")),
        transpose({1, 0, 2}, source("f")), transpose({0, 2, 1}, source("f")),
        transpose({2, 1, 0}, source("f")), transpose({1, 2, 0}, source("f")),
        transpose({2, 0, 1}, source("f")), reshape({5, 7}, source("a")), scale(0.25f, source("c")),
        offset(1.0f, source("b")), change(Recipe::Kind::Exp, 0, transpose({1, 0}, source("c"))),
        change(Recipe::Kind::Rsqrt, 1e-5f, change(Recipe::Kind::Exp, 0, source("b"))),
        concat(0, {slice(1, 0, 3, source("a")), transpose({1, 0}, source("b")),
                   reshape({2, 3}, scale(3, slice(0, 1, 6, source("l.3.w"))))}),
        reshape({64, 33}, transpose({0, 2, 1, 3}, reshape({4, 8, 2, 33}, source("d"))))));

TEST(Recipe, ListsEveryMissingTensor) {
  auto bound =
      bindRecipe(concat(0, {source("x.{layer}"), source("a"), source("y")}), tensors(), 12);
  EXPECT_EQ(bound.status().code(), Code::NotFound);
  EXPECT_THAT(bound.status().message(), HasSubstr("'x.12', 'y'"));
}

TEST(Recipe, NamesTheTensorOfAnotherShape) {
  auto bound = bindRecipe(source("a", {5, 7}), tensors(), 0);
  EXPECT_THAT(bound.status().message(),
              HasSubstr("tensor 'a' of memory has shape [7, 5], the model expects [5, 7]"));
}

Recipe whitening(const std::string &result, std::vector<Recipe> parts) {
  Recipe r;
  r.kind = Recipe::Kind::Whiten;
  r.name = result;
  r.parts = std::move(parts);
  return r;
}

/// The value's two halves added.
std::vector<double> valueOf(const Recipe &recipe, const MemoryTensors &t) {
  auto bound = bindRecipe(recipe, t, 0);
  EXPECT_TRUE(bound) << bound.status().message();
  size_t count = 1;
  for (int64_t size : bound->shape)
    count *= static_cast<size_t>(size);
  std::vector<float> got(count);
  EXPECT_TRUE(evaluateRecipe(*bound, 0, static_cast<int64_t>(count), got.data()));
  std::vector<double> sum(count / 2);
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] = double(got[i]) + double(got[sum.size() + i]);
  return sum;
}

/// R = a a^T of 4 x 6 numbers, C = b of 4 x 3.
TEST(Recipe, WhitensMeasurements) {
  MemoryTensors t;
  t.add("a", {4, 6});
  t.add("c", {4, 3});
  Recipe noise;
  noise.kind = Recipe::Kind::Einsum;
  noise.name = "ik,jk->ij";
  noise.parts = {source("a"), source("a")};
  auto boundNoise = bindRecipe(noise, t, 0);
  std::vector<float> r(16);
  ASSERT_TRUE(evaluateRecipe(*boundNoise, 0, 16, r.data()));
  std::vector<double> w = valueOf(whitening("inverse", {noise}), t),
                      h = valueOf(whitening("readout", {noise, source("c")}), t),
                      j = valueOf(whitening("information", {noise, source("c")}), t);
  std::vector<float> c = t.values("c");
  // W R W^T = I, and W is lower triangular with the determinant that is told.
  double logDeterminant = 0;
  for (int i = 0; i < 4; ++i) {
    logDeterminant -= std::log(w[i * 4 + i]);
    for (int k = 0; k < 4; ++k) {
      double sum = 0;
      for (int p = 0; p < 4; ++p)
        for (int q = 0; q < 4; ++q)
          sum += w[i * 4 + p] * r[p * 4 + q] * w[k * 4 + q];
      EXPECT_NEAR(sum, i == k, 1e-9);
      if (k > i)
        EXPECT_EQ(w[i * 4 + k], 0);
    }
  }
  EXPECT_NEAR(valueOf(whitening("log_determinant", {noise}), t)[0], logDeterminant, 1e-9);
  for (int s = 0; s < 3; ++s)
    for (int i = 0; i < 4; ++i) {
      double sum = 0;
      for (int k = 0; k < 4; ++k)
        sum += w[i * 4 + k] * c[k * 3 + s];
      EXPECT_NEAR(h[s * 4 + i], sum, 1e-9);
    }
  for (int s = 0; s < 3; ++s)
    for (int u = 0; u < 3; ++u) {
      double sum = 0;
      for (int i = 0; i < 4; ++i)
        sum += h[s * 4 + i] * h[u * 4 + i];
      EXPECT_NEAR(j[s * 3 + u], sum, 1e-9 * std::abs(sum) + 1e-9);
    }
}

TEST(Recipe, NamesACovarianceThatIsNone) {
  MemoryTensors t;
  t.add("a", {2, 4});
  Recipe noise;
  noise.kind = Recipe::Kind::Einsum;
  noise.name = "ki,kj->ij"; // rank 2 of 4
  noise.parts = {source("a"), scale(-1, source("a"))};
  auto bound = bindRecipe(whitening("inverse", {noise}), t, 0);
  EXPECT_EQ(bound.status().code(), Code::Mismatch);
  EXPECT_THAT(bound.status().message(), HasSubstr("'a' is not positive definite"));
}

TEST(Recipe, RefusesPartsThatDoNotFit) {
  MemoryTensors t = tensors();
  EXPECT_FALSE(bindRecipe(concat(1, {source("a"), source("b")}), t, 0));
  EXPECT_FALSE(bindRecipe(concat(2, {source("a"), source("a")}), t, 0));
  EXPECT_FALSE(bindRecipe(concat(0, {}), t, 0));
  EXPECT_FALSE(bindRecipe(interleave(0, 2, {source("a"), source("c")}), t, 0));
  EXPECT_FALSE(bindRecipe(slice(0, 5, 3, source("a")), t, 0));
  EXPECT_FALSE(bindRecipe(transpose({0, 0}, source("a")), t, 0));
  EXPECT_FALSE(bindRecipe(reshape({6, 6}, source("a")), t, 0));
}

} // namespace
