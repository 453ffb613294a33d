// Recipes of arithmetic over random shapes, against plain loops, in ranges of any cut.
#include "runtime/io/Spectrum.h"
#include "tests/unit/compiler/MemoryTensors.h"

#include <cmath>
#include <complex>
#include <gtest/gtest.h>

using namespace plexus;
using namespace plexus::test;
using namespace plexus::compiler;

namespace {

using Floats = std::vector<float>;
using Shape = std::vector<int64_t>;

int64_t product(const Shape &shape) {
  int64_t total = 1;
  for (int64_t size : shape)
    total *= size;
  return total;
}

/// The index of row-major element `at`.
Shape indexOf(const Shape &shape, int64_t at) {
  Shape index(shape.size());
  for (size_t axis = shape.size(); axis-- > 0; at /= shape[axis])
    index[axis] = at % shape[axis];
  return index;
}
int64_t placeOf(const Shape &shape, const Shape &index) {
  int64_t at = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis)
    at = at * shape[axis] + index[axis];
  return at;
}

/// Binds the recipe and evaluates it whole and in pieces, which must be the same.
Floats evaluate(const Recipe &recipe, const MemoryTensors &tensors, const Shape &shape) {
  auto bound = bindRecipe(recipe, tensors, 0);
  EXPECT_TRUE(bound) << bound.status().message();
  if (!bound)
    return {};
  EXPECT_EQ(bound->shape, shape);
  const int64_t total = product(shape);
  Floats whole(total);
  EXPECT_TRUE(evaluateRecipe(*bound, 0, total, whole.data()));
  for (int64_t step : {1, 7, 64}) {
    Floats pieces(total);
    for (int64_t at = 0; at < total; at += step)
      EXPECT_TRUE(
          evaluateRecipe(*bound, at, std::min<int64_t>(step, total - at), pieces.data() + at));
    EXPECT_EQ(pieces, whole) << "in steps of " << step;
  }
  return whole;
}

void expectNear(const Floats &got, const std::vector<double> &want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], 1e-6 * (1 + std::abs(want[i]))) << "at " << i;
}

class Random {
public:
  int64_t size() { return std::uniform_int_distribution<int64_t>(1, 9)(engine_); }
  Shape shape(size_t rank) {
    Shape made(rank);
    for (int64_t &size : made)
      size = this->size();
    return made;
  }

private:
  std::mt19937 engine_{5};
};

TEST(RecipeArithmetic, SumsPartsOfOneShape) {
  Random random;
  for (size_t rank = 1; rank <= 4; ++rank) {
    Shape shape = random.shape(rank);
    MemoryTensors t;
    for (const char *name : {"a", "b", "c"})
      t.add(name, shape, *name == 'b' ? DType::BF16 : DType::F32);
    std::vector<double> want(product(shape));
    for (const char *name : {"a", "b", "c"})
      for (size_t i = 0; i < want.size(); ++i)
        want[i] += t.values(name)[i];
    expectNear(evaluate(node(Recipe::Kind::Sum, {source("a"), source("b"), source("c")}), t, shape),
               want);
  }
}

TEST(RecipeArithmetic, InvertsRootsOfVariances) {
  MemoryTensors t;
  t.add("a", {37});
  Recipe squares = node(Recipe::Kind::Einsum, {source("a"), source("a")});
  squares.name = "i,i->i";
  Recipe recipe = node(Recipe::Kind::Rsqrt, {squares});
  recipe.number = 1e-3f;
  std::vector<double> want;
  for (double value : t.values("a"))
    want.push_back(1 / std::sqrt(value * value + double(recipe.number)));
  expectNear(evaluate(recipe, t, {37}), want);
}

TEST(RecipeArithmetic, ScalesLongRowsDown) {
  Random random;
  for (size_t rank = 1; rank <= 4; ++rank)
    for (float limit : {0.5f, 2.0f, 100.0f}) {
      Shape shape = random.shape(rank);
      MemoryTensors t;
      t.add("a", shape);
      const Floats a = t.values("a");
      const auto width = static_cast<size_t>(product(shape) / shape[0]);
      std::vector<double> want;
      for (size_t row = 0; row < static_cast<size_t>(shape[0]); ++row) {
        double norm = 0;
        for (size_t i = 0; i < width; ++i)
          norm += double(a[row * width + i]) * a[row * width + i];
        norm = std::sqrt(norm);
        for (size_t i = 0; i < width; ++i)
          want.push_back(a[row * width + i] * (norm > limit ? limit / norm : 1));
      }
      Recipe recipe = node(Recipe::Kind::Renorm, {source("a")});
      recipe.number = limit;
      Floats got = evaluate(recipe, t, shape);
      ASSERT_EQ(got.size(), want.size());
      for (size_t i = 0; i < got.size(); ++i) // torch divides by norm + 1e-7
        ASSERT_NEAR(got[i], want[i], 2e-6 * (1 + std::abs(want[i]))) << "limit " << limit;
    }
}

TEST(RecipeArithmetic, ConvolvesWithOnes) {
  Random random;
  for (int trial = 0; trial < 24; ++trial) {
    const size_t rank = 1 + trial % 4;
    const int64_t axis = trial % static_cast<int64_t>(rank), count = random.size();
    Shape shape = random.shape(rank), result = shape;
    result[axis] += count - 1;
    MemoryTensors t;
    t.add("a", shape);
    const Floats a = t.values("a");
    std::vector<double> want(product(result));
    for (size_t at = 0; at < a.size(); ++at)
      for (int64_t i = 0; i < count; ++i) {
        Shape index = indexOf(shape, static_cast<int64_t>(at));
        index[axis] += i;
        want[placeOf(result, index)] += a[at];
      }
    Recipe recipe = node(Recipe::Kind::Box, {source("a")});
    recipe.axis = axis;
    recipe.size = count;
    expectNear(evaluate(recipe, t, result), want);
  }
}

TEST(RecipeArithmetic, TakesSpectraAtTheRootsOfI) {
  Random random;
  for (int64_t points : {32, 64, 128})
    for (int64_t taps : {int64_t(1), int64_t(10), points}) {
      const int64_t bins = points / 2;
      Shape shape = random.shape(2), result = shape;
      shape.push_back(taps);
      result.push_back(points);
      MemoryTensors t;
      t.add("a", shape);
      const Floats a = t.values("a");
      std::vector<double> want(product(result));
      for (int64_t j = 0; j < bins; ++j) {
        const std::complex<double> root = std::polar(1.0, spectrumRoot(bins, j));
        EXPECT_NEAR(std::abs(std::pow(root, bins) - std::complex<double>(0, 1)), 0, 1e-12) << j;
        for (int64_t row = 0; row < product(shape) / taps; ++row) {
          std::complex<double> sum = 0;
          for (int64_t k = 0; k < taps; ++k)
            sum += double(a[row * taps + k]) * std::pow(root, -static_cast<double>(k));
          want[row * points + j] = sum.real() / double(bins);
          want[row * points + bins + j] = sum.imag() / double(bins);
        }
      }
      Recipe recipe = node(Recipe::Kind::Spectrum, {source("a")});
      recipe.size = points;
      expectNear(evaluate(recipe, t, result), want);
    }
}

TEST(RecipeArithmetic, PutsColumnsWhereTheyBelong) {
  MemoryTensors t;
  t.add("w", {3, 4});
  Recipe recipe = node(Recipe::Kind::Unsort, {source("order"), source("w")});
  const Floats order{2, 0, 3, 1}, w = t.values("w");
  t.add("order", {4}, order);
  std::vector<double> want(w.size());
  for (size_t row = 0; row < 3; ++row)
    for (size_t i = 0; i < 4; ++i)
      want[row * 4 + static_cast<size_t>(order[i])] = w[row * 4 + i];
  expectNear(evaluate(recipe, t, {3, 4}), want);
}

/// The sum over all values of all letters.
std::vector<double> einsum(const std::string &axes, const MemoryTensors &t,
                           const std::map<char, int64_t> &sizes, Shape &result) {
  std::vector<std::string> parts{""};
  const size_t arrow = axes.find("->");
  for (char c : axes.substr(0, arrow))
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  const std::string out = axes.substr(arrow + 2);
  std::string letters;
  Shape all;
  for (auto [letter, size] : sizes) {
    letters += letter;
    all.push_back(size);
  }
  auto shapeOf = [&](const std::string &of) {
    Shape shape;
    for (char c : of)
      shape.push_back(sizes.at(c));
    return shape;
  };
  result = shapeOf(out);
  std::vector<Floats> values;
  for (size_t p = 0; p < parts.size(); ++p)
    values.push_back(t.values(std::string(1, static_cast<char>('a' + p))));
  std::vector<double> want(product(result));
  for (int64_t at = 0; at < product(all); ++at) {
    const Shape index = indexOf(all, at);
    auto place = [&](const std::string &of) {
      Shape own;
      for (char c : of)
        own.push_back(index[letters.find(c)]);
      return placeOf(shapeOf(of), own);
    };
    double term = 1;
    for (size_t p = 0; p < parts.size(); ++p)
      term *= values[p][place(parts[p])];
    want[place(out)] += term;
  }
  return want;
}

TEST(RecipeArithmetic, SumsProductsOverNamedAxes) {
  Random random;
  for (const std::string axes : {"ik,kj->ij", "ofc,fk->ock", "c,c->c", "bij,bjk->bik", "ij->ji",
                                 "oij,oi->ijo", "ij->i", "i,j->ij", "abc,cd,de->abe", "oc,oc->o"})
    for (int trial = 0; trial < 3; ++trial) {
      std::map<char, int64_t> sizes;
      for (char c : axes)
        if (std::isalpha(static_cast<unsigned char>(c)))
          sizes.try_emplace(c, random.size());
      MemoryTensors t;
      std::vector<Recipe> parts;
      Shape shape;
      auto add = [&] {
        const std::string name(1, static_cast<char>('a' + parts.size()));
        t.add(name, shape);
        parts.push_back(source(name));
        shape.clear();
      };
      for (char c : axes.substr(0, axes.find("->")))
        if (c == ',')
          add();
        else
          shape.push_back(sizes.at(c));
      add();
      Recipe recipe = node(Recipe::Kind::Einsum, parts);
      recipe.name = axes;
      Shape result;
      const std::vector<double> want = einsum(axes, t, sizes, result);
      expectNear(evaluate(recipe, t, result), want);
    }
}

TEST(RecipeArithmetic, RefusesPartsThatDoNotFit) {
  MemoryTensors t;
  t.add("a", {3, 4});
  t.add("b", {5, 4});
  auto refused = [&](Recipe recipe) { return !bindRecipe(recipe, t, 0); };
  EXPECT_TRUE(refused(node(Recipe::Kind::Sum, {source("a"), source("b")})));
  Recipe einsum = node(Recipe::Kind::Einsum, {source("a"), source("b")});
  einsum.name = "ij,ik->jk"; // i is 3 and 5
  EXPECT_TRUE(refused(einsum));
  einsum.name = "ij->i"; // two parts
  EXPECT_TRUE(refused(einsum));
  einsum.name = "ij,kj->ikz"; // z is nowhere
  EXPECT_TRUE(refused(einsum));
  Recipe box = node(Recipe::Kind::Box, {source("a")});
  box.axis = 2;
  box.size = 3;
  EXPECT_TRUE(refused(box));
  Recipe spectrum = node(Recipe::Kind::Spectrum, {source("a")});
  spectrum.size = 2; // fewer points than taps
  EXPECT_TRUE(refused(spectrum));
  spectrum.size = 12; // no power of 2
  EXPECT_TRUE(refused(spectrum));
}

} // namespace
