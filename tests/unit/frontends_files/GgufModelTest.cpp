#include "frontends/gguf/GgufModel.h"

#include "tests/support/GgufBytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

using namespace plexus;
using namespace plexus::frontends;
using plexus::testing::GgufBytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

std::vector<float> iota(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

/// Metadata of a llama with hidden size 8, 2 heads of 4, 1 key/value head, 1 layer, 5 tokens.
GgufBytes metadata() {
  GgufBytes m;
  m.string("general.architecture", "llama").string("general.name", "small");
  m.u32("general.file_type", 0);
  m.u32("llama.block_count", 1).u32("llama.context_length", 64).u32("llama.embedding_length", 8);
  m.u32("llama.feed_forward_length", 6).u32("llama.attention.head_count", 2);
  m.u32("llama.attention.head_count_kv", 1).f32("llama.attention.layer_norm_rms_epsilon", 0.5f);
  m.u32("llama.rope.dimension_count", 4).f32("llama.rope.freq_base", 500.0f);
  m.u32("llama.vocab_size", 5);
  m.string("tokenizer.ggml.model", "gpt2").string("tokenizer.ggml.pre", "smollm");
  m.array<std::string>("tokenizer.ggml.tokens", GgufBytes::String, {"a", "b", "c", "d", "e"});
  m.u32("tokenizer.ggml.eos_token_id", 2);
  return m;
}

GgufBytes &addTensors(GgufBytes &m) {
  m.floats("token_embd.weight", {5, 8}, iota(40)).floats("output_norm.weight", {8}, iota(8));
  m.floats("blk.0.attn_norm.weight", {8}, iota(8)).floats("blk.0.ffn_norm.weight", {8}, iota(8));
  m.floats("blk.0.attn_q.weight", {8, 8}, iota(64));
  m.floats("blk.0.attn_k.weight", {4, 8}, iota(32));
  m.floats("blk.0.attn_v.weight", {4, 8}, iota(32));
  m.floats("blk.0.attn_output.weight", {8, 8}, iota(64));
  m.floats("blk.0.ffn_gate.weight", {6, 8}, iota(48));
  m.floats("blk.0.ffn_up.weight", {6, 8}, iota(48));
  m.floats("blk.0.ffn_down.weight", {8, 6}, iota(48));
  return m;
}

/// Keeps the bytes that the model points into.
struct Opened {
  std::string bytes;
  Expected<GgufModel> model = Status();
};
Opened open(GgufBytes &m) {
  Opened opened{m.bytes()};
  auto file = GgufFile::parse(
      {reinterpret_cast<const uint8_t *>(opened.bytes.data()), opened.bytes.size()}, "m.gguf");
  opened.model = file ? GgufModel::fromFile(*file) : Expected<GgufModel>(file.status());
  return opened;
}

void expectRefused(GgufBytes &m, Code code, std::string_view message) {
  Opened opened = open(m);
  ASSERT_FALSE(opened.model.isOk()) << message;
  EXPECT_EQ(opened.model.status().code(), code) << opened.model.status().message();
  EXPECT_THAT(opened.model.status().message(),
              AllOf(HasSubstr("m.gguf"), HasSubstr(std::string(message))));
}

/// metadata() without `key`, so that a test can set it otherwise.
GgufBytes plain() {
  GgufBytes m = metadata();
  addTensors(m);
  return m;
}

TEST(GgufModel, MetadataBecomesAConfig) {
  GgufBytes m = plain();
  Opened opened = open(m);
  ASSERT_TRUE(opened.model.isOk()) << opened.model.status().message();
  EXPECT_EQ(opened.model->config, nlohmann::json::parse(R"({
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
      "hidden_size": 8, "head_dim": 4, "num_attention_heads": 2, "num_key_value_heads": 1,
      "num_hidden_layers": 1, "intermediate_size": 6, "max_position_embeddings": 64,
      "rms_norm_eps": 0.5, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
      "vocab_size": 5, "tie_word_embeddings": true, "attention_bias": false, "mlp_bias": false,
      "eos_token_id": [2]})"));
}

TEST(GgufModel, AnOutputTensorMeansAnUntiedHead) {
  GgufBytes m = plain();
  m.floats("output.weight", {5, 8}, iota(40));
  Opened opened = open(m);
  ASSERT_TRUE(opened.model.isOk());
  EXPECT_EQ(opened.model->config["tie_word_embeddings"], false);
  EXPECT_NE(opened.model->weights->find("lm_head.weight"), nullptr);
}

TEST(GgufModel, WeightsHaveTransformersNamesAndOrder) {
  GgufBytes m = plain();
  Opened opened = open(m);
  ASSERT_TRUE(opened.model.isOk());
  const TensorSource &weights = *opened.model->weights;
  EXPECT_THAT(
      weights.names(),
      ElementsAre(
          "model.embed_tokens.weight", "model.layers.0.input_layernorm.weight",
          "model.layers.0.mlp.down_proj.weight", "model.layers.0.mlp.gate_proj.weight",
          "model.layers.0.mlp.up_proj.weight", "model.layers.0.post_attention_layernorm.weight",
          "model.layers.0.self_attn.k_proj.weight", "model.layers.0.self_attn.o_proj.weight",
          "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.v_proj.weight",
          "model.norm.weight"));
  // Stored rows 0 1 2 3 of a head are its dimensions 0 2 1 3: reshape [heads, 2, 2, in], swap.
  const TensorView *q = weights.find("model.layers.0.self_attn.q_proj.weight");
  std::vector<float> rows(64), firstOfRow;
  ASSERT_TRUE(decodeElements(*q, 0, 64, rows.data()).isOk());
  for (size_t r = 0; r < 8; ++r)
    firstOfRow.push_back(rows[r * 8] / 8);
  EXPECT_THAT(firstOfRow, ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  EXPECT_TRUE(weights.find("model.layers.0.self_attn.v_proj.weight")->isPlain());
}

TEST(GgufModel, RopeScalingIsCarriedOver) {
  GgufBytes linear = plain();
  linear.string("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 4);
  EXPECT_EQ(
      open(linear).model->config["rope_parameters"],
      nlohmann::json::parse(R"({"rope_type": "linear", "rope_theta": 500.0, "factor": 4.0})"));
  GgufBytes old = plain();
  old.f32("llama.rope.scale_linear", 2);
  EXPECT_EQ(open(old).model->config["rope_parameters"]["factor"], 2.0);
  GgufBytes yarn = plain();
  yarn.string("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4);
  yarn.u32("llama.rope.scaling.original_context_length", 16);
  EXPECT_EQ(open(yarn).model->config["rope_parameters"]["original_max_position_embeddings"], 16);
  GgufBytes factors = plain();
  factors.floats("rope_freqs.weight", {2}, {1, 8});
  EXPECT_EQ(open(factors).model->config["rope_parameters"]["frequency_factors"],
            nlohmann::json({1.0, 8.0}));
}

TEST(GgufModel, MetadataThatChangesTheMathematicsIsRefusedByName) {
  GgufBytes experts = plain();
  experts.u32("llama.expert_count", 8).f32("llama.logit_scale", 0.5f);
  expectRefused(experts, Code::Unsupported, "llama.expert_count = 8\n  llama.logit_scale = 0.5");
  GgufBytes neutral = plain();
  neutral.u32("llama.expert_count", 0).boolean("llama.rope.scaling.finetuned", true);
  EXPECT_TRUE(open(neutral).model.isOk());
  GgufBytes kind = plain();
  kind.string("llama.rope.scaling.type", "longrope");
  expectRefused(kind, Code::Corrupt, "longrope");
  GgufBytes perLayer = plain();
  perLayer.array<uint32_t>("llama.attention.head_count_swa", GgufBytes::U32, {2, 2});
  expectRefused(perLayer, Code::Unsupported, "head_count_swa = [2, 2]");
  GgufBytes values = plain();
  values.u32("llama.attention.value_length", 8);
  expectRefused(values, Code::Corrupt, "value_length");
  GgufBytes adapter = plain();
  adapter.string("general.type", "adapter");
  expectRefused(adapter, Code::Unsupported, "of type \"adapter\"");
}

TEST(GgufModel, OtherArchitecturesAndTensorsAreRefusedByName) {
  GgufBytes other;
  other.string("general.architecture", "qwen3moe");
  expectRefused(other, Code::Unsupported, "architecture \"qwen3moe\"");
  GgufBytes nothing;
  expectRefused(nothing, Code::Corrupt, "\"general.architecture\" is missing");
  GgufBytes extra = plain();
  extra.floats("blk.0.ffn_gate_inp.weight", {4}, iota(4));
  extra.floats("blk.1.attn_v.weight", {4, 8}, iota(32));
  extra.floats("blk.00.attn_v.weight", {4, 8}, iota(32));
  expectRefused(extra, Code::Unsupported,
                "blk.0.ffn_gate_inp.weight [4]\n  blk.00.attn_v.weight [4, 8]\n  blk.1.attn_v");
  GgufBytes quantized = plain();
  quantized.tensor("output.weight", {5, 256}, 10, std::string(420, '\0'));
  expectRefused(quantized, Code::Unsupported, "Q2_K, as in tensor \"output.weight\"");
  GgufBytes noTensors = metadata();
  expectRefused(noTensors, Code::NotFound, "token_embd.weight");
}

TEST(GgufModel, TensorsThatDoNotFitTheMetadataAreRefused) {
  GgufBytes q = metadata();
  q.floats("token_embd.weight", {5, 8}, iota(40)).floats("blk.0.attn_q.weight", {6, 8}, iota(48));
  expectRefused(q, Code::Mismatch,
                "tensor \"blk.0.attn_q.weight\": shape [6, 8], but 2 heads of 4");
  GgufBytes vocab = metadata();
  vocab.floats("token_embd.weight", {4, 8}, iota(32));
  expectRefused(vocab, Code::Corrupt, "llama.vocab_size");
  GgufBytes factors = plain();
  factors.floats("rope_freqs.weight", {3}, {1, 8, 9});
  expectRefused(factors, Code::Mismatch, "3 factors, not 2");
  GgufBytes zero = plain();
  zero.floats("rope_freqs.weight", {2}, {1, 0});
  expectRefused(zero, Code::Corrupt, "rope_freqs.weight");
}

TEST(GgufVocabulary, IsReadWithAllItsSettings) {
  GgufBytes m;
  m.string("tokenizer.ggml.model", "llama");
  m.array<std::string>("tokenizer.ggml.tokens", GgufBytes::String, {"<unk>", "<s>", "</s>"});
  m.array<float>("tokenizer.ggml.scores", GgufBytes::F32, {0, -1, -2});
  m.array<int32_t>("tokenizer.ggml.token_type", GgufBytes::I32, {2, 3, 3});
  m.array<std::string>("tokenizer.ggml.merges", GgufBytes::String, {"a b"});
  m.u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.eos_token_id", 2);
  m.u32("tokenizer.ggml.unknown_token_id", 0);
  m.boolean("tokenizer.ggml.add_bos_token", true).boolean("tokenizer.ggml.add_eos_token", false);
  m.string("tokenizer.chat_template", "{{ x }}");
  std::string bytes = m.bytes();
  auto file =
      GgufFile::parse({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}, "m.gguf");
  auto vocabulary = readGgufVocabulary(**file);
  ASSERT_TRUE(vocabulary.isOk()) << vocabulary.status().message();
  EXPECT_EQ(vocabulary->model, "llama");
  EXPECT_EQ(vocabulary->pre, "");
  EXPECT_THAT(vocabulary->tokens, ElementsAre("<unk>", "<s>", "</s>"));
  EXPECT_THAT(vocabulary->scores, ElementsAre(0, -1, -2));
  EXPECT_THAT(vocabulary->tokenTypes, ElementsAre(2, 3, 3));
  EXPECT_THAT(vocabulary->merges, ElementsAre("a b"));
  EXPECT_EQ(vocabulary->bosId, 1);
  EXPECT_EQ(vocabulary->eosId, 2);
  EXPECT_EQ(vocabulary->unkId, 0);
  EXPECT_EQ(vocabulary->padId, std::nullopt);
  EXPECT_EQ(vocabulary->addBos, true);
  EXPECT_EQ(vocabulary->addEos, false);
  EXPECT_EQ(vocabulary->addSpacePrefix, std::nullopt);
  EXPECT_EQ(vocabulary->chatTemplate, "{{ x }}");
}

TEST(GgufVocabulary, WhatDoesNotFitIsRefusedByName) {
  GgufBytes scores = plain();
  scores.array<float>("tokenizer.ggml.scores", GgufBytes::F32, {0});
  expectRefused(scores, Code::Corrupt, "tokenizer.ggml.scores");
  GgufBytes id = plain();
  id.u32("tokenizer.ggml.bos_token_id", 5);
  expectRefused(id, Code::Corrupt, "\"tokenizer.ggml.bos_token_id\" is 5");
  GgufBytes type = plain();
  type.string("tokenizer.ggml.add_bos_token", "yes");
  expectRefused(type, Code::Corrupt, "should be a boolean, found \"yes\"");
  GgufBytes charsmap = plain();
  charsmap.array<uint8_t>("tokenizer.ggml.precompiled_charsmap", GgufBytes::U8, {1});
  expectRefused(charsmap, Code::Unsupported, "precompiled_charsmap");
}

} // namespace
