// Kolmogorov-Arnold layers: the code of the emitters against the decompositions.
#include "SegmentHarness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace plexus::compiler::test {
namespace {

std::string tensor(std::initializer_list<int64_t> shape) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += std::to_string(size) + "x";
  return text + "f32>";
}

/// Weights [in, .., out] by name, as declarations and as parameters.
struct Weights {
  std::string declared, params;
  std::string add(const std::string &name, std::initializer_list<int64_t> shape) {
    declared +=
        "plx.weight @" + name + " : " + tensor(shape) + " = #plx.source<\"" + name + "\">\n";
    params += "%" + name + " = plx.param @" + name + " : " + tensor(shape) + "\n";
    return tensor(shape);
  }
};

/// A constant [knots, in] whose columns do not decrease, some steps being zero.
std::string knots(int64_t count, int64_t in, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> step(0, 4);
  std::vector<double> last(in, -2.0);
  std::string text = "dense<[";
  for (int64_t k = 0; k < count; ++k) {
    text += k ? ", [" : "[";
    for (int64_t i = 0; i < in; ++i) {
      last[i] += 0.125 * step(generator);
      text += (i ? ", " : "") + std::to_string(last[i]);
    }
    text += "]";
  }
  return text + "]> : " + tensor({count, in});
}

struct Case {
  std::string name, op; ///< op: the layer's line without its types
  int64_t in, out;
  std::string types, constants;
  Weights weights;
};

Case spline(int64_t in, int64_t out, int64_t functions, int64_t order) {
  Case c{"Spline" + std::to_string(in) + "x" + std::to_string(out) + "Order" +
             std::to_string(order),
         "",
         in,
         out,
         "",
         "",
         {}};
  c.constants = "%t = arith.constant " + knots(functions + order + 1, in, 3 + order) + "\n";
  c.types = tensor({functions + order + 1, in}) + ", " + c.weights.add("c", {in, functions, out}) +
            ", " + c.weights.add("w", {in, out}) + ", " + c.weights.add("b", {out});
  c.op = "kan.bspline %x, %t, %c base %w bias %b {order = " + std::to_string(order) + " : i64}";
  return c;
}

/// Equal steps of 1/4, the first and the last `repeated` of them 0.
Case uniformSpline(int64_t in, int64_t out, int64_t functions, int64_t order, int64_t repeated) {
  Case c = spline(in, out, functions, order);
  c.name = "Uniform" + c.name + "Repeated" + std::to_string(repeated);
  int64_t count = functions + order + 1;
  std::string text = "dense<[";
  for (int64_t k = 0; k < count; ++k) {
    int64_t step = std::clamp<int64_t>(k, repeated, count - 1 - repeated);
    text += k ? ", [" : "[";
    for (int64_t i = 0; i < in; ++i)
      text += (i ? ", " : "") + std::to_string(0.25 * step - 1.5 + 0.125 * i);
    text += "]";
  }
  c.constants = "%t = arith.constant " + text + "]> : " + tensor({count, in}) + "\n";
  c.op.insert(c.op.size() - 1, ", uniform");
  return c;
}

Case layer(const std::string &name, const std::string &op, int64_t in, int64_t out,
           int64_t functions) {
  Case c{name, op + " %x, %c bias %b", in, out, "", "", {}};
  c.types = c.weights.add("c", {in, functions, out}) + ", " + c.weights.add("b", {out});
  return c;
}

Case wavelet(const std::string &kind, int64_t in, int64_t out) {
  Case c{"Wavelet_" + kind, "kan.wavelet " + kind + " %x, %t, %d, %w base %v", in, out, "", "", {}};
  c.types = c.weights.add("t", {in, out}) + ", " + c.weights.add("d", {in, out}) + ", " +
            c.weights.add("w", {in, out}) + ", " + c.weights.add("v", {in, out});
  return c;
}

std::vector<Case> cases() {
  Case rbf = layer("Rbf", "kan.rbf", 9, 20, 12);
  rbf.op = "kan.rbf %x, %k, %c bias %b {width = 0.5 : f32}";
  rbf.types = rbf.weights.add("k", {12}) + ", " + rbf.types;
  return {spline(1, 1, 4, 0),
          spline(5, 7, 6, 1),
          spline(17, 65, 9, 3),
          spline(8, 16, 4, 3),
          spline(3, 40, 11, 5),
          spline(33, 300, 8, 2),
          uniformSpline(5, 7, 8, 3, 0),
          uniformSpline(19, 16, 12, 1, 1),
          uniformSpline(3, 9, 9, 2, 2),
          rbf,
          layer("Chebyshev", "kan.chebyshev", 17, 33, 5),
          layer("Constant", "kan.chebyshev", 4, 3, 1),
          layer("Fourier", "kan.fourier", 7, 17, 20),
          wavelet("mexican_hat", 7, 17),
          wavelet("morlet", 9, 8),
          wavelet("dog", 1, 1)};
}

std::string textOf(const Case &c) {
  std::string x = "tensor<?x" + std::to_string(c.in) + "xf32>",
              y = "tensor<?x" + std::to_string(c.out) + "xf32>";
  return "plx.model @m {\n" + c.weights.declared + "plx.segment @s(%x: " + x +
         ", %batch: !plx.batch) -> " + y + " {\n" + c.constants + c.weights.params +
         "%y = " + c.op + " : (" + x + ", " + c.types + ") -> " + y + "\nplx.return %y : " + y +
         "\n}\n}\n";
}

/// Inside and far outside of the grids, on knots (multiples of 1/8) and off them.
std::vector<float> inputs(int64_t count) {
  std::mt19937 generator(11);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> values(count);
  for (int64_t i = 0; i < count; ++i)
    values[i] = i % 3 ? normal(generator) : std::round(8 * normal(generator)) / 8;
  return values;
}

class KanLayers : public testing::TestWithParam<Case> {};

TEST_P(KanLayers, EqualTheirDecompositions) {
  std::string text = textOf(GetParam());
  CompiledSegment fast(text, Path::Fast), decomposed(text, Path::Decomposed);
  for (int32_t rows : {1, 7, 33, 70}) {
    std::vector<float> x = inputs(rows * GetParam().in);
    std::vector<float> actual = fast(RaggedBatch({rows}), {x})[0];
    std::vector<float> expected = decomposed(RaggedBatch({rows}), {x})[0];
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i)
      if (!std::isnan(actual[i]) || !std::isnan(expected[i])) // an edge's scale may be 0
        ASSERT_NEAR(actual[i], expected[i], 2e-4 + 2e-4 * std::abs(expected[i]))
            << rows << " rows, at " << i;
  }
}

TEST_P(KanLayers, GiveARowTheSameBitsAloneAndAmongOthers) {
  CompiledSegment fast(textOf(GetParam()), Path::Fast);
  int64_t in = GetParam().in, out = GetParam().out;
  std::vector<float> x = inputs(70 * in);
  std::vector<float> together = fast(RaggedBatch({70}), {x})[0];
  for (int64_t row : {0, 13, 69}) {
    std::vector<float> one(x.begin() + row * in, x.begin() + (row + 1) * in);
    std::vector<float> alone = fast(RaggedBatch({1}), {one})[0];
    EXPECT_EQ(std::memcmp(alone.data(), together.data() + row * out, out * sizeof(float)), 0)
        << row;
  }
}

TEST_P(KanLayers, KeepNaNInItsOwnRow) {
  CompiledSegment fast(textOf(GetParam()), Path::Fast);
  int64_t in = GetParam().in, out = GetParam().out;
  std::vector<float> x = inputs(3 * in);
  std::vector<float> clean = fast(RaggedBatch({3}), {x})[0];
  x[in] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> y = fast(RaggedBatch({3}), {x})[0];
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t row : {0, 2})
      if (!std::isnan(clean[row * out + o]))
        EXPECT_EQ(y[row * out + o], clean[row * out + o]) << row;
    if (GetParam().name != "Constant")
      EXPECT_TRUE(std::isnan(y[out + o])) << o;
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, KanLayers, testing::ValuesIn(cases()),
                         [](const auto &info) { return info.param.name; });

} // namespace
} // namespace plexus::compiler::test
