// Convolutions and pools over maps of random odd sizes, strides, paddings, dilations and groups,
// compiled through the public API, against plain loops.
#include <plexus/brain.hpp>
#include <plexus/plexus.hpp>

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace {

namespace brain = plexus::graph::brain;
using plexus::graph::Builder;
using plexus::graph::Value;
using Floats = std::vector<float>;

class Random {
public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int64_t number(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  Floats floats(int64_t count) {
    std::normal_distribution<float> normal;
    Floats values(count);
    for (float &value : values)
      value = normal(engine_);
    return values;
  }

private:
  std::mt19937 engine_;
};

/// Sizes along one axis.
struct Axis {
  int64_t input, kernel, stride, dilation, begin, end;
  int64_t result() const {
    return (input + begin + end - (kernel - 1) * dilation - 1) / stride + 1;
  }
};

/// One op: a convolution of `filters`, or a pool where there are none.
struct Case {
  int64_t channels = 1, filters = 0, groups = 1;
  std::string mode; ///< Of a pool.
  Axis height, width;
  Floats weight, bias;

  int64_t outputs() const { return filters ? filters : channels; }
  int64_t inputElements() const { return channels * height.input * width.input; }
  int64_t outputElements() const { return outputs() * height.result() * width.result(); }
  brain::Window window() const {
    return {{height.stride, width.stride},
            {height.dilation, width.dilation},
            {height.begin, width.begin},
            {height.end, width.end},
            groups};
  }
};

Axis randomAxis(Random &random, int64_t most) {
  Axis a;
  a.kernel = random.number(1, 5);
  a.dilation = random.number(0, 2) ? 1 : random.number(2, 3);
  a.stride = random.number(0, 1) ? 1 : random.number(2, 4);
  // Fewer places of padding than the kernel has: no window lies outside.
  const int64_t reach = (a.kernel - 1) * a.dilation;
  a.begin = random.number(0, 1) ? 0 : random.number(0, reach);
  a.end = random.number(0, 1) ? 0 : random.number(0, reach);
  a.input = reach + 1 + random.number(0, most);
  return a;
}

Case randomCase(Random &random, bool isConv, int number) {
  Case c;
  c.height = randomAxis(random, number % 3 ? 5 : 0);
  c.width = randomAxis(random, number % 4 ? 40 : 3);
  if (!isConv) {
    c.channels = random.number(1, 9);
    c.mode = number % 2 ? "max" : "mean";
    return c;
  }
  c.groups = random.number(0, 2) ? 1 : random.number(2, 4);
  const int64_t perGroup = random.number(1, 5);
  c.channels = c.groups * perGroup;
  c.filters = c.groups * random.number(1, 11);
  c.weight = random.floats(c.filters * perGroup * c.height.kernel * c.width.kernel);
  if (number % 2)
    c.bias = random.floats(c.filters);
  return c;
}

/// The op at one place of one output, straight from its definition.
double at(const Case &c, const float *x, int64_t o, int64_t p, int64_t q) {
  const bool isMax = c.mode == "max";
  double sum =
      isMax ? -std::numeric_limits<double>::infinity() : (c.bias.empty() ? 0 : double(c.bias[o]));
  int64_t inside = 0;
  const int64_t perGroup = c.channels / c.groups;
  const int64_t group = c.filters ? o / (c.filters / c.groups) : 0;
  const int64_t first = c.filters ? group * perGroup : o, count = c.filters ? perGroup : 1;
  for (int64_t ch = 0; ch < count; ++ch)
    for (int64_t u = 0; u < c.height.kernel; ++u)
      for (int64_t v = 0; v < c.width.kernel; ++v) {
        const int64_t h = p * c.height.stride + u * c.height.dilation - c.height.begin,
                      w = q * c.width.stride + v * c.width.dilation - c.width.begin;
        if (h < 0 || w < 0 || h >= c.height.input || w >= c.width.input)
          continue;
        ++inside;
        const double value = x[((first + ch) * c.height.input + h) * c.width.input + w];
        const int64_t tap = ((o * count + ch) * c.height.kernel + u) * c.width.kernel + v;
        if (isMax)
          sum = std::max(sum, value);
        else
          sum += c.filters ? value * c.weight[tap] : value;
      }
  return c.mode == "mean" ? sum / double(inside) : sum;
}

/// Compiles all cases as one model and compares each output.
void check(const std::vector<Case> &cases, unsigned seed) {
  auto graph = plexus::Graph::create("maps");
  ASSERT_TRUE(graph) << graph.error().message;
  Builder b = graph->builder();
  std::vector<std::string> inputs, outputs;
  std::vector<plexus::graph::Arg> args;
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case &c = cases[i];
    const std::string name = "op" + std::to_string(i);
    args.push_back(Builder::rows({c.channels, c.height.input, c.width.input}));
    auto s = b.segment(name, {args.back()});
    if (c.filters) {
      Value w = b.param(name + ".w", b.constant(c.weight, {c.filters, c.channels / c.groups,
                                                           c.height.kernel, c.width.kernel}));
      Value bias;
      if (!c.bias.empty())
        bias = b.param(name + ".b", b.constant(c.bias, {c.filters}));
      b.endSegment({brain::conv(b, s.args[0], w, bias, c.window())});
    } else {
      b.endSegment(
          {brain::pool(b, s.args[0], c.mode, {c.height.kernel, c.width.kernel}, c.window())});
    }
    inputs.push_back("x" + std::to_string(i));
    outputs.push_back("y" + std::to_string(i));
  }
  std::vector<const char *> names;
  for (const std::string &input : inputs)
    names.push_back(input.c_str());
  auto values = b.schedule("forward", names, args);
  std::vector<Builder::Output> results;
  for (size_t i = 0; i < cases.size() && b.ok(); ++i)
    results.push_back({outputs[i].c_str(), b.run("op" + std::to_string(i), -1, {values[i]})});
  b.endSchedule(results);
  auto model = graph->compile();
  ASSERT_TRUE(model) << model.error().message;

  constexpr int64_t kRows = 3;
  Random random(seed);
  std::vector<Floats> numbers;
  std::vector<plexus::Input> given;
  for (const Case &c : cases)
    numbers.push_back(random.floats(kRows * c.inputElements()));
  for (size_t i = 0; i < cases.size(); ++i)
    given.emplace_back(inputs[i], numbers[i],
                       std::vector<int64_t>{kRows, cases[i].channels, cases[i].height.input,
                                            cases[i].width.input});
  auto run = model->run(given);
  ASSERT_TRUE(run) << run.error().message;
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case &c = cases[i];
    auto got = run->floats(outputs[i]);
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_EQ(static_cast<int64_t>(got->size()), kRows * c.outputElements()) << i;
    size_t place = 0;
    for (int64_t n = 0; n < kRows; ++n)
      for (int64_t o = 0; o < c.outputs(); ++o)
        for (int64_t p = 0; p < c.height.result(); ++p)
          for (int64_t q = 0; q < c.width.result(); ++q, ++place) {
            const double want = at(c, numbers[i].data() + n * c.inputElements(), o, p, q);
            ASSERT_NEAR((*got)[place], want, 1e-5 * (1 + std::abs(want)))
                << "op " << i << " row " << n << " channel " << o << " at " << p << ", " << q
                << ": kernel " << c.height.kernel << "x" << c.width.kernel << " stride "
                << c.height.stride << "x" << c.width.stride << " dilation " << c.height.dilation
                << "x" << c.width.dilation << " groups " << c.groups << " " << c.mode;
          }
  }
}

TEST(Maps, ConvolutionsEqualPlainLoops) {
  for (unsigned seed : {1u, 2u}) {
    Random random(seed);
    std::vector<Case> cases;
    for (int i = 0; i < 24; ++i)
      cases.push_back(randomCase(random, true, i));
    check(cases, seed);
  }
}

/// Sizes for which transforms are cheaper than the direct form (plx-spectral-convolutions).
TEST(Maps, LargeConvolutionsEqualPlainLoops) {
  Random random(5);
  const Axis line{1, 1, 1, 1, 0, 0};
  auto make = [&](int64_t channels, int64_t filters, Axis height, Axis width, bool biased) {
    Case c;
    c.channels = channels, c.filters = filters, c.height = height, c.width = width;
    const int64_t taps = channels * height.kernel * width.kernel;
    c.weight = random.floats(filters * taps);
    for (float &w : c.weight)
      w /= std::sqrt(static_cast<float>(taps));
    if (biased)
      c.bias = random.floats(filters);
    return c;
  };
  check({make(22, 40, line, {276, 25, 1, 1, 0, 0}, true), // several tiles, a short last one
         make(50, 33, line, {32, 10, 1, 1, 0, 0}, false), // one tile, as long as the line
         make(40, 48, line, {17, 9, 1, 1, 4, 3}, true),   // padded
         make(1, 20, {22, 22, 1, 1, 0, 0}, {150, 17, 1, 1, 0, 0}, true),  // over all sensors
         make(9, 24, {12, 4, 2, 2, 1, 2}, {90, 31, 1, 1, 15, 15}, false), // lines of a map
         make(31, 7, line, {200, 64, 1, 1, 0, 0}, true)},
        7);
}

TEST(Maps, LongKernelsOfFewFiltersEqualPlainLoops) {
  Random random(8);
  std::vector<Case> cases;
  for (int64_t kernel : {8, 16, 19, 64})
    for (int64_t times : {1, 2}) {
      Case c;
      c.channels = c.groups = 3, c.filters = 3 * times;
      c.height = {2, 1, 1, 1, 0, 0}, c.width = {300, kernel, 1, 1, kernel / 2, 0};
      c.weight = random.floats(c.filters * kernel);
      for (float &w : c.weight)
        w /= std::sqrt(static_cast<float>(kernel));
      cases.push_back(c);
    }
  check(cases, 9);
}

/// A convolution beside a wave of 10^4 times its signal: rounding is relative to the largest
/// samples.
TEST(Maps, LargeConvolutionsKeepTheirDigitsBesideLargeSamples) {
  Random random(6);
  Case c;
  c.channels = 16, c.filters = 32;
  c.height = {1, 1, 1, 1, 0, 0}, c.width = {300, 20, 1, 1, 0, 0};
  c.weight = random.floats(c.filters * c.channels * c.width.kernel);
  auto graph = plexus::Graph::create("wave");
  ASSERT_TRUE(graph);
  Builder b = graph->builder();
  auto s = b.segment("conv", {Builder::rows({16, 1, 300})});
  b.endSegment({brain::conv(b, s.args[0],
                            b.param("w", b.constant(c.weight, {c.filters, c.channels, 1, 20})))});
  auto in = b.schedule("forward", {"x"}, {Builder::rows({16, 1, 300})});
  b.endSchedule({{"y", b.run("conv", -1, {in[0]})}});
  auto model = graph->compile();
  ASSERT_TRUE(model) << model.error().message;
  Floats x = random.floats(c.inputElements());
  double squares = 0; // Of the largest window, times those of a filter.
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] += 1e4f * std::sin(0.3f * static_cast<float>(i));
    squares += double(x[i]) * x[i];
  }
  const double scale = std::sqrt(squares / 15 * 20); // norms of 320 samples and of a filter
  auto run = model->run({plexus::Input("x", x, {1, 16, 1, 300})});
  ASSERT_TRUE(run) << run.error().message;
  auto got = run->floats("y");
  ASSERT_TRUE(got);
  double worst = 0;
  for (int64_t o = 0; o < c.filters; ++o)
    for (int64_t q = 0; q < c.width.result(); ++q)
      worst =
          std::max(worst, std::abs((*got)[o * c.width.result() + q] - at(c, x.data(), o, 0, q)));
  EXPECT_LT(worst, 1e-6 * scale);
}

TEST(Maps, PoolsEqualPlainLoops) {
  Random random(3);
  std::vector<Case> cases;
  for (int i = 0; i < 24; ++i)
    cases.push_back(randomCase(random, false, i));
  check(cases, 3);
}

} // namespace
