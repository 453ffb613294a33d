// Generated products against plain loops, over shapes, layouts, ISA levels and numbers of rows.
#include "passes/lower/cpu/emit/Product.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/cpu/emit/VectorMath.h"
#include "tests/unit/emit/Batches.h"
#include "tests/unit/emit/Harness.h"
#include "tests/unit/emit/Packing.h"
#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace plexus::emit;
using namespace plexus::emit::test;
using plexus::PackedForm;
using plexus::PackedGeometry;
using plexus::PackedValues;
using plexus::PackedZeros;

namespace {

/// kMostPairRows: more than one pass takes.
constexpr int64_t kMostRows = 200, kMostPairRows = 531;

struct Case {
  int64_t k, n;
  PackedForm form;
  bool gated = false;
};

/// out = x W (+ bias), or gate * up when gated.
class Product {
public:
  /// `fixedScale`: of all activations; 0: each row has its own.
  Product(const Isa &isa, const Case &c, ProductCompute compute = ProductCompute::F32,
          bool manyPairs = false, float fixedScale = 0)
      : spec{c.k, c.n, c.form, c.gated, compute, manyPairs, fixedScale > 0},
        weight(packed(spec, 1)), bias(randomFloats(c.n, 2)), range{fixedScale, 0},
        scratch(productScratch(spec).bytes(kMostPairRows) + 64) {
    code = compiler.compile(
        isa,
        {compiler.stridedRows(c.k), compiler.index(), compiler.bytes(), compiler.bytes(),
         compiler.floats(c.n), compiler.rows(c.n), compiler.floats(2)},
        [&](OpBuilder &b, Location loc, ValueRange args) {
          ProductOperands operands{args[0], args[1], args[2], args[3], args[6]};
          emitProduct(b, loc, isa, spec, operands,
                      [&](OpBuilder &b, Location loc, const ProductLanes &lanes) {
                        Value sum = lanes.sums[0];
                        if (spec.gated)
                          sum = arith::MulFOp::create(b, loc, sum, lanes.sums[1]);
                        Value bias = lanes.load(b, loc, args[4], {lanes.column});
                        Value y = arith::AddFOp::create(b, loc, sum, bias);
                        lanes.store(b, loc, y, args[5], {lanes.row, lanes.column});
                      });
        });
  }

  std::vector<float> run(const std::vector<float> &x, int64_t rows, int64_t stride) {
    std::vector<float> out(rows * spec.n + 16, -7.0f);
    code(Buffer::matrix(x.data(), rows, spec.k, stride), rows,
         Buffer::vector(weight.bytes.data(), weight.bytes.size()),
         Buffer::vector(scratch.data(), scratch.size()), Buffer::vector(bias.data(), bias.size()),
         Buffer::matrix(out.data(), rows, spec.n, spec.n),
         Buffer::vector(range.data(), range.size()));
    for (size_t i = rows * spec.n; i < out.size(); ++i)
      EXPECT_EQ(out[i], -7.0f) << "written past the end of the output";
    out.resize(rows * spec.n);
    return out;
  }

  double expected(const float *x, int64_t column) const {
    auto sum = [&](int64_t packedColumn) {
      double total = 0;
      for (int64_t k = 0; k < spec.k; ++k)
        total += static_cast<double>(x[k]) * weight.at(k, packedColumn);
      return total;
    };
    if (!spec.gated)
      return sum(column) + bias[column];
    int64_t gate = column / 32 * 64 + column % 32;
    return sum(gate) * sum(gate + 32) + bias[column];
  }

  /// What is expected of pairs.
  void roundWeights() {
    for (float &value : weight.values)
      value = fromBf16(toBf16(value));
  }

  /// All bytes of all values, whatever the form; scales stay.
  void fillValues(unsigned char byte) {
    PackedGeometry place(spec.form, spec.k);
    for (int64_t block = 0; block < spec.blocks(); ++block)
      for (int64_t g = 0; g < place.groups; ++g)
        std::memset(
            &weight.bytes[block * place.blockBytes + place.recordOffset(g) + place.headerBytes],
            byte, place.recordBytes - place.headerBytes);
    QuantizedReader read(spec.form, spec.k, weight.bytes.data());
    for (int64_t k = 0; k < spec.k; ++k)
      for (int64_t column = 0; column < weight.packedColumns; ++column)
        weight.values[k * weight.packedColumns + column] = read(k, column);
  }

  ProductSpec spec;

private:
  Compiler compiler;
  PackedWeight weight;
  std::vector<float> bias, range;
  std::vector<char> scratch;
  Compiled code;
};

void checkProduct(const Isa &isa, const Case &c) {
  SCOPED_TRACE(isa.name.str() + " k=" + std::to_string(c.k) + " n=" + std::to_string(c.n) +
               " form=" + c.form.spelling() + (c.gated ? " gated" : ""));
  Product product(isa, c);
  int64_t stride = c.k + 3;
  std::vector<float> x = randomFloats(kMostRows * stride, 3);
  for (int64_t i = 0; i < kMostRows; ++i) // what lies between the rows must not matter
    for (int64_t k = c.k; k < stride; ++k)
      x[i * stride + k] = NAN;
  std::vector<float> all = product.run(x, kMostRows, stride);
  for (int64_t row : {0, 1, 99, 195, 199})
    for (int64_t column = 0; column < c.n; ++column) {
      double want = product.expected(&x[row * stride], column);
      double scale = c.gated ? c.k : std::sqrt(static_cast<double>(c.k));
      ASSERT_NEAR(all[row * c.n + column], want, 2e-5 * (scale + std::abs(want)))
          << "row " << row << " column " << column;
    }
  for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 11, 16, 17, 64, 65, 100}) {
    std::vector<float> some = product.run(x, rows, stride);
    ASSERT_EQ(std::memcmp(some.data(), all.data(), some.size() * sizeof(float)), 0)
        << "bits differ with " << rows << " rows";
  }
}

TEST(Product, EqualsAPlainLoopAndRowsDoNotDependOnTheirNumber) {
  for (const Isa &isa : testIsas())
    for (PackedValues values : {PackedValues::F32, PackedValues::BF16, PackedValues::F16})
      for (auto [k, n] :
           {std::pair<int64_t, int64_t>{576, 192}, {300, 70}, {1, 1}, {17, 65}, {258, 64}})
        checkProduct(isa, {k, n, {values}});
}

TEST(Product, GatedEpilogueGetsBothHalves) {
  for (const Isa &isa : testIsas())
    for (PackedValues values : {PackedValues::F32, PackedValues::BF16})
      for (auto [k, n] : {std::pair<int64_t, int64_t>{128, 96}, {65, 33}, {17, 7}})
        checkProduct(isa, {k, n, {values}, /*gated=*/true});
}

TEST(Product, Bf16DotRoundsActivationsOnce) {
  const Isa &isa = testIsas().front();
  if (!isa.bf16Dot)
    GTEST_SKIP() << "this machine has no AVX512_BF16";
  for (auto [k, n] : {std::pair<int64_t, int64_t>{576, 192}, {33, 70}}) {
    Product product(isa, {k, n, {PackedValues::BF16}}, ProductCompute::Bf16);
    std::vector<float> x = randomFloats(16 * k, 3);
    std::vector<float> all = product.run(x, 16, k);
    std::vector<float> rounded = x;
    for (float &value : rounded)
      value = fromBf16(toBf16(value));
    for (int64_t row = 0; row < 16; ++row)
      for (int64_t column = 0; column < n; ++column)
        ASSERT_NEAR(all[row * n + column], product.expected(&rounded[row * k], column), 1e-3);
    for (int64_t rows : {1, 2, 3, 5, 7}) {
      std::vector<float> some = product.run(x, rows, k);
      ASSERT_EQ(std::memcmp(some.data(), all.data(), some.size() * sizeof(float)), 0);
    }
  }
}

void checkManyPairs(const Isa &isa, const Case &c, ProductCompute compute) {
  SCOPED_TRACE("k=" + std::to_string(c.k) + " n=" + std::to_string(c.n) +
               " form=" + c.form.spelling() + (c.gated ? " gated" : ""));
  Product product(isa, c, compute, /*manyPairs=*/true);
  product.roundWeights();
  int64_t stride = c.k + 3;
  std::vector<float> x = randomFloats(kMostPairRows * stride, 3), rounded = x;
  for (float &value : rounded)
    value = fromBf16(toBf16(value));
  std::vector<float> all = product.run(x, kMostPairRows, stride);
  for (int64_t row : {0, 5, 509, 513, 530})
    for (int64_t column = 0; column < c.n; ++column) {
      double want = product.expected(&rounded[row * stride], column);
      double scale = c.gated ? c.k : std::sqrt(static_cast<double>(c.k));
      ASSERT_NEAR(all[row * c.n + column], want, 1e-4 * (scale + std::abs(want)))
          << "row " << row << " column " << column;
    }
  for (int64_t rows : {17, 64, 99, 512, 513}) {
    std::vector<float> some = product.run(x, rows, stride);
    ASSERT_EQ(std::memcmp(some.data(), all.data(), some.size() * sizeof(float)), 0)
        << "bits differ with " << rows << " rows";
  }
}

TEST(Product, ManyRowsMultiplyPairs) {
  const Isa &isa = testIsas().front();
  if (!isa.bf16Dot)
    GTEST_SKIP() << "this machine has no AVX512_BF16";
  for (auto [k, n] : {std::pair<int64_t, int64_t>{576, 192}, {300, 70}, {1, 1}, {33, 65}})
    checkManyPairs(isa, {k, n, {PackedValues::BF16}}, ProductCompute::Bf16);
  for (const char *text : {"q8", "q8:channel", "q4z:128", "q4m:32/256", "q6:16/256", "fp8", "fp4"})
    checkManyPairs(isa, {300, 70, *PackedForm::parse(text)}, ProductCompute::F32);
  checkManyPairs(isa, {576, 33, *PackedForm::parse("q4"), /*gated=*/true}, ProductCompute::IntFew);
}

TEST(Product, OfPairsIsTheSameForFewRowsAndMany) {
  const Isa &isa = testIsas().front();
  if (!isa.bf16Dot)
    GTEST_SKIP() << "this machine has no AVX512_BF16";
  Case c{600, 70, {PackedValues::BF16}};
  Product product(isa, c, ProductCompute::Bf16, /*manyPairs=*/true);
  std::vector<float> x = randomFloats(17 * c.k, 3), many = product.run(x, 17, c.k);
  many.resize(16 * c.n);
  EXPECT_EQ(product.run(x, 16, c.k), many);
}

/// Forms that between them have every kind of values, zeros, group and superblock.
std::vector<PackedForm> quantizedForms() {
  std::vector<PackedForm> forms;
  for (const char *text : {"q8", "q8:channel", "q8m:64", "q8z:16", "q4", "q4:channel", "q4z:128",
                           "q4m", "q4m:32/256", "q5", "q5m:32/256", "q6:16/256", "q6:64"})
    forms.push_back(*PackedForm::parse(text));
  return forms;
}

TEST(QuantizedProduct, EqualsAPlainLoopOverTheDecodedWeights) {
  std::vector<PackedForm> forms = quantizedForms();
  for (const char *text : {"fp8", "fp8_e5m2:64", "fp4", "fp4:channel"})
    forms.push_back(*PackedForm::parse(text));
  for (const Isa &isa : testIsas())
    for (const PackedForm &form : forms)
      checkProduct(isa, {300, 70, form});
  for (auto [k, n] : {std::pair<int64_t, int64_t>{576, 192}, {1, 1}, {17, 65}})
    checkProduct(testIsas().back(), {k, n, forms.front()});
}

TEST(QuantizedProduct, GatedEpilogueGetsBothHalves) {
  for (const Isa &isa : testIsas())
    checkProduct(isa, {65, 33, *PackedForm::parse("q4"), /*gated=*/true});
}

/// x as the integer products round it.
std::vector<float> roundedSteps(const std::vector<float> &x, int64_t rows, int64_t k,
                                int64_t stride, int64_t step) {
  std::vector<float> out = x;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t first = 0; first < k; first += step) {
      float *begin = &out[row * stride + first], peak = 0;
      int64_t size = std::min(step, k - first);
      for (int64_t i = 0; i < size; ++i)
        peak = std::max(peak, std::abs(begin[i]));
      for (int64_t i = 0; i < size; ++i)
        begin[i] = peak == 0 ? 0 : std::nearbyint(begin[i] * (127 / peak)) * (peak / 127);
    }
  return out;
}

/// k that share a scale of the activations.
int64_t stepOf(const PackedForm &form, int64_t k) {
  if (form.group)
    return form.group;
  int64_t padded = (k + 31) / 32 * 32, step = 128;
  while (padded % step)
    step -= 32;
  return step;
}

void checkIntegerProduct(const Isa &isa, const Case &c) {
  SCOPED_TRACE(isa.name.str() + " k=" + std::to_string(c.k) + " n=" + std::to_string(c.n) +
               " form=" + c.form.spelling() + (c.gated ? " gated" : ""));
  Product product(isa, c, ProductCompute::IntAlways);
  int64_t stride = c.k + 3;
  std::vector<float> x = randomFloats(kMostRows * stride, 3);
  std::fill_n(x.begin() + stride, c.k, 0.0f); // row 1: no scale at all
  std::vector<float> rounded = roundedSteps(x, kMostRows, c.k, stride, stepOf(c.form, c.k));
  std::vector<float> all = product.run(x, kMostRows, stride);
  for (int64_t row : {0, 1, 99, 199})
    for (int64_t column = 0; column < c.n; ++column) {
      double want = product.expected(&rounded[row * stride], column);
      double scale = c.gated ? c.k : std::sqrt(static_cast<double>(c.k));
      ASSERT_NEAR(all[row * c.n + column], want, 1e-4 * (scale + std::abs(want)))
          << "row " << row << " column " << column;
    }
  for (int64_t rows : {1, 2, 3, 5, 7, 16, 17, 65}) {
    std::vector<float> some = product.run(x, rows, stride);
    ASSERT_EQ(std::memcmp(some.data(), all.data(), some.size() * sizeof(float)), 0)
        << "bits differ with " << rows << " rows";
  }
}

TEST(IntegerProduct, EqualsAPlainLoopOverRoundedActivations) {
  for (const Isa &isa : testIsas())
    for (const PackedForm &form : quantizedForms())
      checkIntegerProduct(isa, {300, 70, form});
  for (const char *form : {"q8", "q8:channel", "q4m:32/256"})
    for (auto [k, n] : {std::pair<int64_t, int64_t>{576, 192}, {1, 1}, {17, 65}})
      checkIntegerProduct(testIsas().back(), {k, n, *PackedForm::parse(form)});
}

TEST(IntegerProduct, GatedEpilogueGetsBothHalves) {
  for (const Isa &isa : testIsas())
    for (const char *form : {"q8", "q4m"})
      checkIntegerProduct(isa, {65, 33, *PackedForm::parse(form), /*gated=*/true});
}

TEST(IntegerProduct, OfAFixedScaleClipsWhatLiesBeyond) {
  constexpr float kScale = 0.015f;
  for (const Isa &isa : testIsas())
    for (const char *form : {"q8", "q8:channel", "q4", "q4z:128", "q4m:32/256"})
      for (auto [k, n] : {std::pair<int64_t, int64_t>{300, 70}, {17, 65}}) {
        SCOPED_TRACE(isa.name.str() + " " + form + " k=" + std::to_string(k));
        Case c{k, n, *PackedForm::parse(form)};
        Product product(isa, c, ProductCompute::IntAlways, /*manyPairs=*/false, kScale);
        int64_t stride = k + 3;
        std::vector<float> x = randomFloats(kMostRows * stride, 3), rounded = x;
        for (float &value : rounded)
          value = kScale * std::clamp(std::nearbyint(value * (1 / kScale)), -127.0f, 127.0f);
        std::vector<float> all = product.run(x, kMostRows, stride);
        for (int64_t row : {0, 1, 99, 199})
          for (int64_t column = 0; column < n; ++column) {
            double want = product.expected(&rounded[row * stride], column);
            ASSERT_NEAR(all[row * n + column], want, 1e-4 * (std::sqrt(k) + std::abs(want)));
          }
        for (int64_t rows : {1, 5, 16, 17, 65}) {
          std::vector<float> some = product.run(x, rows, stride);
          ASSERT_EQ(std::memcmp(some.data(), all.data(), some.size() * sizeof(float)), 0) << rows;
        }
      }
}

TEST(IntegerProduct, OfFewRowsLeavesManyToF32) {
  const Isa &isa = testIsas().back();
  Case c{300, 70, *PackedForm::parse("q4")};
  std::vector<float> x = randomFloats(17 * c.k, 3);
  Product few(isa, c, ProductCompute::IntFew), always(isa, c, ProductCompute::IntAlways),
      floats(isa, c);
  EXPECT_EQ(few.run(x, 16, c.k), always.run(x, 16, c.k));
  EXPECT_EQ(few.run(x, 17, c.k), floats.run(x, 17, c.k));
}

TEST(IntegerProduct, TakesTheLargestMagnitudes) {
  // What 16 bits could not hold: -128, and 15, against 127 throughout.
  for (const Isa &isa : testIsas())
    for (const char *form : {"q8", "q4m:128", "q5m", "q6m"}) {
      if (isa.byteDot == ByteDot::Generic)
        continue;
      ProductSpec spec{256, 64, *PackedForm::parse(form), false, ProductCompute::IntAlways};
      Product product(isa, {spec.k, spec.n, spec.form}, ProductCompute::IntAlways);
      product.fillValues(spec.form.values == PackedValues::Q8 ? 0x80 : 0xff);
      std::vector<float> x(spec.k, 1.0f);
      std::vector<float> out = product.run(x, 1, spec.k);
      for (int64_t column = 0; column < spec.n; ++column)
        ASSERT_NEAR(out[column], product.expected(x.data(), column), 1e-3) << form;
    }
}

TEST(IntegerProduct, KeepsNotANumber) {
  for (const Isa &isa : testIsas()) {
    Case c{96, 70, *PackedForm::parse("q8")};
    Product product(isa, c, ProductCompute::IntAlways);
    std::vector<float> x = randomFloats(2 * c.k, 3);
    x[c.k + 40] = NAN;
    std::vector<float> out = product.run(x, 2, c.k);
    for (int64_t column = 0; column < c.n; ++column) {
      EXPECT_TRUE(std::isfinite(out[column]));
      EXPECT_TRUE(std::isnan(out[c.n + column]));
    }
  }
}

} // namespace
