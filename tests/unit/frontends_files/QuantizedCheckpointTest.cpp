// GPTQ and AWQ tensors against the integers that they were packed from.
#include "frontends/huggingface/QuantizedCheckpoint.h"

#include "tests/support/TensorBytes.h"

#include <gmock/gmock.h>
#include <random>

using namespace plexus;
using namespace plexus::frontends;
using plexus::testing::TensorBytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

constexpr int kAwqOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};

/// One linear layer: random integers q[K][N], scales and zeros [groups][N].
struct Layer {
  Layer(int64_t depth, int64_t columns, const QuantizationConfig &config)
      : depth(depth), columns(columns), config(config),
        group(config.group < 0 ? depth : config.group), groups((depth + group - 1) / group),
        q(depth * columns), zeros(groups * columns) {
    std::mt19937 random(5);
    for (int &value : q)
      value = static_cast<int>(random() % (1u << config.bits));
    for (int &value : zeros)
      value = static_cast<int>(random() % (1u << config.bits));
    for (int64_t i = 0; i < groups * columns; ++i)
      scales.push_back(0.001f * static_cast<float>(1 + random() % 1000));
    std::vector<uint16_t> halves(scales.size());
    fromF32(DType::F16, scales.data(), static_cast<int64_t>(scales.size()), halves.data());
    toF32(DType::F16, halves.data(), static_cast<int64_t>(scales.size()), scales.data());
  }

  /// Adds integers [lines][count] as streams of bits along the lines, `count` words apart.
  static std::vector<uint32_t> stream(const std::vector<int> &values, int64_t lines, int64_t count,
                                      int bits) {
    std::vector<uint32_t> words(static_cast<size_t>(lines * bits / 32 * count));
    for (int64_t line = 0; line < lines; ++line)
      for (int64_t bit = 0; bit < bits; ++bit)
        for (int64_t i = 0; i < count; ++i) {
          int64_t at = line * bits + bit;
          words[at / 32 * count + i] |= static_cast<uint32_t>(values[line * count + i] >> bit & 1)
                                        << (at % 32);
        }
    return words;
  }

  static std::vector<uint32_t> awq(const std::vector<int> &values) {
    std::vector<uint32_t> words(values.size() / 8);
    for (size_t i = 0; i < words.size(); ++i)
      for (int place = 0; place < 8; ++place)
        words[i] |= static_cast<uint32_t>(values[8 * i + kAwqOrder[place]]) << (4 * place);
    return words;
  }

  void addTo(TensorBytes &tensors) const {
    if (config.layout == QuantizedLayout::Awq) {
      tensors.add("m.qweight", DType::I32, {depth, columns / 8}, awq(q));
      tensors.add("m.qzeros", DType::I32, {groups, columns / 8}, awq(zeros));
    } else {
      tensors.add("m.qweight", DType::I32, {depth * config.bits / 32, columns},
                  stream(q, depth, columns, config.bits));
      std::vector<int> turned(zeros.size());
      for (int64_t g = 0; g < groups; ++g)
        for (int64_t n = 0; n < columns; ++n)
          turned[n * groups + g] =
              (zeros[g * columns + n] - (config.zerosLessOne ? 1 : 0)) & ((1 << config.bits) - 1);
      std::vector<uint32_t> words = stream(turned, columns, groups, config.bits), lines;
      int64_t wide = columns * config.bits / 32;
      for (int64_t g = 0; g < groups; ++g)
        for (int64_t w = 0; w < wide; ++w)
          lines.push_back(words[w * groups + g]);
      tensors.add("m.qzeros", DType::I32, {groups, wide}, lines);
    }
    std::vector<uint16_t> halves(scales.size());
    fromF32(DType::F16, scales.data(), static_cast<int64_t>(scales.size()), halves.data());
    tensors.add("m.scales", DType::F16, {groups, columns}, halves);
    tensors.add("norm", DType::F32, {2}, std::vector<float>{1, 2});
  }

  /// [N, K]
  std::vector<float> values() const {
    std::vector<float> out;
    for (int64_t n = 0; n < columns; ++n)
      for (int64_t k = 0; k < depth; ++k) {
        int64_t at = k / group * columns + n;
        out.push_back(scales[at] * static_cast<float>(q[k * columns + n] - zeros[at]));
      }
    return out;
  }

  int64_t depth, columns;
  QuantizationConfig config;
  int64_t group, groups;
  std::vector<int> q, zeros;
  std::vector<float> scales;
};

QuantizationConfig gptq(int bits, int64_t group, bool lessOne) {
  return {QuantizedLayout::Gptq, bits, group, lessOne};
}

TEST(QuantizedCheckpoint, EveryValueIsTheCheckpointsOwn) {
  QuantizationConfig awq{QuantizedLayout::Awq, 4, 32, false};
  for (const QuantizationConfig &config :
       {gptq(4, 32, true), gptq(4, 128, false), gptq(8, 64, true), gptq(3, -1, true),
        gptq(2, 16, false), gptq(4, 256, true), awq}) {
    SCOPED_TRACE(std::to_string(config.bits) + " bits, groups of " + std::to_string(config.group));
    Layer layer(config.group < 0 ? 96 : 2 * config.group + 32, 64, config);
    auto tensors = std::make_shared<TensorBytes>();
    layer.addTo(*tensors);
    auto source = openQuantizedCheckpoint(tensors, config);
    ASSERT_TRUE(source) << source.status().message();
    EXPECT_THAT((*source)->names(), ElementsAre("m.weight", "norm"));
    const TensorView *view = (*source)->find("m.weight");
    ASSERT_EQ(view->shape, (std::vector<int64_t>{layer.columns, layer.depth}));
    std::vector<float> got(layer.q.size()), want = layer.values();
    ASSERT_TRUE(decodeElements(*view, 0, view->elements(), got.data()));
    EXPECT_EQ(got, want);
    // A piece that begins and ends inside of groups.
    std::vector<float> piece(101);
    ASSERT_TRUE(decodeElements(*view, 77, 101, piece.data()));
    EXPECT_TRUE(std::equal(piece.begin(), piece.end(), want.begin() + 77));
  }
}

TEST(QuantizedCheckpoint, ZerosInTheMiddleNeedNoZeroPoints) {
  Layer layer(64, 32, gptq(4, 32, true));
  std::fill(layer.zeros.begin(), layer.zeros.end(), 8);
  auto tensors = std::make_shared<TensorBytes>();
  layer.addTo(*tensors);
  auto source = openQuantizedCheckpoint(tensors, layer.config);
  ASSERT_TRUE(source) << source.status().message();
  EXPECT_EQ((*source)->find("m.weight")->quantizedForm()->spelling(), "q4");
}

/// The module "m" with g_idx; `layer` has the integers by column.
std::shared_ptr<TensorBytes> withGroups(const Layer &layer, const std::vector<int32_t> &groupOf) {
  auto tensors = std::make_shared<TensorBytes>();
  layer.addTo(*tensors);
  tensors->add("m.g_idx", DType::I32, {static_cast<int64_t>(groupOf.size())}, groupOf);
  return tensors;
}

TEST(QuantizedCheckpoint, ColumnsInTheOrderOfActivationsAreSortedByGroup) {
  Layer layer(64, 32, gptq(4, 32, true));
  std::vector<int32_t> groupOf(64);
  std::vector<float> order, stored;
  for (int k = 0; k < 64; ++k)
    groupOf[k] = k % 2;
  for (int i = 0; i < 64; ++i)
    order.push_back(static_cast<float>(i % 32 * 2 + i / 32));
  std::vector<float> want;
  for (int64_t n = 0; n < 32; ++n)
    for (int64_t k = 0; k < 64; ++k) {
      int64_t at = groupOf[k] * 32 + n;
      want.push_back(layer.scales[at] * static_cast<float>(layer.q[k * 32 + n] - layer.zeros[at]));
    }
  for (size_t i = 0; i < want.size(); ++i)
    stored.push_back(want[i / 64 * 64 + static_cast<size_t>(order[i % 64])]);
  auto source = openQuantizedCheckpoint(withGroups(layer, groupOf), layer.config);
  ASSERT_TRUE(source) << source.status().message();
  EXPECT_THAT((*source)->names(), ElementsAre("m.weight", "norm"));
  EXPECT_FALSE((*source)->find("m.weight")->quantizedForm());
  EXPECT_EQ((*source)->find("m.weight.stored")->quantizedForm()->spelling(), "q4z");
  auto decoded = [&](const char *name) {
    const TensorView *view = (*source)->find(name);
    std::vector<float> got(static_cast<size_t>(view->elements()));
    EXPECT_TRUE(decodeElements(*view, 0, view->elements(), got.data()));
    return got;
  };
  EXPECT_EQ(decoded("m.weight"), want);
  EXPECT_EQ(decoded("m.weight.stored"), stored);
  EXPECT_EQ(decoded("m.weight.order"), order);
}

TEST(QuantizedCheckpoint, GroupsOfOtherSizesThanTheConfigsAreRefused) {
  Layer layer(64, 32, gptq(4, 32, true));
  std::vector<int32_t> groupOf(64, 1);
  groupOf[5] = 0;
  auto source = openQuantizedCheckpoint(withGroups(layer, groupOf), layer.config);
  ASSERT_FALSE(source);
  EXPECT_THAT(source.status().message(), AllOf(HasSubstr("'m'"), HasSubstr("g_idx")));
}

TEST(QuantizedCheckpoint, PartsThatDoNotBelongTogetherAreNamed) {
  Layer layer(64, 32, gptq(4, 32, true));
  auto tensors = std::make_shared<TensorBytes>();
  layer.addTo(*tensors);
  auto other = layer.config;
  other.group = 64;
  auto source = openQuantizedCheckpoint(tensors, other);
  ASSERT_FALSE(source);
  EXPECT_THAT(source.status().message(), HasSubstr("scales is F16 [2, 32], expected F16 [1, 32]"));
}

Status taken(const char *text) {
  nlohmann::json config = nlohmann::json::parse(text);
  return takeQuantizationConfig(config, "config.json").status();
}

TEST(QuantizationConfig, WhatIsNotReadIsRefusedByName) {
  EXPECT_TRUE(taken(R"({"quantization_config": {"quant_method": "gptq", "bits": 4,
                        "group_size": 128, "desc_act": false, "sym": true}})"));
  EXPECT_TRUE(taken(R"({"model_type": "llama"})"));
  auto message = [](const char *settings) {
    return taken((std::string(R"({"quantization_config": )") + settings + "}").c_str()).message();
  };
  EXPECT_THAT(message(R"({"quant_method": "bitsandbytes", "load_in_4bit": true})"),
              HasSubstr("bitsandbytes"));
  EXPECT_THAT(message(R"({"quant_method": "awq", "bits": 4, "group_size": 128,
                          "version": "gemv"})"),
              HasSubstr("gemv"));
  EXPECT_THAT(message(R"({"quant_method": "gptq", "bits": 5, "group_size": 128})"),
              HasSubstr("5 bits"));
  EXPECT_THAT(message(R"({"quant_method": "gptq", "bits": 4, "group_size": 40})"),
              HasSubstr("groups of 40"));
  EXPECT_THAT(message(R"({"quant_method": "gptq", "bits": 4, "group_size": 128, "novel": 1})"),
              HasSubstr("novel"));
}

} // namespace
