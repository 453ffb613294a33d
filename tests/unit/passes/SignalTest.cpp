// Filters and running norms: the fast path against the decomposition, pieces against the whole, and
// zero-phase filters against a plain loop.
#include "SegmentHarness.h"

#include "plexus/filters.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

namespace plexus::compiler::test {
namespace {

/// Samples with an offset that is large beside the signal, as electrodes have.
Floats samples(int64_t rows, int64_t columns, unsigned seed, float offset = 100) {
  Floats values = randomRows(rows, columns, seed);
  for (float &value : values)
    value += offset;
  return values;
}

void expectClose(const Floats &actual, const Floats &expected, double tolerance = 1e-5) {
  expectNear(actual, expected, tolerance);
}

/// The numbers of a bank as the IR spells them.
std::string text(const std::vector<filters::Sections> &bank) {
  std::ostringstream out;
  out.precision(17);
  out << std::scientific;
  for (const auto &filter : bank)
    for (const auto &section : filter)
      for (double value : section)
        out << (out.tellp() > 0 ? ", " : "") << value;
  return out.str();
}

filters::Sections bandPass(int order, double low, double high) {
  return filters::Design{.order = order, .band = {low, high}, .rate = 250}.make();
}

/// An op over x [T, columns] and the shape of its state.
struct Case {
  const char *name;
  std::string op, attributes;
  int64_t columns, out;
  std::vector<int64_t> state; ///< Empty: it keeps none.
};

std::string textOf(const Case &test, bool keeps) {
  auto rows = [](int64_t columns) { return "tensor<?x" + std::to_string(columns) + "xf32>"; };
  std::string type = "!plx.carry<";
  for (size_t i = 0; i < test.state.size(); ++i)
    type += (i ? " x " : "") + std::to_string(test.state[i]);
  type += ">";
  return "plx.model @m {\n" + (keeps ? "plx.state @h kind = replace : " + type + "\n" : "") +
         "plx.segment @s(%x: " + rows(test.columns) + ", %batch: !plx.batch) -> " + rows(test.out) +
         " {\n" + (keeps ? "%h = plx.get_state @h : " + type + "\n" : "") + "%y = brain." +
         test.op + " %x, %batch " + (keeps ? "state %h " : "") + "{" + test.attributes + "} : (" +
         rows(test.columns) + ", !plx.batch" + (keeps ? ", " + type : "") + ") -> " +
         rows(test.out) + "\nplx.return %y : " + rows(test.out) + "\n}\n}\n";
}

std::vector<Case> cases() {
  const std::string one = "sos = array<f64: " + text({bandPass(4, 8, 30)}) + ">";
  const std::string two =
      "filters = 2 : i64, sos = array<f64: " + text({bandPass(2, 4, 8), bandPass(2, 8, 13)}) + ">";
  return {
      {"Ema", "ema_standardize", "alpha = 0.01 : f64, eps = 1.0e-4 : f64", 21, 21, {3, 21, 2}},
      {"Filter", "sos_filter", one, 22, 22, {8, 22, 2}},
      {"OneChannel", "sos_filter", one, 1, 1, {8, 1, 2}},
      {"Steady", "sos_filter", one + ", steady", 5, 5, {9, 5, 2}},
      {"Bank", "sos_filter", two, 19, 38, {4, 38, 2}},
      {"SteadyBank", "sos_filter", two + ", steady", 3, 6, {5, 6, 2}},
      {"ZeroPhase", "sos_filtfilt", one + ", padding = 9 : i64", 21, 21, {}},
      {"ZeroPhaseBank", "sos_filtfilt", two + ", padding = 4 : i64", 3, 6, {}},
      {"NoExtension", "sos_filtfilt", one + ", padding = 0 : i64", 3, 3, {}},
      {"EvenExtension",
       "sos_filtfilt",
       one + ", padding = 5 : i64, extension = #brain<extension even>",
       3,
       3,
       {}},
      {"ConstantExtension",
       "sos_filtfilt",
       one + ", padding = 5 : i64, extension = #brain<extension constant>",
       3,
       3,
       {}},
  };
}

class Signal : public testing::TestWithParam<Case> {};

TEST_P(Signal, EqualsItsDecompositionOnRaggedBatches) {
  const Case &test = GetParam();
  CompiledSegment fast(textOf(test, false), Path::Fast),
      decomposed(textOf(test, false), Path::Decomposed);
  RaggedBatch batch({12, 1, 40, 0, 3});
  Floats x = samples(56, test.columns, 7);
  expectClose(fast(batch, {x})[0], decomposed(batch, {x})[0]);
}

/// A slot that holds the state of a sequence.
using Slot = Floats;
RaggedBatch chain(int32_t length, Slot &from, Slot &to) {
  RaggedBatch batch({length});
  batch.carryFrom.assign(length, nullptr);
  batch.carryTo.assign(length, nullptr);
  batch.carryFrom.front() = reinterpret_cast<uint8_t *>(from.data());
  batch.carryTo.back() = reinterpret_cast<uint8_t *>(to.data());
  return batch;
}

TEST_P(Signal, PiecesGiveTheBitsOfTheWhole) {
  const Case &test = GetParam();
  if (test.state.empty())
    GTEST_SKIP() << "has no state";
  for (Path path : {Path::Fast, Path::Decomposed}) {
    CompiledSegment segment(textOf(test, true), path);
    Slot start(2 * kSlotFloats, 0), end = start, from = start, to = start;
    Floats x = samples(40, test.columns, 11), pieces;
    Floats whole = segment(chain(40, start, end), {x})[0];
    int32_t begin = 0;
    for (int32_t size : {1, 6, 17, 16}) {
      Floats part(x.begin() + begin * test.columns, x.begin() + (begin + size) * test.columns);
      Floats made = segment(chain(size, from, to), {part})[0];
      pieces.insert(pieces.end(), made.begin(), made.end());
      std::swap(from, to);
      begin += size;
    }
    EXPECT_EQ(whole, pieces);
    EXPECT_EQ(std::memcmp(end.data(), from.data(), end.size() * sizeof(float)), 0);
    if (path == Path::Fast)
      expectClose(
          whole, CompiledSegment(textOf(test, false), Path::Decomposed)(RaggedBatch({40}), {x})[0]);
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Signal, testing::ValuesIn(cases()),
                         [](const auto &info) { return std::string(info.param.name); });

/// y of x, from the states.
std::vector<double> filter(const filters::Sections &sos, const std::vector<double> &x,
                           double first) {
  auto states = filters::steadyState(sos);
  for (auto &pair : states)
    for (double &state : pair)
      state *= first;
  std::vector<double> y;
  for (double value : x) {
    for (size_t s = 0; s < sos.size(); ++s) {
      const double out = sos[s][0] * value + states[s][0];
      states[s][0] = sos[s][1] * value - sos[s][4] * out + states[s][1];
      states[s][1] = sos[s][2] * value - sos[s][5] * out;
      value = out;
    }
    y.push_back(value);
  }
  return y;
}

TEST(ZeroPhase, EqualsAPlainLoopOverTheExtendedSignal) {
  const filters::Sections sos = bandPass(3, 0.5, 40);
  const int64_t padding = filters::defaultPadding(sos), length = 200;
  EXPECT_EQ(padding, 21);
  const Case test{
      "", "sos_filtfilt", "sos = array<f64: " + text({sos}) + ">, padding = 21 : i64", 1, 1, {}};
  Floats x = samples(length, 1, 3);
  std::vector<double> extended;
  for (int64_t i = padding; i > 0; --i)
    extended.push_back(2.0 * x[0] - x[i]);
  extended.insert(extended.end(), x.begin(), x.end());
  for (int64_t i = 1; i <= padding; ++i)
    extended.push_back(2.0 * x[length - 1] - x[length - 1 - i]);
  for (int pass = 0; pass < 2; ++pass) {
    extended = filter(sos, extended, extended[0]);
    std::reverse(extended.begin(), extended.end());
  }
  Floats expected(extended.begin() + padding, extended.end() - padding);
  expectClose(CompiledSegment(textOf(test, false), Path::Fast)(RaggedBatch({200}), {x})[0],
              expected, 1e-6);
}

} // namespace
} // namespace plexus::compiler::test
