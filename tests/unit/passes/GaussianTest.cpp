// Filters of linear-Gaussian and hidden Markov models: the fast path against the decomposition, and
// pieces against the whole.
#include "SegmentHarness.h"

#include <cmath>
#include <cstring>
#include <deque>
#include <gtest/gtest.h>
#include <random>

namespace plexus::compiler::test {
namespace {

std::string number(int64_t value) { return std::to_string(value); }
std::string tensor(const std::string &sizes) { return "tensor<" + sizes + "xf32>"; }

/// A random covariance matrix: a^T a of a taller one.
std::string covariance(const std::string &name, int64_t size) {
  std::string a = "#plx.source<\"" + name +
                  "\" : " + tensor(number(size + 5) + "x" + number(size)) + ">",
              type = tensor(number(size) + "x" + number(size));
  return "plx.weight @" + name + " : " + type + " = #plx.einsum<\"ki,kj->ij\", [" + a + ", " + a +
         "]>\n";
}
std::string covarianceRecipe(const std::string &name, int64_t size) {
  std::string text = covariance(name, size);
  size_t begin = text.find("#plx.einsum");
  return text.substr(begin, text.size() - begin - 1);
}

struct Sizes {
  int64_t states, measurements;
  bool offsets;
};

/// y and a flag a token in, the results side by side out.
std::string filterText(const Sizes &sizes, bool keeps, bool smooths) {
  std::string n = number(sizes.states), m = number(sizes.measurements);
  std::string carry =
      "!plx.carry<" + number(2 + sizes.states + sizes.states * sizes.states) + " x 2>";
  std::string readout = "#plx.source<\"c\" : " + tensor(m + "x" + n) + ">",
              noise = covarianceRecipe("r", sizes.measurements);
  struct Weight {
    std::string name, type, recipe;
  };
  std::vector<Weight> weights = {
      {"a", tensor(n + "x" + n), "#plx.source<\"a\">"},
      {"q", tensor(n + "x" + n), covarianceRecipe("q", sizes.states)},
      {"w", tensor("2x" + m + "x" + m), "#plx.whiten<\"inverse\", [" + noise + "]>"},
      {"h", tensor("2x" + n + "x" + m),
       "#plx.whiten<\"readout\", [" + noise + ", " + readout + "]>"},
      {"j", tensor("2x" + n + "x" + n),
       "#plx.whiten<\"information\", [" + noise + ", " + readout + "]>"},
      {"l", tensor("2x1"), "#plx.whiten<\"log_determinant\", [" + noise + "]>"},
      {"mu", tensor(n), "#plx.source<\"mu\">"},
      {"v", tensor(n + "x" + n), covarianceRecipe("v", sizes.states)}};
  if (sizes.offsets) {
    weights.push_back({"b", tensor(n), "#plx.source<\"b\">"});
    weights.push_back({"d", tensor(m), "#plx.source<\"d\">"});
  }
  std::string text = "plx.model @m {\n", params, values = "%y", types = tensor("?x" + m);
  for (const Weight &w : weights) {
    text += "plx.weight @" + w.name + " : " + w.type + " = " + w.recipe + "\n";
    params += "%" + w.name + " = plx.param @" + w.name + " : " + w.type + "\n";
    if (w.name.size() == 1 && std::string("bd").find(w.name) != std::string::npos)
      continue;
    values += ", %" + w.name;
    types += ", " + w.type;
  }
  values += ", %batch";
  types += ", !plx.batch";
  if (sizes.offsets) {
    values += " offset %b measurement_offset %d";
    types += ", " + tensor(n) + ", " + tensor(m);
  }
  if (keeps) {
    text += "plx.state @k kind = replace : " + carry + "\n";
    params += "%s = plx.get_state @k : " + carry + "\n";
    values += " state %s";
    types += ", " + carry;
  }
  std::string means = tensor("?x" + n), covariances = tensor("?x" + n + "x" + n);
  std::string results = smooths ? means + ", " + covariances + ", " + covariances
                                : means + ", " + covariances + ", " + means + ", " + covariances +
                                      ", " + tensor("?x1");
  std::string names = smooths ? "%r0, %r1, %r2" : "%r0, %r1, %r2, %r3, %r4";
  return text + "plx.segment @s(%y: " + tensor("?x" + m) + ", %batch: !plx.batch) -> (" + results +
         ") {\n" + params + names + " = ssm." + (smooths ? "kalman_smoother " : "kalman_filter ") +
         values + " : (" + types + ") -> (" + results + ")\nplx.return " + names + " : " + results +
         "\n}\n}\n";
}

void expectNear(const std::vector<Floats> &actual, const std::vector<Floats> &expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t r = 0; r < actual.size(); ++r) {
    SCOPED_TRACE("result " + number(r));
    test::expectNear(actual[r], expected[r], 1e-5);
  }
}

class Gaussian : public testing::TestWithParam<Sizes> {};

TEST_P(Gaussian, FilterAndSmootherEqualTheirDecompositions) {
  const Sizes &sizes = GetParam();
  for (bool smooths : {false, true}) {
    std::string text = filterText(sizes, false, smooths);
    CompiledSegment fast(text, Path::Fast), decomposed(text, Path::Decomposed);
    for (std::vector<int32_t> lengths : {std::vector<int32_t>{1}, {3, 1, 0, 17}}) {
      RaggedBatch batch(lengths);
      Floats y = randomRows(batch.view().tokens, sizes.measurements, 5);
      if (y.size() > 4)
        y[y.size() / 2] = NAN; // no measurement
      expectNear(fast(batch, {y}), decomposed(batch, {y}));
    }
  }
}

TEST_P(Gaussian, PiecesGiveTheBitsOfTheWhole) {
  const Sizes &sizes = GetParam();
  CompiledSegment segment(filterText(sizes, true, false), Path::Fast),
      decomposed(filterText(sizes, true, false), Path::Decomposed);
  std::deque<Floats> slots;
  auto slot = [&] {
    slots.emplace_back(3 * kSlotFloats, 0.f);
    return reinterpret_cast<uint8_t *>(slots.back().data());
  };
  auto chain = [&](int32_t size, uint8_t *from, uint8_t *to) {
    RaggedBatch batch({size});
    batch.carryFrom.assign(size, nullptr);
    batch.carryTo.assign(size, nullptr);
    batch.carryFrom.front() = from;
    batch.carryTo.back() = to;
    return batch;
  };
  Floats y = randomRows(20, sizes.measurements, 11);
  uint8_t *from = slot(), *end = slot();
  std::vector<Floats> whole = segment(chain(20, from, end), {y}), pieces(whole.size());
  expectNear(whole, decomposed(chain(20, from, slot()), {y}));
  int32_t begin = 0;
  for (int32_t size : {1, 6, 1, 12}) {
    uint8_t *to = slot();
    Floats part(y.begin() + begin * sizes.measurements,
                y.begin() + (begin + size) * sizes.measurements);
    // What the decomposition left is taken up too: one format.
    std::vector<Floats> made = segment(chain(size, from, to), {part});
    for (size_t r = 0; r < made.size(); ++r)
      pieces[r].insert(pieces[r].end(), made[r].begin(), made[r].end());
    from = to, begin += size;
  }
  EXPECT_EQ(whole, pieces);
  int64_t words = 2 * (2 + sizes.states + sizes.states * sizes.states);
  size_t place = carryPlace(0) * sizeof(float);
  EXPECT_EQ(std::memcmp(end + place, from + place, words * sizeof(float)), 0);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Gaussian,
                         testing::Values(Sizes{4, 6, true}, Sizes{1, 1, false}, Sizes{9, 3, false},
                                         Sizes{3, 37, true}, Sizes{10, 100, false}));

TEST(DiscriminativeFilter, EqualsItsDecomposition) {
  for (bool each : {false, true}) {
    std::string q = each ? "tensor<?x3x3xf32>" : "tensor<3x3xf32>";
    std::string text =
        "plx.model @m {\n" + covariance("q", 3) + covariance("g", 3) + covariance("p", 3) +
        "plx.weight @a : tensor<3x3xf32> = #plx.source<\"a\">\n"
        "plx.segment @s(%x: tensor<?x12xf32>, %batch: !plx.batch) -> (tensor<?x3xf32>, "
        "tensor<?x3x3xf32>) {\n"
        "%a = plx.param @a : tensor<3x3xf32>\n%g = plx.param @g : tensor<3x3xf32>\n"
        "%p = plx.param @p : tensor<3x3xf32>\n%q = plx.param @q : tensor<3x3xf32>\n"
        "%f = plx.slice %x from 0 size 3 : tensor<?x12xf32> -> tensor<?x3xf32>\n"
        "%l9 = plx.slice %x from 3 size 9 : tensor<?x12xf32> -> tensor<?x9xf32>\n"
        "%l = plx.reshape %l9 : tensor<?x9xf32> -> tensor<?x3x3xf32>\n"
        "%m3 = plx.matmul %l, %l {transposed} : (tensor<?x3x3xf32>, tensor<?x3x3xf32>) -> "
        "tensor<?x3x3xf32>\n"
        "%u = plx.add %m3, %q : tensor<?x3x3xf32>, tensor<3x3xf32>\n"
        "%m, %c = ssm.discriminative_filter %f, " +
        std::string(each ? "%u" : "%q") + ", %a, %g, %p, %batch : (tensor<?x3xf32>, " + q +
        ", tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>, !plx.batch) -> (tensor<?x3xf32>, "
        "tensor<?x3x3xf32>)\nplx.return %m, %c : tensor<?x3xf32>, tensor<?x3x3xf32>\n}\n}\n";
    CompiledSegment fast(text, Path::Fast), decomposed(text, Path::Decomposed);
    RaggedBatch batch({5, 1, 9});
    Floats x = randomRows(15, 12, 3);
    expectNear(fast(batch, {x}), decomposed(batch, {x}));
  }
}

} // namespace
} // namespace plexus::compiler::test
