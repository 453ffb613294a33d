// Products with packed weights against plain loops, over odd sizes, strides and all layouts.
#include "runtime/onednn/Matmul.h"
#include "runtime/io/DType.h"
#include "runtime/onednn/PackedPanels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace plexus::test {
namespace {

struct Case {
  int64_t m, n, k;
  int32_t layout, compute;
};

std::vector<float> someFloats(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  for (float &value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

float rounded(float value, DType dtype) {
  uint8_t bytes[4];
  fromF32(dtype, &value, 1, bytes);
  toF32(dtype, bytes, 1, &value);
  return value;
}

DType typeOf(int32_t layout) {
  return layout == PLX_LAYOUT_F32 ? DType::F32
                                  : (layout == PLX_LAYOUT_BF16 ? DType::BF16 : DType::F16);
}

/// W [k][n] in the blocks of runtime/abi/Call.h, zero padded, 64-byte aligned.
std::vector<uint8_t> pack(const std::vector<float> &w, const Case &c, size_t &offset) {
  int64_t blocks = (c.n + 63) / 64, size = static_cast<int64_t>(dtypeSize(typeOf(c.layout)));
  std::vector<uint8_t> bytes(static_cast<size_t>(blocks * packedBlockBytes(c.k, c.layout)) + 64);
  offset = (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64) % 64;
  int64_t depth = c.layout == PLX_LAYOUT_BF16 ? 32 : 16,
          group = c.layout == PLX_LAYOUT_BF16 ? 2 : 1;
  for (int64_t k = 0; k < c.k; ++k)
    for (int64_t n = 0; n < c.n; ++n) {
      int64_t at = n / 64 * (packedBlockBytes(c.k, c.layout) / size) + k / depth * depth * 64 +
                   k % depth / group * group * 64 + n % 64 * group + k % group;
      fromF32(typeOf(c.layout), &w[k * c.n + n], 1, bytes.data() + offset + at * size);
    }
  return bytes;
}

class MatmulTest : public ::testing::TestWithParam<Case> {
protected:
  /// `gap`: between rows of the matrices.
  void expectPlainLoops(MatmulEngine &engine, int64_t gap = 3);
};

TEST_P(MatmulTest, AgreesWithPlainLoops) {
  MatmulEngine engine(ThreadPool::shared());
  expectPlainLoops(engine);
}

TEST_P(MatmulTest, AgreesWithPlainLoopsWithoutGaps) {
  MatmulEngine engine(ThreadPool::shared());
  expectPlainLoops(engine, 0);
}

TEST_P(MatmulTest, BucketsOnThePackedWeightsAgreeWithPlainLoops) {
  MatmulEngine engine(ThreadPool::shared(), true);
  expectPlainLoops(engine);
}

void MatmulTest::expectPlainLoops(MatmulEngine &engine, int64_t gap) {
  const Case &c = GetParam();
  int64_t xStride = c.k + gap, outStride = c.n + (gap ? 5 : 0);
  auto x = someFloats(static_cast<size_t>(c.m * xStride), 1);
  auto w = someFloats(static_cast<size_t>(c.k * c.n), 2);
  size_t offset = 0;
  auto packed = pack(w, c, offset);
  std::vector<float> out(static_cast<size_t>(c.m * outStride), 777.0f);
  std::vector<uint16_t> narrow(x.size());
  fromF32(DType::BF16, x.data(), x.size(), narrow.data());
  bool isNarrow = c.compute == PLX_COMPUTE_ROUNDED;
  const void *rows = isNarrow ? static_cast<const void *>(narrow.data()) : x.data();
  plx_matmul args{c.m,      c.n,       c.k,        rows,      xStride, packed.data() + offset,
                  c.layout, c.compute, out.data(), outStride, nullptr};
  for (int round = 0; round < 2; ++round)
    ASSERT_EQ(engine.run(args), 0) << engine.lastError();
  for (int64_t i = 0; i < c.m; ++i) {
    for (int64_t j = 0; j < c.n; ++j) {
      double sum = 0, size = 0;
      for (int64_t k = 0; k < c.k; ++k) {
        double a = c.compute != PLX_COMPUTE_F32 ? rounded(x[i * xStride + k], DType::BF16)
                                                : x[i * xStride + k];
        double product = a * rounded(w[k * c.n + j], typeOf(c.layout));
        sum += product;
        size += std::abs(product);
      }
      ASSERT_NEAR(out[i * outStride + j], sum, 1e-6 * size + 1e-6) << i << ", " << j;
    }
    for (int64_t j = c.n; j < outStride; ++j)
      ASSERT_EQ(out[i * outStride + j], 777.0f) << "wrote past row " << i;
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const std::pair<int32_t, int32_t> kinds[] = {{PLX_LAYOUT_F32, PLX_COMPUTE_F32},
                                               {PLX_LAYOUT_BF16, PLX_COMPUTE_BF16},
                                               {PLX_LAYOUT_BF16, PLX_COMPUTE_ROUNDED},
                                               {PLX_LAYOUT_BF16, PLX_COMPUTE_F32},
                                               {PLX_LAYOUT_F16, PLX_COMPUTE_F32}};
  for (auto [layout, compute] : kinds)
    for (auto [m, n, k] : std::initializer_list<std::array<int64_t, 3>>{{1, 1, 1},
                                                                        {7, 17, 65},
                                                                        {16, 64, 32},
                                                                        {17, 65, 7},
                                                                        {65, 300, 100},
                                                                        {100, 576, 48},
                                                                        {513, 70, 33}})
      all.push_back({m, n, k, layout, compute});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Sizes, MatmulTest, ::testing::ValuesIn(cases()), [](const auto &info) {
  const Case &c = info.param;
  return "m" + std::to_string(c.m) + "n" + std::to_string(c.n) + "k" + std::to_string(c.k) +
         "layout" + std::to_string(c.layout) + "compute" + std::to_string(c.compute);
});

TEST(Matmul, ReportsWhatRunsAndNeverTheReferenceCode) {
  MatmulEngine engine(ThreadPool::shared());
  for (int32_t layout : {PLX_LAYOUT_F32, PLX_LAYOUT_BF16}) {
    auto how = engine.describe(512, 1024, 1024, layout, layout == PLX_LAYOUT_BF16);
    ASSERT_TRUE(how) << how.status().message();
    EXPECT_EQ(how->find("ref"), std::string::npos) << *how;
    bool direct = how->find("on the packed weights") != std::string::npos;
    EXPECT_TRUE(direct || how->find("this CPU has no fast code") != std::string::npos) << *how;
  }
}

TEST(Matmul, RefusesArgumentsThatMakeNoSense) {
  MatmulEngine engine(ThreadPool::shared());
  float x[4] = {}, out[4] = {};
  plx_matmul args{1, 4, 4, x, 3, x, PLX_LAYOUT_F32, 0, out, 4, nullptr};
  EXPECT_EQ(engine.run(args), static_cast<int32_t>(Code::InvalidArgument));
  args.x_stride = 4;
  args.layout = 9;
  EXPECT_EQ(engine.run(args), static_cast<int32_t>(Code::InvalidArgument));
  EXPECT_NE(engine.lastError().find("layout 9"), std::string::npos);
}

} // namespace
} // namespace plexus::test
