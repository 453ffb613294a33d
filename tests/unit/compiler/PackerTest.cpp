// The packer: every layout at odd sizes against the layout's definition, and streaming.
#include "tests/unit/compiler/MemoryTensors.h"

#include <cstring>
#include <gmock/gmock.h>

using namespace plexus;
using namespace plexus::test;
using namespace plexus::compiler;
using ::testing::HasSubstr;

namespace {

PackJob job(std::string name, std::vector<int64_t> shape, DType dtype, WeightEncoding encoding,
            Recipe recipe, int layer = -1) {
  return {{std::move(name), layer, std::move(shape), dtype, encoding, 0, 0}, std::move(recipe)};
}

float elementAt(const uint8_t *bytes, DType dtype, int64_t index) {
  float value;
  toF32(dtype, bytes + static_cast<size_t>(index) * dtypeSize(dtype), 1, &value);
  return value;
}

/// Where element (n, k) of a packed [N, K] weight lies, straight from the comment in Call.h.
int64_t packedIndex(DType dtype, int64_t n, int64_t k, int64_t depth) {
  if (dtype == DType::BF16) // [N/64][K/32][16][64][2]
    return (((n / 64 * ((depth + 31) / 32) + k / 32) * 16 + k % 32 / 2) * 64 + n % 64) * 2 + k % 2;
  return ((n / 64 * ((depth + 15) / 16) + k / 16) * 16 + k % 16) * 64 +
         n % 64; // [N/64][K/16][16][64]
}

using Case = std::tuple<DType, int64_t, int64_t, DType>;
class PackedLayout : public ::testing::TestWithParam<Case> {};

TEST_P(PackedLayout, HoldsEveryElementWhereTheCallingConventionSays) {
  auto [dtype, rows, depth, stored] = GetParam();
  MemoryTensors tensors;
  tensors.add("w", {rows, depth}, stored);
  std::vector<PackJob> jobs = {job("w", {rows, depth}, dtype, WeightEncoding::Packed, source("w"))};
  ASSERT_TRUE(layOutWeights(jobs));
  BytesSink sink;
  Status status = packWeights(jobs, tensors, sink);
  ASSERT_TRUE(status) << status.message();
  ASSERT_EQ(sink.bytes.size(), jobs[0].info.bytes);
  std::vector<float> expected = tensors.values("w"), rounded(expected.size());
  std::vector<uint8_t> scratch(expected.size() * 4);
  auto count = static_cast<int64_t>(expected.size());
  fromF32(dtype, expected.data(), count, scratch.data());
  toF32(dtype, scratch.data(), count, rounded.data());
  double sum = 0, all = 0;
  for (int64_t n = 0; n < rows; ++n)
    for (int64_t k = 0; k < depth; ++k) {
      float got = elementAt(sink.bytes.data(), dtype, packedIndex(dtype, n, k, depth));
      ASSERT_EQ(got, rounded[n * depth + k]) << n << ", " << k;
      sum += std::abs(got);
    }
  for (size_t i = 0; i < sink.bytes.size() / dtypeSize(dtype); ++i)
    all += std::abs(elementAt(sink.bytes.data(), dtype, static_cast<int64_t>(i)));
  EXPECT_NEAR(all, sum, 1e-6 * sum) << "padding is not zero";
}

INSTANTIATE_TEST_SUITE_P(Sizes, PackedLayout,
                         ::testing::Combine(::testing::Values(DType::F32, DType::BF16, DType::F16),
                                            ::testing::Values<int64_t>(1, 7, 64, 65, 200),
                                            ::testing::Values<int64_t>(1, 15, 16, 17, 33, 1030),
                                            ::testing::Values(DType::F32, DType::BF16)));

TEST(Packer, CutsColumnsOfVeryDeepWeights) {
  MemoryTensors tensors;
  tensors.add("w", {70, 40'001});
  std::vector<PackJob> jobs = {
      job("w", {70, 40'001}, DType::BF16, WeightEncoding::Packed, source("w"))};
  ASSERT_TRUE(layOutWeights(jobs));
  BytesSink sink;
  ASSERT_TRUE(packWeights(jobs, tensors, sink));
  ASSERT_EQ(sink.bytes.size(), jobs[0].info.bytes);
  std::vector<float> values = tensors.values("w");
  for (auto [n, k] : {std::pair<int64_t, int64_t>{0, 0}, {3, 16'383}, {3, 16'384}, {69, 40'000}}) {
    float got = elementAt(sink.bytes.data(), DType::BF16, packedIndex(DType::BF16, n, k, 40'001));
    EXPECT_NEAR(got, values[n * 40'001 + k], 0.01 * std::abs(got)) << n << ", " << k;
  }
}

TEST(Packer, MultipliesColumnsByTheirFactors) {
  constexpr int64_t kDepth = 20'001; // In pieces of columns.
  MemoryTensors tensors;
  tensors.add("w", {70, kDepth});
  tensors.add("n", {kDepth});
  std::vector<PackJob> jobs = {
      job("w", {70, kDepth}, DType::F32, WeightEncoding::Packed, source("w")),
      job("n", {kDepth}, DType::F32, WeightEncoding::Dense, source("n")),
      job("plain", {kDepth}, DType::F32, WeightEncoding::Dense, source("n"))};
  ASSERT_TRUE(layOutWeights(jobs));
  PackFactors columns, inverse;
  for (int64_t k = 0; k < kDepth; ++k) {
    columns.factors.push_back(1 + static_cast<float>(k % 7));
    inverse.factors.push_back(1 / columns.factors.back());
  }
  inverse.unitOffset = true;
  PackOptions options;
  options.factors = [&](const WeightInfo &info) -> const PackFactors * {
    return info.name == "w" ? &columns : info.name == "n" ? &inverse : nullptr;
  };
  BytesSink sink;
  ASSERT_TRUE(packWeights(jobs, tensors, sink, options));
  std::vector<float> w = tensors.values("w"), n = tensors.values("n");
  auto at = [&](int which, int64_t index) {
    return elementAt(sink.bytes.data() + jobs[which].info.offset, DType::F32, index);
  };
  for (int64_t k = 0; k < kDepth; k += 61) {
    EXPECT_EQ(at(0, packedIndex(DType::F32, 69, k, kDepth)),
              w[69 * kDepth + k] * columns.factors[k]);
    EXPECT_NEAR(at(1, k), (1 + n[k]) * inverse.factors[k] - 1, 1e-6);
    EXPECT_EQ(at(2, k), n[k]);
  }
}

TEST(Packer, WritesManyWeightsInOrderWhateverTheThreads) {
  MemoryTensors tensors;
  std::vector<PackJob> jobs;
  for (int layer = 0; layer < 5; ++layer) {
    tensors.add("l." + std::to_string(layer) + ".q", {130, 100}, DType::BF16);
    tensors.add("l." + std::to_string(layer) + ".n", {100});
    jobs.push_back(
        job("q", {130, 100}, DType::BF16, WeightEncoding::Packed, source("l.{layer}.q"), layer));
    jobs.push_back(
        job("n", {100}, DType::F32, WeightEncoding::Dense, source("l.{layer}.n"), layer));
  }
  tensors.add("e", {3000, 1000}, DType::F16); // more than one piece
  jobs.push_back(job("e", {3000, 1000}, DType::F16, WeightEncoding::Dense, source("e")));
  ASSERT_TRUE(layOutWeights(jobs));
  std::vector<uint8_t> first;
  for (int threads : {1, 2, 5}) {
    BytesSink sink;
    uint64_t last = 0, total = 0;
    PackOptions options;
    options.threads = threads;
    options.progress = [&](uint64_t done, uint64_t all) {
      EXPECT_GT(done, last);
      last = done;
      total = all;
      return true;
    };
    ASSERT_TRUE(packWeights(jobs, tensors, sink, options));
    EXPECT_EQ(last, total);
    if (first.empty())
      first = sink.bytes;
    EXPECT_EQ(sink.bytes, first) << threads << " threads";
  }
  for (const PackJob &j : jobs) {
    EXPECT_EQ(j.info.offset % 64, 0u);
    float got = elementAt(first.data() + j.info.offset, j.info.dtype, 0);
    std::string name = nameOfLayer(j.recipe.name, j.info.layer);
    EXPECT_EQ(got, tensors.values(name)[0]) << name;
  }
}

TEST(Packer, StopsWhenProgressSaysSo) {
  MemoryTensors tensors;
  tensors.add("e", {3000, 1000});
  std::vector<PackJob> jobs = {
      job("e", {3000, 1000}, DType::F32, WeightEncoding::Dense, source("e"))};
  ASSERT_TRUE(layOutWeights(jobs));
  BytesSink sink;
  PackOptions options;
  options.progress = [](uint64_t, uint64_t) { return false; };
  EXPECT_EQ(packWeights(jobs, tensors, sink, options).code(), Code::Cancelled);
}

TEST(Packer, GivesBackTheSinksError) {
  struct FullSink : WeightSink {
    Status append(const void *, size_t) override { return {Code::ResourceExhausted, "disk full"}; }
  } sink;
  MemoryTensors tensors;
  tensors.add("e", {3000, 1000});
  std::vector<PackJob> jobs = {
      job("e", {3000, 1000}, DType::F32, WeightEncoding::Dense, source("e"))};
  ASSERT_TRUE(layOutWeights(jobs));
  EXPECT_THAT(packWeights(jobs, tensors, sink).message(), HasSubstr("disk full"));
}

TEST(Packer, ListsEveryMissingWeight) {
  MemoryTensors tensors;
  std::vector<PackJob> jobs = {
      job("a", {4}, DType::F32, WeightEncoding::Dense, source("x.a.{layer}"), 2),
      job("b", {4}, DType::F32, WeightEncoding::Dense, source("x.b"))};
  ASSERT_TRUE(layOutWeights(jobs));
  BytesSink sink;
  Status status = packWeights(jobs, tensors, sink);
  EXPECT_EQ(status.code(), Code::NotFound);
  EXPECT_THAT(status.message(), HasSubstr("weight 'a' of layer 2: memory has no tensor 'x.a.2'"));
  EXPECT_THAT(status.message(), HasSubstr("weight 'b': memory has no tensor 'x.b'"));
}

TEST(Packer, NamesWhatCannotBeStored) {
  std::vector<PackJob> jobs = {job("w", {4, 4}, DType::I8, WeightEncoding::Packed, source("w"))};
  EXPECT_THAT(layOutWeights(jobs).message(),
              HasSubstr("weight 'w' of shape [4, 4] cannot be stored as packed I8"));
}

TEST(Packer, NamesRecipesOfAnotherShape) {
  MemoryTensors tensors;
  tensors.add("w", {4, 5});
  std::vector<PackJob> jobs = {job("w", {5, 4}, DType::F32, WeightEncoding::Dense, source("w"))};
  ASSERT_TRUE(layOutWeights(jobs));
  BytesSink sink;
  EXPECT_THAT(packWeights(jobs, tensors, sink).message(),
              HasSubstr("weight 'w': its recipe has shape [4, 5], the model expects [5, 4]"));
}

} // namespace
