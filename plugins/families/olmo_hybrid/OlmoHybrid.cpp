// OLMo Hybrid (2025): gated delta rule before norms, attention with norms behind in some layers.
#include "../common/Activation.h"
#include "../common/DeltaHybrid.h"
#include "../common/Rope.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;
using plexus::graph::Recipe;
using plexus::graph::Value;

namespace {

struct OlmoHybrid : DeltaHybrid {
  /// A norm that has one name in older files and one in newer ones; `layer` has it.
  Value norm(Value x, int64_t layer, const char *older, const char *newer) {
    const std::string at = prefix + "layers." + std::to_string(layer) + "." + older + ".weight";
    return b.rmsNorm(x, weight(std::string(c.hasWeight(at) ? older : newer) + ".weight"), eps);
  }

  /// Kernels of queries, keys and values one after another, in one tensor or three.
  Recipe kernel(int64_t layer) {
    const std::string own = prefix + "layers." + std::to_string(layer) + ".linear_attn.";
    auto source = [&](const std::string &part) {
      return b.source(name("linear_attn." + part + "conv1d.weight"));
    };
    Recipe whole = c.hasWeight(own + "conv1d.weight")
                       ? source("")
                       : b.concat(0, {source("q_"), source("k_"), source("v_")});
    return kernelOf(b, whole, delta.channels(), delta.kernel);
  }

  void recurrent(int64_t layer) {
    auto s = b.segment("delta", {Builder::rows({hidden})});
    Value h = norm(s.args[0], layer, "attention_layer_norm", "input_layernorm");
    DeltaNet::Inputs in;
    in.mixed = b.concat({linear(h, "linear_attn.q_proj"), linear(h, "linear_attn.k_proj"),
                         linear(h, "linear_attn.v_proj")});
    in.gate = linear(h, "linear_attn.g_proj");
    in.step = linear(h, "linear_attn.a_proj");
    in.beta = linear(h, "linear_attn.b_proj");
    in.kernel = b.param(name("linear_attn.conv1d.kernel"), kernel(layer));
    in.rate = delta.rate(b, name("linear_attn.A_log"));
    in.stepBias = weight("linear_attn.dt_bias");
    in.norm = weight("linear_attn.o_norm.weight");
    Value x = b.add(s.args[0],
                    b.tap(linear(delta.build(b, s.batch, in), "linear_attn.o_proj"), "delta.out"));
    Value y = gated(norm(x, layer, "feedforward_layer_norm", "post_attention_layernorm"));
    b.endSegment({b.add(x, b.tap(y, "mlp.out"))});
  }

  void attend(int64_t layer) {
    auto s = b.segment("attn", {Builder::rows({hidden})});
    Value x = s.args[0];
    auto head = [&](const char *proj, const char *gain, int64_t heads) {
      Value y = linear(x, std::string("self_attn.") + proj, bias);
      if (gain)
        y = b.rmsNorm(y, weight(std::string("self_attn.") + gain), eps);
      return b.reshape(y, {heads, attention.headDim});
    };
    Value a = attention.build(b, s.batch, "kv", head("q_proj", "q_norm.weight", attention.heads),
                              head("k_proj", "k_norm.weight", attention.kvHeads),
                              head("v_proj", nullptr, attention.kvHeads));
    Value o = b.tap(linear(a, "self_attn.o_proj", bias), "attn.out");
    x = b.add(x, norm(o, layer, "feedforward_layer_norm", "post_attention_layernorm"));
    Value y = b.rmsNorm(gated(x), weight("post_feedforward_layernorm.weight"), eps);
    b.endSegment({b.add(x, b.tap(y, "mlp.out"))});
  }

  Value gated(Value h) {
    Value y = b.glu(linear(h, "mlp.gate_proj"), linear(h, "mlp.up_proj"), act);
    return linear(y, "mlp.down_proj");
  }
};

void readDelta(const Config &c, DeltaNet &d, int64_t hidden, int64_t heads) {
  d.keyHeads = c.integer("linear_num_key_heads", heads);
  d.heads = c.integer("linear_num_value_heads", heads);
  d.keyDim = c.integer("linear_key_head_dim",
                       static_cast<int64_t>(0.75 * hidden / std::max<int64_t>(d.keyHeads, 1)));
  d.valueDim = c.integer("linear_value_head_dim", 2 * d.keyDim);
  d.kernel = c.integer("linear_conv_kernel_dim", 4);
  d.normEps = 1e-5;
  d.betaScale = c.flag("linear_allow_neg_eigval", true) ? 2 : 1;
  d.activation = readActivation(c, "hidden_act", "silu");
  d.check(c);
}

/// Every fourth layer is full attention, or the last where there are fewer.
std::string defaultKind(int64_t layer, int64_t layers) {
  const bool full = layer % 4 == 3 || (layers < 4 && layer == layers - 1);
  return full ? "full_attention" : "linear_attention";
}

void build(const Config &c, Builder &b) {
  Stack stack;
  stack.read(c, "OlmoHybrid", 65536);
  const int64_t heads = c.integer("num_attention_heads");
  const int64_t headDim = c.integer("head_dim", stack.hidden / std::max<int64_t>(heads, 1));
  OlmoHybrid m{{c,
                b,
                c.hasWeight("model.embed_tokens.weight") ? "model." : "",
                readActivation(c, "hidden_act", "silu"),
                stack.hidden,
                c.number("rms_norm_eps", 1e-6),
                c.flag("attention_bias", false),
                {heads, c.integer("num_key_value_heads", heads), headDim, 0, {}},
                {}}};
  // Without a base there are no positions.
  if (c.optFloat("rope_parameters.rope_theta"))
    m.attention.rope = readRope(c, headDim, stack.context);
  readDelta(c, m.delta, stack.hidden, heads);
  c.inert({"intermediate_size", "attention_dropout", "linear_a_log_min", "linear_a_log_max",
           "linear_dt_min", "linear_dt_max", "linear_dt_init_floor", "rope_parameters.rope_type"});
  stack.useTable(c, b, m.prefix + "embed_tokens.weight", c.flag("tie_word_embeddings", false));
  const std::vector<std::string> kinds = readLayerKinds(
      c, "layer_types", stack.layers, {{"linear_attention", "delta"}, {"full_attention", "attn"}},
      [&](int64_t l) { return defaultKind(l, stack.layers); });
  auto first = [&](const char *kind) {
    return std::find(kinds.begin(), kinds.end(), kind) - kinds.begin();
  };
  if (int64_t l = first("delta"); l < stack.layers) {
    m.delta.declare(b);
    m.recurrent(l);
  }
  if (int64_t l = first("attn"); l < stack.layers) {
    m.attention.declare(b, "kv");
    m.attend(l);
  }
  stack.finalNorm = [&](Value x) { return b.rmsNorm(x, b.param(m.prefix + "norm.weight"), m.eps); };
  stack.segments = [&](int64_t l) { return std::vector<std::string>{kinds[l]}; };
  stack.build(b);
}

} // namespace

PLX_FAMILY_PLUGIN("olmo_hybrid", "OLMo Hybrid models", build);
