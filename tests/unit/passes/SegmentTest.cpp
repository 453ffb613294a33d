// Segments compiled through all passes: against their decompositions, and against plain C++.
#include "SegmentHarness.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace plexus::compiler::test {
namespace {

/// A segment over x [T, 48] to try on both paths.
struct Case {
  const char *name;
  std::string weights, body;
  bool ids = false;
};

const Case kCases[] = {
    {"RmsNorm", "plx.weight @g : tensor<48xbf16> = #plx.source<\"g\">\n",
     R"(%g = plx.param @g : tensor<48xbf16>
        %y = plx.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x48xf32>, tensor<48xbf16>)"},
    {"LayerNormGelu",
     "plx.weight @g : tensor<48xf32> = #plx.source<\"g\">\n"
     "plx.weight @b : tensor<48xf32> = #plx.source<\"b\">\n",
     R"(%g = plx.param @g : tensor<48xf32>
        %b = plx.param @b : tensor<48xf32>
        %n = plx.layer_norm %x, %g bias %b {eps = 1.0e-5 : f32} : tensor<?x48xf32>, tensor<48xf32>, tensor<48xf32>
        %y = plx.activation gelu %n : tensor<?x48xf32>)"},
    {"GatedUnitWithResidual",
     "plx.weight @gate : tensor<96x48xbf16> = #plx.source<\"gate\">\n"
     "plx.weight @up : tensor<96x48xbf16> = #plx.source<\"up\">\n"
     "plx.weight @down : tensor<48x96xf16> = #plx.source<\"down\">\n",
     R"(%wg = plx.param @gate : tensor<96x48xbf16>
        %wu = plx.param @up : tensor<96x48xbf16>
        %wd = plx.param @down : tensor<48x96xf16>
        %a = plx.linear %x, %wg : (tensor<?x48xf32>, tensor<96x48xbf16>) -> tensor<?x96xf32>
        %b = plx.linear %x, %wu : (tensor<?x48xf32>, tensor<96x48xbf16>) -> tensor<?x96xf32>
        %m = plx.glu silu %a, %b : tensor<?x96xf32>
        %d = plx.linear %m, %wd : (tensor<?x96xf32>, tensor<48x96xf16>) -> tensor<?x48xf32>
        %y = plx.add %x, %d : tensor<?x48xf32>, tensor<?x48xf32>)"},
    {"MergedProjectionsWithBias",
     "plx.weight @q : tensor<17x48xf32> = #plx.source<\"q\">\n"
     "plx.weight @k : tensor<31x48xf32> = #plx.source<\"k\">\n"
     "plx.weight @bq : tensor<17xf32> = #plx.source<\"bq\">\n"
     "plx.weight @bk : tensor<31xf32> = #plx.source<\"bk\">\n",
     R"(%q = plx.param @q : tensor<17x48xf32>
        %k = plx.param @k : tensor<31x48xf32>
        %bq = plx.param @bq : tensor<17xf32>
        %bk = plx.param @bk : tensor<31xf32>
        %a = plx.linear %x, %q bias %bq : (tensor<?x48xf32>, tensor<17x48xf32>, tensor<17xf32>) -> tensor<?x17xf32>
        %b = plx.linear %x, %k bias %bk : (tensor<?x48xf32>, tensor<31x48xf32>, tensor<31xf32>) -> tensor<?x31xf32>
        %s = plx.softmax %a : tensor<?x17xf32>
        %t = plx.activation tanh %b : tensor<?x31xf32>
        %y = plx.concat %s, %t : (tensor<?x17xf32>, tensor<?x31xf32>) -> tensor<?x48xf32>)"},
    {"ProductOfAFixedRange",
     "plx.weight @w : tensor<48x48xf32, #plx.packed<q8, group = channel>> = #plx.source<\"w\">\n"
     "plx.weight @range : tensor<2xf32> = #plx.concat<0, [#plx.offset<0.02 : f64, #plx.scale<0.0 : "
     "f64, #plx.source<\"s\" : tensor<1xf32>>>>, #plx.scale<0.0 : f64, #plx.source<\"s\" : "
     "tensor<1xf32>>>]>\n",
     R"(%w = plx.param @w : tensor<48x48xf32, #plx.packed<q8, group = channel>>
        %r = plx.param @range : tensor<2xf32>
        %q = plx.fake_quantize %x by %r : tensor<?x48xf32>, tensor<2xf32>
        %l = plx.linear %q, %w : (tensor<?x48xf32>, tensor<48x48xf32, #plx.packed<q8, group = channel>>) -> tensor<?x48xf32>
        %y = plx.add %l, %x : tensor<?x48xf32>, tensor<?x48xf32>)"},
    {"EncoderAttentionWithRope", "plx.weight @q : tensor<48x48xbf16> = #plx.source<\"q\">\n",
     R"(%w = plx.param @q : tensor<48x48xbf16>
        %q = plx.linear %x, %w : (tensor<?x48xf32>, tensor<48x48xbf16>) -> tensor<?x48xf32>
        %q3 = plx.reshape %q : tensor<?x48xf32> -> tensor<?x3x16xf32>
        %k3 = plx.reshape %x : tensor<?x48xf32> -> tensor<?x3x16xf32>
        %r = attn.rope %q3, %batch {rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.25]> : tensor<2xf32>>} : tensor<?x3x16xf32>
        %a = attn.attention %r, %k3, %k3, %batch {scale = 0.25 : f32, causal} : (tensor<?x3x16xf32>, tensor<?x3x16xf32>, tensor<?x3x16xf32>, !plx.batch) -> tensor<?x3x16xf32>
        %y = plx.reshape %a : tensor<?x3x16xf32> -> tensor<?x48xf32>)"},
    {"EncoderAttentionThatTurnsItsOperands", "",
     R"(%q3 = plx.reshape %x : tensor<?x48xf32> -> tensor<?x3x16xf32>
        %s = plx.slice %x from 0 size 16 : tensor<?x48xf32> -> tensor<?x16xf32>
        %k3 = plx.reshape %s : tensor<?x16xf32> -> tensor<?x1x16xf32>
        %q = attn.rope %q3, %batch {rope = #attn.rope<dims = 12, inv_freq = dense<[1.0, 0.5, 0.25, 0.1, 0.05, 0.02]> : tensor<6xf32>, interleaved = true>} : tensor<?x3x16xf32>
        %k = attn.rope %k3, %batch {rope = #attn.rope<dims = 12, inv_freq = dense<[1.0, 0.5, 0.25, 0.1, 0.05, 0.02]> : tensor<6xf32>, interleaved = true>} : tensor<?x1x16xf32>
        %a = attn.attention %q, %k, %k3, %batch {scale = 0.25 : f32} : (tensor<?x3x16xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, !plx.batch) -> tensor<?x3x16xf32>
        %y = plx.reshape %a : tensor<?x3x16xf32> -> tensor<?x48xf32>)"},
    {"Experts",
     "plx.weight @router : tensor<5x48xf32> = #plx.source<\"router\">\n"
     "plx.weight @gu : tensor<320x48xf32> = #plx.source<\"gu\">\n"
     "plx.weight @down : tensor<320x20xbf16> = #plx.source<\"down\">\n",
     R"(%wr = plx.param @router : tensor<5x48xf32>
        %gu = plx.param @gu : tensor<320x48xf32>
        %wd = plx.param @down : tensor<320x20xbf16>
        %l = plx.linear %x, %wr : (tensor<?x48xf32>, tensor<5x48xf32>) -> tensor<?x5xf32>
        %r = plx.route softmax %l {top_k = 2, normalize} : tensor<?x5xf32>
        %y = plx.moe silu %x, %r, %gu, %wd {top_k = 2, hidden = 20} : tensor<?x48xf32>, tensor<?x5xf32>, tensor<320x48xf32>, tensor<320x20xbf16>)"},
    {"EmbeddingOfTiedTable", "plx.weight @e : tensor<70x48xbf16> = #plx.source<\"e\">\n",
     R"(%e = plx.param @e : tensor<70x48xbf16>
        %h = plx.embedding %ids, %e : (tensor<?xi32>, tensor<70x48xbf16>) -> tensor<?x48xf32>
        %l = plx.linear %h, %e : (tensor<?x48xf32>, tensor<70x48xbf16>) -> tensor<?x70xf32>
        %s = plx.slice %l from 3 size 48 : tensor<?x70xf32> -> tensor<?x48xf32>
        %y = plx.add %h, %s : tensor<?x48xf32>, tensor<?x48xf32>)",
     true},
};

std::string textOf(const Case &test, const std::string &tail, const std::string &type) {
  std::string input = test.ids ? "%ids: tensor<?xi32>" : "%x: tensor<?x48xf32>";
  return "plx.model @m {\n" + test.weights + "plx.segment @s(" + input +
         ", %batch: !plx.batch) -> " + type + " {\n" + test.body + "\n" + tail +
         "plx.return %z : " + type + "\n}\n}\n";
}

class FastPath : public testing::TestWithParam<Case> {};

TEST_P(FastPath, EqualsItsDecompositionOnRaggedBatches) {
  std::string text =
      textOf(GetParam(), "%z = plx.tap %y \"y\" : tensor<?x48xf32>\n", "tensor<?x48xf32>");
  CompiledSegment fast(text, Path::Fast), decomposed(text, Path::Decomposed);
  for (std::vector<int32_t> lengths :
       {std::vector<int32_t>{1}, {7}, {17}, {3, 1, 40}, {65, 0, 2}}) {
    RaggedBatch batch(lengths);
    int64_t tokens = batch.view().tokens;
    std::vector<std::vector<float>> inputs;
    std::vector<int32_t> ids;
    if (GetParam().ids)
      for (int64_t t = 0; t < tokens; ++t)
        ids.push_back(static_cast<int32_t>((t * 37) % 75) - 2); // some out of range: clamped
    else
      inputs.push_back(randomRows(tokens, 48, 5));
    expectNear(fast(batch, inputs, ids)[0], decomposed(batch, inputs, ids)[0]);
  }
}

TEST_P(FastPath, ARowHasTheSameBitsAloneAndAmongOthers) {
  if (GetParam().ids || std::string(GetParam().name).find("Attention") != std::string::npos)
    GTEST_SKIP() << "rows of attention see each other; ids have no rows of x";
  std::string text =
      textOf(GetParam(), "%z = plx.tap %y \"y\" : tensor<?x48xf32>\n", "tensor<?x48xf32>");
  CompiledSegment fast(text, Path::Fast);
  std::vector<float> rows = randomRows(65, 48, 9);
  std::vector<float> together = fast(RaggedBatch({65}), {rows})[0];
  for (int64_t row : {0, 13, 64}) {
    std::vector<float> one(rows.begin() + row * 48, rows.begin() + (row + 1) * 48);
    std::vector<float> alone = fast(RaggedBatch({1}), {one})[0];
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + row * 48)) << row;
  }
}

INSTANTIATE_TEST_SUITE_P(Segments, FastPath, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });

class Pooling : public testing::TestWithParam<const char *> {};

TEST_P(Pooling, EqualsItsDecomposition) {
  Case test{"", "", "%y = plx.activation relu %x : tensor<?x48xf32>"};
  std::string tail =
      std::string("%z = plx.pool ") + GetParam() + " %y, %batch : tensor<?x48xf32>\n";
  std::string text = textOf(test, tail, "tensor<?x48xf32>");
  CompiledSegment fast(text, Path::Fast), decomposed(text, Path::Decomposed);
  RaggedBatch batch({3, 1, 40, 0, 17});
  std::vector<std::vector<float>> inputs{randomRows(61, 48, 3)};
  expectNear(fast(batch, inputs)[0], decomposed(batch, inputs)[0]);
}

INSTANTIATE_TEST_SUITE_P(Modes, Pooling, testing::Values("mean", "max", "cls", "last"),
                         [](const auto &info) { return std::string(info.param); });

TEST(Segment, WantedRowsOnlyReachTheHead) {
  Case test{"", "plx.weight @w : tensor<48x48xbf16> = #plx.source<\"w\">\n",
            R"(%w = plx.param @w : tensor<48x48xbf16>
        %r = plx.select_rows %x, %batch : tensor<?x48xf32>
        %l = plx.linear %r, %w : (tensor<?x48xf32>, tensor<48x48xbf16>) -> tensor<?x48xf32>
        %n = plx.l2_normalize %l {eps = 1.0e-12 : f32} : tensor<?x48xf32>
        %y = plx.linear %n, %w : (tensor<?x48xf32>, tensor<48x48xbf16>) -> tensor<?x48xf32>)"};
  std::string text =
      textOf(test, "%z = plx.softcap %y at 3.0 : tensor<?x48xf32>\n", "tensor<?x48xf32>");
  CompiledSegment fast(text, Path::Fast), decomposed(text, Path::Decomposed);
  RaggedBatch batch({3, 1, 40, 0, 17});
  std::vector<std::vector<float>> inputs{randomRows(61, 48, 3)};
  ASSERT_EQ(fast(batch, inputs)[0].size(), 4u * 48);
  expectNear(fast(batch, inputs)[0], decomposed(batch, inputs)[0]);
}

TEST(Segment, RmsNormEqualsTheFormula) {
  Case test = kCases[0];
  CompiledSegment segment(
      textOf(test, "%z = plx.scale %y by 2.0 : tensor<?x48xf32>\n", "tensor<?x48xf32>"),
      Path::Fast);
  CompiledSegment ones(
      "plx.model @m {\nplx.weight @g : tensor<48xbf16> = #plx.source<\"g\">\n"
      "plx.segment @s(%x: tensor<?x48xf32>, %batch: !plx.batch) -> tensor<?x48xf32> {\n"
      "%g = plx.param @g : tensor<48xbf16>\n%z = plx.mul %x, %g : tensor<?x48xf32>, "
      "tensor<48xbf16>\nplx.return %z : tensor<?x48xf32>\n}\n}\n",
      Path::Fast);
  RaggedBatch batch({5});
  std::vector<float> x = randomRows(5, 48, 1);
  std::vector<float> gain = ones(batch, {std::vector<float>(5 * 48, 1.0f)})[0];
  std::vector<float> expected(x.size());
  for (int64_t row = 0; row < 5; ++row) {
    double sum = 0;
    for (int64_t i = 0; i < 48; ++i)
      sum += double(x[row * 48 + i]) * x[row * 48 + i];
    for (int64_t i = 0; i < 48; ++i)
      expected[row * 48 + i] =
          static_cast<float>(2 * x[row * 48 + i] / std::sqrt(sum / 48 + 1e-5) * gain[row * 48 + i]);
  }
  expectNear(segment(batch, {x})[0], expected);
}

} // namespace
} // namespace plexus::compiler::test
