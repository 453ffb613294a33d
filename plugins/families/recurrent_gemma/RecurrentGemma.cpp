// RecurrentGemma (Griffin; De et al., 2024): real-gated linear recurrences, and sliding windows of
// attention in some layers.
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

struct Griffin {
  const Config &c;
  Builder &b;
  std::string prefix, act;
  int64_t hidden, width, heads, kernel;
  double eps;
  bool attentionBias;
  StackAttention attention;

  std::string name(const std::string &tail) const { return prefix + "layers.{layer}." + tail; }
  Value weight(const std::string &tail) { return b.param(name(tail)); }
  Value linear(Value x, const std::string &tail, bool bias = true) {
    return b.linear(x, weight(tail + ".weight"), bias ? weight(tail + ".bias") : Value{});
  }
  Value norm(Value x, Value gain) {
    return b.op("rms_norm", {x, gain}, {{"eps", eps}, {"unit_offset", true}});
  }

  /// Gates of blocks of channels: x[h] W[h] + bias[h] for each head.
  Value gate(Value x, const std::string &kind) {
    const int64_t block = width / heads;
    std::vector<Value> parts;
    for (int64_t h = 0; h < heads; ++h) {
      auto own = [&](const std::string &tail, bool matrix) {
        const std::string source = name("temporal_block.rg_lru." + kind + tail);
        Recipe part = b.slice(b.source(source), 0, h, 1);
        Recipe recipe = matrix ? b.transpose(b.reshape(part, {block, block}), {1, 0})
                               : b.reshape(part, {block});
        return b.param(source + "." + std::to_string(h), recipe);
      };
      parts.push_back(
          b.linear(b.slice(x, h * block, block), own("_weight", true), own("_bias", false)));
    }
    return heads == 1 ? parts[0] : b.concat(parts);
  }

  void recurrent() {
    auto s = b.segment("recurrent", {Builder::rows({hidden})});
    Value h = norm(s.args[0], weight("temporal_pre_norm.weight"));
    Value y = b.activation(linear(h, "temporal_block.linear_y"), act);
    const std::string source = name("temporal_block.conv_1d.weight");
    Recipe taps = b.transpose(b.reshape(b.source(source), {width, kernel}), {1, 0});
    ssm::CausalConv conv;
    conv.bias = weight("temporal_block.conv_1d.bias");
    conv.state = b.state("conv");
    Value x = ssm::causalConv(b, linear(h, "temporal_block.linear_x"), b.param(source, taps),
                              s.batch, conv);
    Value r = ssm::rgLru(b, x, gate(x, "input_gate"), gate(x, "recurrent_gate"),
                         weight("temporal_block.rg_lru.recurrent_param"), s.batch, b.state("lru"));
    Value o = b.tap(linear(b.mul(r, y), "temporal_block.linear_out"), "temporal.out");
    b.endSegment({b.add(s.args[0], o)});
  }

  void attend() {
    auto s = b.segment("attention", {Builder::rows({hidden})});
    Value h = norm(s.args[0], weight("temporal_pre_norm.weight"));
    auto head = [&](const char *proj, int64_t count) {
      return b.reshape(linear(h, std::string("temporal_block.") + proj, attentionBias),
                       {count, attention.headDim});
    };
    Value a = attention.build(b, s.batch, "kv", head("q_proj", attention.heads),
                              head("k_proj", attention.kvHeads), head("v_proj", attention.kvHeads));
    b.endSegment({b.add(s.args[0], b.tap(linear(a, "temporal_block.o_proj"), "temporal.out"))});
  }

  void feedForward() {
    auto s = b.segment("ffn", {Builder::rows({hidden})});
    Value h = norm(s.args[0], weight("channel_pre_norm.weight"));
    Value y = b.glu(linear(h, "mlp_block.gate_proj"), linear(h, "mlp_block.up_proj"), act);
    b.endSegment({b.add(s.args[0], b.tap(linear(y, "mlp_block.down_proj"), "mlp.out"))});
  }
};

/// layers_block_type or layer_types for each layer, or block_types again and again.
std::vector<std::string> readKinds(const Config &c, int64_t layers) {
  const std::vector<std::pair<std::string, std::string>> known = {
      {"recurrent", "recurrent"},
      {"linear_attention", "recurrent"},
      {"attention", "attention"},
      {"sliding_attention", "attention"}};
  const int64_t period = c.size("block_types");
  auto again = [&](int64_t l) {
    if (period > 0)
      return c.string("block_types." + std::to_string(l % period), "");
    return std::string(l % 3 == 2 ? "attention" : "recurrent");
  };
  for (const char *path : {"layers_block_type", "layer_types"})
    if (c.size(path) >= 0)
      return readLayerKinds(c, path, layers, known, again);
  return readLayerKinds(c, "block_types of a layer", layers, known, again);
}

/// The square root of n as bf16 has it, which is what the reference multiplies by.
double roundedRoot(int64_t n) {
  const double root = std::sqrt(static_cast<double>(n));
  const double unit = std::ldexp(1.0, std::ilogb(root) - 7);
  return std::nearbyint(root / unit) * unit;
}

void build(const Config &c, Builder &b) {
  Stack stack;
  stack.read(c, "RecurrentGemma", 8192);
  const int64_t heads = c.integer("num_attention_heads");
  const int64_t headDim = c.integer("head_dim", stack.hidden / std::max<int64_t>(heads, 1));
  const int64_t width = c.integer("lru_width", stack.hidden);
  Griffin m{c,
            b,
            c.hasWeight("model.embed_tokens.weight") ? "model." : "",
            readActivation(c, "hidden_activation", "gelu_pytorch_tanh"),
            stack.hidden,
            width,
            heads,
            c.integer("conv1d_width", 4),
            c.number("rms_norm_eps", 1e-6),
            c.flag("attention_bias", false),
            {heads, c.integer("num_key_value_heads", heads), headDim,
             c.integer("sliding_window", c.integer("attention_window_size", 2048)),
             readPartialRope(c, headDim, stack.context, 0.5)}};
  if (heads < 1 || width % heads)
    c.refuse("lru_width", std::to_string(width), "a multiple of num_attention_heads");
  if (m.kernel < 2)
    c.refuse("conv1d_width", std::to_string(m.kernel), "2 and more");
  c.inert({"intermediate_size", "final_w_init_variance_scale", "w_init_variance_scale",
           "attention_dropout", "attention_window_size"});
  const double cap = c.number("logits_soft_cap", 30.0);
  stack.useTable(c, b, m.prefix + "embed_tokens.weight", c.flag("tie_word_embeddings", true));
  const std::vector<std::string> kinds = readKinds(c, stack.layers);
  if (contains(kinds, "recurrent")) {
    b.carryState("conv", {m.kernel - 1, width});
    b.carryState("lru", {width});
    m.recurrent();
  }
  if (contains(kinds, "attention")) {
    m.attention.declare(b, "kv");
    m.attend();
  }
  m.feedForward();
  stack.embed = [&, plain = stack.embed](Value ids) {
    return b.scale(plain(ids), roundedRoot(stack.hidden));
  };
  stack.finalNorm = [&](Value x) { return m.norm(x, b.param(m.prefix + "final_norm.weight")); };
  stack.logits = [&, plain = stack.logits](Value x) {
    Value y = plain(x);
    return cap > 0 ? b.op("softcap", {y}, {{"cap", cap}}) : y;
  };
  stack.segments = [&](int64_t l) { return std::vector<std::string>{kinds[l], "ffn"}; };
  stack.build(b);
}

} // namespace

PLX_FAMILY_PLUGIN("recurrent_gemma", "RecurrentGemma models", build);
