// GPT-2 (Radford et al., 2019): learned positions, layer norms, weights stored [in, out].
//
//   x = wte[id] + wpe[pos];   x += proj attention(qkv ln1(x));   x += proj act(fc ln2(x))
#include "../common/Activation.h"

#include <plexus/plugin.hpp>

#include <cmath>

using namespace plexus::families;
using plexus::graph::Builder;
using plexus::graph::Config;
using plexus::graph::Recipe;
using plexus::graph::Value;

namespace {

struct Gpt2 {
  Builder &b;
  std::string prefix;
  int64_t hidden, layers, heads, headDim;
  double eps;
  std::string activation;
  bool scaleScores, scaleByLayer;

  std::string layer(const std::string &name) const { return prefix + "h.{layer}." + name; }
  Value norm(Value x, const std::string &name) {
    return b.layerNorm(x, b.param(name + ".weight"), b.param(name + ".bias"), eps);
  }
  Value conv1d(Value x, const std::string &name) {
    auto w =
        b.param(layer(name + ".weight"), b.transpose(b.source(layer(name + ".weight")), {1, 0}));
    return b.linear(x, w, b.param(layer(name + ".bias")));
  }
  Value table() { return b.param(prefix + "wte.weight"); }

  void attention() {
    b.kvState("kv", heads, headDim, headDim);
    auto s = b.segment("attn", {Builder::rows({hidden})});
    auto x = s.args[0];
    auto qkv = conv1d(norm(x, layer("ln_1")), "attn.c_attn");
    auto head = [&](int64_t part) {
      return b.reshape(b.slice(qkv, part * hidden, hidden), {heads, headDim});
    };
    auto q = b.tap(head(0), "attn.q"), k = b.tap(head(1), "attn.k"), v = b.tap(head(2), "attn.v");
    if (scaleByLayer)
      q = b.scale(q, b.scalar(0));
    auto kv = b.state("kv");
    b.kvWrite(k, v, kv, s.batch);
    const float scale = scaleScores ? 1.0f / std::sqrt(static_cast<float>(headDim)) : 1.0f;
    auto a =
        b.tap(b.reshape(b.attention(q, kv, s.batch, {.scale = scale}), {hidden}), "attn.heads");
    b.endSegment({b.add(x, b.tap(conv1d(a, "attn.c_proj"), "attn.out"))});
  }

  void feedForward() {
    auto s = b.segment("ffn", {Builder::rows({hidden})});
    auto x = s.args[0];
    auto h = b.tap(b.activation(conv1d(norm(x, layer("ln_2")), "mlp.c_fc"), activation), "mlp.act");
    b.endSegment({b.add(x, b.tap(conv1d(h, "mlp.c_proj"), "mlp.out"))});
  }

  void schedule(bool head) {
    auto in = b.schedule("forward", {"input_ids"}, {Builder::ids()});
    auto x = b.run("embed", -1, {in[0]});
    std::vector<Value> states;
    for (int64_t l = 0; l < layers; ++l) {
      states.push_back(x);
      const float scalar = 1.0f / static_cast<float>(l + 1);
      x = scaleByLayer ? b.run("attn", l, {x}, {scalar}) : b.run("attn", l, {x});
      x = b.run("ffn", l, {x});
    }
    auto last = b.run("norm", -1, {x});
    states.push_back(last);
    b.hidden(states);
    std::vector<Builder::Output> outputs;
    if (head)
      outputs.push_back({"logits", b.run("head", -1, {x})});
    outputs.push_back({"last_hidden_state", last});
    b.endSchedule(outputs);
  }
};

/// A size under its own name, or under the one that other families have for it.
int64_t size(const Config &c, const char *name, const char *alias, int64_t otherwise) {
  return c.integer(name, c.integer(alias, otherwise));
}

void build(const Config &c, Builder &b) {
  const bool head = readArchitecture(c, {"GPT2LMHeadModel", "GPT2Model"}) == "GPT2LMHeadModel";
  Gpt2 m{b,
         c.hasWeight("transformer.wte.weight") ? "transformer." : "",
         size(c, "n_embd", "hidden_size", 768),
         size(c, "n_layer", "num_hidden_layers", 12),
         size(c, "n_head", "num_attention_heads", 12),
         0,
         c.number("layer_norm_epsilon", 1e-5),
         readActivation(c, "activation_function", "gelu_new"),
         c.flag("scale_attn_weights", true),
         c.flag("scale_attn_by_inverse_layer_idx", false)};
  m.headDim = m.hidden / std::max<int64_t>(m.heads, 1);
  refuseSwitches(c, {"add_cross_attention"});
  const bool tied = c.flag("tie_word_embeddings", true);
  c.inert({"attn_pdrop", "embd_pdrop", "resid_pdrop", "summary_activation", "summary_first_dropout",
           "summary_proj_to_labels", "summary_type", "summary_use_proj", "reorder_and_upcast_attn",
           "n_inner", "n_ctx", "task_specific_params"});
  c.unusedWeights({"*attn.bias", "*attn.masked_bias"});
  if (tied || !head)
    c.unusedWeights({"lm_head.weight"});

  b.info("task", head ? "causal-lm" : "encoder");
  b.info("context", size(c, "n_positions", "max_position_embeddings", 1024));
  b.info("layers", m.layers);
  b.info("hidden_size", m.hidden);
  b.info("vocab_size", c.integer("vocab_size", 50257));
  auto embed = b.segment("embed", {Builder::ids()});
  b.endSegment({b.add(b.embedding(embed.args[0], m.table()),
                      b.embedding(b.positions(embed.batch), b.param(m.prefix + "wpe.weight")))});
  m.attention();
  m.feedForward();
  auto norm = b.segment("norm", {Builder::rows({m.hidden})});
  b.endSegment({m.norm(norm.args[0], m.prefix + "ln_f")});
  if (head) {
    auto s = b.segment("head", {Builder::rows({m.hidden})});
    auto h = m.norm(b.selectRows(s.args[0], s.batch), m.prefix + "ln_f");
    b.endSegment({b.linear(h, tied ? m.table() : b.param("lm_head.weight"))});
  }
  m.schedule(head);
}

} // namespace

PLX_FAMILY_PLUGIN("gpt2", "GPT-2 decoders", build);
