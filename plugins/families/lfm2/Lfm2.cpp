// LFM2 (Liquid AI, 2025): short gated convolutions, and attention in some layers.
//
//   x += Out (C * conv(B * X)) or x += attention,  x += W2 (silu(W1 h) * W3 h)
#include "../common/Activation.h"
#include "../common/Rope.h"
#include "../common/Stack.h"

#include <plexus/plugin.hpp>
#include <plexus/ssm.hpp>

using namespace plexus::families;
using plexus::graph::Recipe;
using plexus::graph::Value;
namespace ssm = plexus::graph::ssm;

namespace {

struct Lfm2 {
  const Config &c;
  Builder &b;
  std::string prefix;
  int64_t hidden, kernel;
  double eps;
  bool convBias;
  StackAttention attention;

  Value weight(const std::string &name) { return b.param(prefix + "layers.{layer}." + name); }
  Value linear(Value x, const std::string &name, bool bias = false) {
    return b.linear(x, weight(name + ".weight"), bias ? weight(name + ".bias") : Value{});
  }

  void conv() {
    auto s = b.segment("conv", {Builder::rows({hidden})});
    Value h = b.rmsNorm(s.args[0], weight("operator_norm.weight"), eps);
    Value mixed = linear(h, "conv.in_proj", convBias);
    Value gated = b.mul(b.slice(mixed, 0, hidden), b.slice(mixed, 2 * hidden, hidden));
    const std::string source = prefix + "layers.{layer}.conv.conv.weight";
    Recipe taps = b.transpose(b.reshape(b.source(source), {hidden, kernel}), {1, 0});
    ssm::CausalConv conv;
    conv.bias = convBias ? weight("conv.conv.bias") : Value{};
    conv.state = b.state("conv_inputs");
    Value y = ssm::causalConv(b, gated, b.param(source, taps), s.batch, conv);
    y = linear(b.mul(b.slice(mixed, hidden, hidden), y), "conv.out_proj", convBias);
    b.endSegment({b.add(s.args[0], b.tap(y, "conv.out"))});
  }

  void attend() {
    auto s = b.segment("attn", {Builder::rows({hidden})});
    Value h = b.rmsNorm(s.args[0], weight("operator_norm.weight"), eps);
    auto head = [&](const char *name, int64_t heads) {
      return b.reshape(linear(h, std::string("self_attn.") + name), {heads, attention.headDim});
    };
    Value q =
        b.rmsNorm(head("q_proj", attention.heads), weight("self_attn.q_layernorm.weight"), eps);
    Value k =
        b.rmsNorm(head("k_proj", attention.kvHeads), weight("self_attn.k_layernorm.weight"), eps);
    Value a = attention.build(b, s.batch, "kv", q, k, head("v_proj", attention.kvHeads));
    b.endSegment({b.add(s.args[0], b.tap(linear(a, "self_attn.out_proj"), "attn.out"))});
  }

  void feedForward() {
    auto s = b.segment("ffn", {Builder::rows({hidden})});
    Value h = b.rmsNorm(s.args[0], weight("ffn_norm.weight"), eps);
    Value y = b.glu(linear(h, "feed_forward.w1"), linear(h, "feed_forward.w3"), "silu");
    b.endSegment({b.add(s.args[0], b.tap(linear(y, "feed_forward.w2"), "mlp.out"))});
  }
};

/// By layer_types, or attention in the layers of full_attn_idxs (absent: all).
std::vector<std::string> readKinds(const Config &c, int64_t layers) {
  std::vector<bool> full(std::max<int64_t>(layers, 0), c.size("full_attn_idxs") < 0);
  for (float index : c.numbers("full_attn_idxs"))
    if (index >= 0 && index < layers)
      full[static_cast<size_t>(index)] = true;
  return readLayerKinds(c, "layer_types", layers, {{"conv", "conv"}, {"full_attention", "attn"}},
                        [&](int64_t l) { return full[l] ? "full_attention" : "conv"; });
}

void build(const Config &c, Builder &b) {
  Stack stack;
  stack.read(c, "Lfm2", 128000);
  const int64_t heads = c.integer("num_attention_heads");
  const int64_t headDim = c.integer("head_dim", stack.hidden / std::max<int64_t>(heads, 1));
  Lfm2 m{c,
         b,
         c.hasWeight("model.embed_tokens.weight") ? "model." : "",
         stack.hidden,
         c.integer("conv_L_cache", 3),
         c.number("norm_eps", 1e-5),
         c.flag("conv_bias", false),
         {heads, c.integer("num_key_value_heads", 8), headDim, 0,
          readRope(c, headDim, stack.context)}};
  // The weights' shapes say how wide the feed-forward part is.
  c.inert({"intermediate_size", "block_auto_adjust_ff_dim", "block_ffn_dim_multiplier",
           "block_multiple_of", "block_ff_dim", "attention_dropout"});
  stack.useTable(c, b, m.prefix + "embed_tokens.weight",
                 c.flag("tie_word_embeddings", c.flag("tie_embedding", true)));
  const std::vector<std::string> kinds = readKinds(c, stack.layers);
  if (contains(kinds, "conv")) {
    if (m.kernel < 2)
      c.refuse("conv_L_cache", std::to_string(m.kernel), "2 and more");
    b.carryState("conv_inputs", {m.kernel - 1, stack.hidden});
    m.conv();
  }
  if (contains(kinds, "attn")) {
    m.attention.declare(b, "kv");
    m.attend();
  }
  m.feedForward();
  stack.finalNorm = [&](Value x) {
    return b.rmsNorm(x, b.param(m.prefix + "embedding_norm.weight"), m.eps);
  };
  stack.segments = [&](int64_t l) { return std::vector<std::string>{kinds[l], "ffn"}; };
  stack.build(b);
}

} // namespace

PLX_FAMILY_PLUGIN("lfm2", "LFM2 models", build);
