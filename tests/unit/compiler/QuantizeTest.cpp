// Quantized weights: rounding, layout at odd sizes, and blocks of files that stay what they are.
#include "compiler/pack/KeptBlocks.h"
#include "tests/unit/compiler/MemoryTensors.h"
#include "tests/unit/emit/QuantizedReader.h"

#include <cmath>
#include <gmock/gmock.h>

using namespace plexus;
using namespace plexus::test;
using namespace plexus::compiler;
using plexus::emit::test::QuantizedReader;
using ::testing::HasSubstr;

namespace {

PackJob quantizedJob(std::vector<int64_t> shape, const PackedForm &form, Recipe recipe) {
  PackJob job{{"w", -1, std::move(shape), DType::F32, WeightEncoding::Packed, 0, 0},
              std::move(recipe)};
  job.info.quantized = form;
  return job;
}

/// Packs one weight and reads it back, [N][K].
std::vector<float> packedValues(PackJob job, const TensorSource &source) {
  std::vector<PackJob> jobs{std::move(job)};
  Status status = layOutWeights(jobs);
  EXPECT_TRUE(status) << status.message();
  BytesSink sink;
  status = packWeights(jobs, source, sink);
  EXPECT_TRUE(status) << status.message();
  EXPECT_EQ(sink.bytes.size(), jobs[0].info.bytes);
  int64_t rows = jobs[0].info.shape[0], depth = jobs[0].info.shape[1];
  QuantizedReader read(*jobs[0].info.quantized, depth,
                       reinterpret_cast<const char *>(sink.bytes.data()));
  std::vector<float> out;
  for (int64_t n = 0; n < rows; ++n)
    for (int64_t k = 0; k < depth; ++k)
      out.push_back(read(k, n));
  return out;
}

double relativeError(const std::vector<float> &got, const std::vector<float> &want) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += std::pow(double(got[i]) - want[i], 2);
    norm += std::pow(double(want[i]), 2);
  }
  return std::sqrt(error / norm);
}

struct Case {
  const char *form;
  double bound; ///< relative error of normal numbers
};

TEST(Quantize, StaysWithinTheFormsErrorAtOddSizes) {
  for (auto [name, bound] : {Case{"q8", 0.006},
                             {"q8:channel", 0.012},
                             {"q8:64", 0.007},
                             {"q8m", 0.006},
                             {"q8z", 0.006},
                             {"q6", 0.03},
                             {"q5", 0.055},
                             {"q5m", 0.05},
                             {"q4", 0.095},
                             {"q4:64", 0.11},
                             {"q4:128", 0.125},
                             {"q4z", 0.095},
                             {"q4m", 0.09},
                             {"q4:channel", 0.18},
                             {"q4m:32/256", 0.095},
                             {"q6:16/256", 0.026},
                             {"fp8", 0.03},
                             {"fp8_e5m2", 0.06},
                             {"fp4", 0.13}})
    for (auto [rows, depth] : {std::pair<int64_t, int64_t>{65, 300}, {1, 576}, {130, 33}}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(rows) + " x " + std::to_string(depth));
      MemoryTensors tensors;
      tensors.add("w", {rows, depth});
      auto got =
          packedValues(quantizedJob({rows, depth}, *PackedForm::parse(name), source("w")), tensors);
      EXPECT_LT(relativeError(got, tensors.values("w")), bound);
    }
}

TEST(Quantize, RangesClipNothingOrTheFurthest) {
  std::vector<float> x(128);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(i % 2 ? i : -static_cast<double>(i)) / 128;
  x[5] = 3;
  auto worst = [&](const char *name, const char *rule, size_t from) {
    QuantizedRows rows(*PackedForm::parse(name), 128, *RangeRule::parse(rule));
    EXPECT_TRUE(quantizeRow(x.data(), 0, rows));
    std::vector<uint8_t> block(static_cast<size_t>(rows.geometry.blockBytes));
    writeBlock(rows, block.data());
    QuantizedReader read(rows.form, 128, reinterpret_cast<const char *>(block.data()));
    float most = 0;
    for (size_t k = from; k < x.size(); ++k)
      most = std::max(most, std::abs(read(static_cast<int64_t>(k), 0) - x[k]));
    return most;
  };
  for (const char *name : {"q8:128", "q4:128", "q4z:128", "q4m:128", "fp8:128"}) {
    // Half a step of the whole range, against that of all but one value.
    float whole = worst(name, "minmax", 0), most = worst(name, "percentile:99", 6);
    EXPECT_LT(whole, 0.3f) << name;
    EXPECT_LT(most, whole + 1e-6f) << name;
    EXPECT_GT(worst(name, "percentile:99", 0), 1.5f) << name << ": the furthest is clipped";
  }
  for (const char *text : {"percentile:40", "percentile:", "percentile:99x", "max", ""})
    EXPECT_FALSE(RangeRule::parse(text)) << text;
  EXPECT_EQ(RangeRule::parse("percentile")->spelling(), "percentile:99.9");
}

TEST(Quantize, KeepsZerosAndConstants) {
  for (const char *name : {"q8", "q4", "q4z", "q4m", "q4m:32/256"}) {
    QuantizedRows rows(*PackedForm::parse(name), 64);
    std::vector<float> x(64, 0.0f), bytes(1);
    ASSERT_TRUE(quantizeRow(x.data(), 0, rows));
    std::fill(x.begin(), x.end(), -0.75f);
    ASSERT_TRUE(quantizeRow(x.data(), 1, rows));
    std::vector<uint8_t> block(static_cast<size_t>(rows.geometry.blockBytes));
    writeBlock(rows, block.data());
    QuantizedReader read(rows.form, 64, reinterpret_cast<const char *>(block.data()));
    for (int64_t k = 0; k < 64; ++k) {
      EXPECT_EQ(read(k, 0), 0.0f) << name;
      EXPECT_NEAR(read(k, 1), -0.75f, 0.01f) << name;
      EXPECT_EQ(read(k, 2), 0.0f) << name << ": a row that is missing";
    }
  }
}

TEST(Quantize, CutsVeryDeepWeights) {
  for (const char *name : {"q8", "q4m:32/256", "q8:channel"}) {
    MemoryTensors tensors;
    tensors.add("w", {70, 40'001});
    auto got =
        packedValues(quantizedJob({70, 40'001}, *PackedForm::parse(name), source("w")), tensors);
    EXPECT_LT(relativeError(got, tensors.values("w")), 0.12) << name;
  }
}

TEST(Quantize, RefusesWhatIsNotFinite) {
  MemoryTensors tensors;
  tensors.add("w", {2, 32});
  reinterpret_cast<float *>(const_cast<uint8_t *>(tensors.find("w")->bytes))[40] = INFINITY;
  std::vector<PackJob> jobs{quantizedJob({2, 32}, *PackedForm::parse("q4"), source("w"))};
  ASSERT_TRUE(layOutWeights(jobs));
  BytesSink sink;
  EXPECT_THAT(packWeights(jobs, tensors, sink).message(),
              HasSubstr("weight 'w': a value is inf, which q4 cannot hold"));
}

class KeptBlocks : public ::testing::TestWithParam<const char *> {};

TEST_P(KeptBlocks, KeepEveryValueThroughRecipesThatMoveRows) {
  MemoryTensors tensors;
  tensors.addBlocks("a", {64, 512}, GetParam(), /*interleavedRows=*/16);
  tensors.addBlocks("b", {64, 512}, GetParam());
  PackedForm form =
      *PackedForm::parse(std::map<std::string, std::string>{{"Q8_0", "q8"},
                                                            {"Q4_0", "q4"},
                                                            {"Q4_1", "q4m"},
                                                            {"Q5_0", "q5"},
                                                            {"Q5_1", "q5m"},
                                                            {"Q4_K", "q4m:32/256"},
                                                            {"Q5_K", "q5m:32/256"},
                                                            {"Q6_K", "q6:16/256"}}[GetParam()]);
  Recipe recipe = concat(0, {slice(0, 3, 30, source("a")), source("b"),
                             interleave(0, 32, {source("a"), source("b")})});
  auto bound = bindRecipe(recipe, tensors, 0);
  ASSERT_TRUE(bound) << bound.status().message();
  EXPECT_TRUE(keepsBlocks(*bound, form));
  std::vector<float> want(static_cast<size_t>(222 * 512));
  ASSERT_TRUE(evaluateRecipe(*bound, 0, 222 * 512, want.data()));
  EXPECT_EQ(packedValues(quantizedJob({222, 512}, form, recipe), tensors), want);
}

INSTANTIATE_TEST_SUITE_P(Formats, KeptBlocks,
                         ::testing::Values("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K",
                                           "Q6_K"));

TEST(KeptBlocks, RecipesThatChangeRowsAreRoundedAgain) {
  MemoryTensors tensors;
  tensors.addBlocks("a", {64, 64}, "Q8_0");
  PackedForm form = *PackedForm::parse("q8");
  for (const Recipe &recipe : {scale(2, source("a")), transpose({1, 0}, source("a")),
                               concat(1, {source("a"), source("a")})}) {
    auto bound = bindRecipe(recipe, tensors, 0);
    ASSERT_TRUE(bound);
    EXPECT_FALSE(keepsBlocks(*bound, form));
    std::vector<float> want(static_cast<size_t>(bound->shape[0] * bound->shape[1]));
    ASSERT_TRUE(evaluateRecipe(*bound, 0, static_cast<int64_t>(want.size()), want.data()));
    EXPECT_LT(relativeError(packedValues(quantizedJob(bound->shape, form, recipe), tensors), want),
              0.006);
  }
  auto plain = bindRecipe(source("a"), tensors, 0);
  EXPECT_FALSE(keepsBlocks(*plain, *PackedForm::parse("q4")));
}

} // namespace
