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

namespace {

struct Case {
  int64_t k, n;
  plx_layout layout;
  bool gated = false;
};

/// out = x W (+ bias), or gate * up when gated.
class Product {
public:
  Product(const Isa &isa, const Case &c, bool bf16Compute = false)
      : spec{c.k, c.n, c.layout, c.gated, bf16Compute}, weight(packed(spec, 1)),
        bias(randomFloats(c.n, 2)), scratch(productScratchBytes(spec, isa) + 64) {
    code =
        compiler.compile(isa,
                         {compiler.stridedRows(c.k), compiler.index(), compiler.bytes(),
                          compiler.bytes(), compiler.floats(c.n), compiler.rows(c.n)},
                         [&](OpBuilder &b, Location loc, ValueRange args) {
                           ProductOperands operands{args[0], args[1], args[2], args[3]};
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
         Buffer::matrix(out.data(), rows, spec.n, spec.n));
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

  ProductSpec spec;

private:
  Compiler compiler;
  PackedWeight weight;
  std::vector<float> bias;
  std::vector<char> scratch;
  Compiled code;
};

void checkProduct(const Isa &isa, const Case &c) {
  SCOPED_TRACE(isa.name.str() + " k=" + std::to_string(c.k) + " n=" + std::to_string(c.n) +
               " layout=" + std::to_string(c.layout) + (c.gated ? " gated" : ""));
  Product product(isa, c);
  constexpr int64_t kMost = 200;
  int64_t stride = c.k + 3;
  std::vector<float> x = randomFloats(kMost * stride, 3);
  for (int64_t i = 0; i < kMost; ++i) // what lies between the rows must not matter
    for (int64_t k = c.k; k < stride; ++k)
      x[i * stride + k] = NAN;
  std::vector<float> all = product.run(x, kMost, stride);
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
    for (plx_layout layout : {PLX_LAYOUT_F32, PLX_LAYOUT_BF16, PLX_LAYOUT_F16})
      for (auto [k, n] :
           {std::pair<int64_t, int64_t>{576, 192}, {300, 70}, {1, 1}, {17, 65}, {258, 64}})
        checkProduct(isa, {k, n, layout});
}

TEST(Product, GatedEpilogueGetsBothHalves) {
  for (const Isa &isa : testIsas())
    for (plx_layout layout : {PLX_LAYOUT_F32, PLX_LAYOUT_BF16})
      for (auto [k, n] : {std::pair<int64_t, int64_t>{128, 96}, {65, 33}, {17, 7}})
        checkProduct(isa, {k, n, layout, /*gated=*/true});
}

TEST(Product, Bf16DotRoundsActivationsOnce) {
  const Isa &isa = testIsas().front();
  if (!isa.bf16Dot)
    GTEST_SKIP() << "this machine has no AVX512_BF16";
  for (auto [k, n] : {std::pair<int64_t, int64_t>{576, 192}, {33, 70}}) {
    Product product(isa, {k, n, PLX_LAYOUT_BF16}, /*bf16Compute=*/true);
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

} // namespace
