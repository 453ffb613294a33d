// The pre-norm rotary decoder that Llama, Mistral and Qwen share: RMS norms, grouped-query
// attention with rope, gated feed-forward.
//
//   x += O attention(rope(Q n1(x)), rope(K n1(x)), V n1(x));   x += Down(act(Gate n2(x)) * Up
//   n2(x))
#pragma once

#include "Activation.h"
#include "Rope.h"

namespace plexus::families {

struct Decoder {
  int64_t hidden = 0, layers = 0, heads = 0, kvHeads = 0, headDim = 0, vocab = 0, context = 0;
  double eps = 1e-6;
  std::string activation = "silu";
  bool qkvBias = false, outBias = false, mlpBias = false;
  bool qkNorm = false; ///< RMS norm of each head's query and key before rope (Qwen3).
  bool tied = false;
  bool head = true; ///< False: a bare model without a language-model head.
  Rope rope;
  std::vector<int64_t> window; ///< For each layer; 0: the whole context.
};

/// What the library's config class of a family has for fields that a file leaves out.
struct DecoderDefaults {
  int64_t kvHeads = 0; ///< 0: one for each head.
  int64_t headDim = 0; ///< 0: hidden size / heads.
  int64_t context = 0;
};

/// The fields that these families spell alike. Windows and biases are the family's own.
inline Decoder readDecoder(const Config &c, const std::string &family,
                           const DecoderDefaults &defaults) {
  Decoder d;
  d.head = readArchitecture(c, {(family + "ForCausalLM").c_str(), (family + "Model").c_str()}) ==
           family + "ForCausalLM";
  d.hidden = c.integer("hidden_size");
  d.layers = c.integer("num_hidden_layers");
  d.heads = c.integer("num_attention_heads");
  // null is not the same as absent: it means one for each head.
  const bool ownKvHeads = c.isNull("num_key_value_heads") || defaults.kvHeads == 0;
  d.kvHeads = c.integer("num_key_value_heads", ownKvHeads ? d.heads : defaults.kvHeads);
  const int64_t split = d.hidden / std::max<int64_t>(d.heads, 1);
  d.headDim = c.integer("head_dim", defaults.headDim ? defaults.headDim : split);
  d.vocab = c.integer("vocab_size");
  d.context = c.integer("max_position_embeddings", defaults.context);
  d.eps = c.number("rms_norm_eps", 1e-6);
  d.activation = readActivation(c, "hidden_act", "silu");
  d.tied = c.flag("tie_word_embeddings", false);
  d.rope = readRope(c, d.headDim, d.context);
  if (d.rope.ntkFactor > 1) // A stretched context: the config states the one before.
    d.context = static_cast<int64_t>(d.context * static_cast<double>(d.rope.ntkFactor));
  d.window.assign(std::max<int64_t>(d.layers, 0), 0);
  c.integer("intermediate_size"); // The weights' shapes say it; a config without it is broken.
  c.inert({"attention_dropout", "pretraining_tp"});
  c.unusedWeights({"*.rotary_emb.inv_freq"});
  if (d.tied || !d.head)
    c.unusedWeights({"lm_head.weight"});
  return d;
}

class DecoderBuilder {
public:
  DecoderBuilder(const Config &c, Builder &b, const Decoder &d)
      : b(b), d(d), prefix(c.hasWeight("model.embed_tokens.weight") ? "model." : "") {}

  void build() {
    b.info("task", d.head ? "causal-lm" : "encoder");
    b.info("context", d.context);
    b.info("layers", d.layers);
    b.info("hidden_size", d.hidden);
    b.info("vocab_size", d.vocab);
    auto embed = b.segment("embed", {Builder::ids()});
    b.endSegment({b.embedding(embed.args[0], table())});
    for (int64_t w : kinds())
      attention(attentionName(w), w);
    feedForward();
    auto norm = b.segment("norm", {rows()});
    b.endSegment({finalNorm(norm.args[0])});
    if (d.head) {
      auto head = b.segment("head", {rows()});
      auto h = finalNorm(b.selectRows(head.args[0], head.batch));
      b.endSegment({b.linear(h, d.tied ? table() : b.param("lm_head.weight"))});
    }
    schedule();
  }

private:
  graph::Arg rows() const { return Builder::rows({d.hidden}); }
  graph::Value table() { return b.param(prefix + "embed_tokens.weight"); }
  graph::Value finalNorm(graph::Value x) {
    return b.rmsNorm(x, b.param(prefix + "norm.weight"), d.eps);
  }
  /// Weight `name` of the current layer.
  graph::Value weight(const std::string &name) {
    return b.param(prefix + "layers.{layer}." + name);
  }
  graph::Value linear(graph::Value x, const std::string &name, bool bias) {
    auto w = weight(name + ".weight");
    return b.linear(x, w, bias ? weight(name + ".bias") : graph::Value{});
  }
  std::vector<int64_t> kinds() const {
    std::vector<int64_t> out;
    for (int64_t w : d.window)
      if (std::find(out.begin(), out.end(), w) == out.end())
        out.push_back(w);
    return out;
  }
  static std::string attentionName(int64_t window) {
    return window ? "attn_window" + std::to_string(window) : "attn";
  }

  void attention(const std::string &name, int64_t window) {
    const std::string state = window ? "kv_window" + std::to_string(window) : "kv";
    b.kvState(state, d.kvHeads, d.headDim, d.headDim, window);
    auto s = b.segment(name, {rows()});
    auto x = s.args[0];
    auto h = b.rmsNorm(x, weight("input_layernorm.weight"), d.eps);
    auto head = [&](const char *proj, const char *norm, int64_t heads) {
      auto y =
          b.reshape(linear(h, std::string("self_attn.") + proj, d.qkvBias), {heads, d.headDim});
      return d.qkNorm && norm ? b.rmsNorm(y, weight(std::string("self_attn.") + norm), d.eps) : y;
    };
    auto q = b.tap(head("q_proj", "q_norm.weight", d.heads), "attn.q");
    auto k = b.tap(head("k_proj", "k_norm.weight", d.kvHeads), "attn.k");
    auto v = b.tap(head("v_proj", nullptr, d.kvHeads), "attn.v");
    auto kv = b.state(state);
    b.kvWrite(b.rope(k, s.batch, d.rope), v, kv, s.batch);
    auto a =
        b.attention(b.rope(q, s.batch, d.rope), kv, s.batch,
                    {.scale = 1.0f / std::sqrt(static_cast<float>(d.headDim)), .window = window});
    a = b.tap(b.reshape(a, {d.heads * d.headDim}), "attn.heads");
    auto o = b.tap(linear(a, "self_attn.o_proj", d.outBias), "attn.out");
    b.endSegment({b.add(x, o)});
  }

  void feedForward() {
    auto s = b.segment("ffn", {rows()});
    auto x = s.args[0];
    auto h = b.rmsNorm(x, weight("post_attention_layernorm.weight"), d.eps);
    auto gate = linear(h, "mlp.gate_proj", d.mlpBias), up = linear(h, "mlp.up_proj", d.mlpBias);
    auto y = b.tap(b.glu(gate, up, d.activation), "mlp.act");
    b.endSegment({b.add(x, b.tap(linear(y, "mlp.down_proj", d.mlpBias), "mlp.out"))});
  }

  void schedule() {
    auto in = b.schedule("forward", {"input_ids"}, {Builder::ids()});
    auto x = b.run("embed", -1, {in[0]});
    std::vector<graph::Value> hidden;
    for (int64_t l = 0; l < d.layers; ++l) {
      hidden.push_back(x);
      x = b.run(attentionName(d.window[l]), l, {x});
      x = b.run("ffn", l, {x});
    }
    auto last = b.run("norm", -1, {x});
    hidden.push_back(last);
    b.hidden(hidden);
    std::vector<Builder::Output> outputs;
    if (d.head)
      outputs.push_back({"logits", b.run("head", -1, {x})});
    outputs.push_back({"last_hidden_state", last});
    b.endSchedule(outputs);
  }

  Builder &b;
  const Decoder &d;
  std::string prefix;
};

} // namespace plexus::families
