// Qwen3-Next (2025): gated delta rule, gated attention in every fourth layer, mixtures of experts
// with a shared one.
#include "../common/Activation.h"
#include "../common/DeltaHybrid.h"
#include "../common/Experts.h"
#include "../common/Rope.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;
using plexus::graph::Recipe;
using plexus::graph::Value;

namespace {

struct Qwen3Next : DeltaHybrid {
  Experts moe;

  Value norm(Value x, Value gain) {
    return b.op("rms_norm", {x, gain}, {{"eps", eps}, {"unit_offset", true}});
  }

  /// Rows of a projection that are grouped by key head, `each` a head, as if heads came last: rows
  /// [begin, begin + size) of each head.
  Recipe headRows(const std::string &tail, int64_t each, int64_t begin, int64_t size) {
    const int64_t heads = delta.keyHeads;
    Recipe grouped = b.reshape(b.source(name(tail)), {heads, each, hidden});
    return b.reshape(b.slice(grouped, 1, begin, size), {heads * size, hidden});
  }
  Value projected(Value h, const std::string &own, Recipe rows) {
    return b.linear(h, b.param(name("linear_attn." + own), rows));
  }

  void recurrent() {
    auto s = b.segment("delta", {Builder::rows({hidden})});
    Value h = norm(s.args[0], weight("input_layernorm.weight"));
    const int64_t group = delta.heads / delta.keyHeads, values = group * delta.valueDim;
    const int64_t each = 2 * delta.keyDim + 2 * values;
    auto qkvz = [&](int64_t begin, int64_t size) {
      return headRows("linear_attn.in_proj_qkvz.weight", each, begin, size);
    };
    DeltaNet::Inputs in;
    in.mixed = projected(h, "in_proj_qkv",
                         b.concat(0, {qkvz(0, delta.keyDim), qkvz(delta.keyDim, delta.keyDim),
                                      qkvz(2 * delta.keyDim, values)}));
    in.gate = projected(h, "in_proj_z", qkvz(2 * delta.keyDim + values, values));
    const char *ba = "linear_attn.in_proj_ba.weight";
    in.beta = projected(h, "in_proj_b", headRows(ba, 2 * group, 0, group));
    in.step = projected(h, "in_proj_a", headRows(ba, 2 * group, group, group));
    in.kernel = b.param(
        name("linear_attn.conv1d.weight"),
        kernelOf(b, b.source(name("linear_attn.conv1d.weight")), delta.channels(), delta.kernel));
    in.rate = delta.rate(b, name("linear_attn.A_log"));
    in.stepBias = weight("linear_attn.dt_bias");
    in.norm = weight("linear_attn.norm.weight");
    Value y = linear(delta.build(b, s.batch, in), "linear_attn.out_proj");
    b.endSegment({b.add(s.args[0], b.tap(y, "delta.out"))});
  }

  void attend() {
    auto s = b.segment("attn", {Builder::rows({hidden})});
    Value h = norm(s.args[0], weight("input_layernorm.weight"));
    const int64_t width = attention.headDim;
    Value both = b.reshape(linear(h, "self_attn.q_proj", bias), {attention.heads, 2 * width});
    auto head = [&](const char *proj) {
      return b.reshape(linear(h, std::string("self_attn.") + proj, bias),
                       {attention.kvHeads, width});
    };
    Value q = norm(b.slice(both, 0, width), weight("self_attn.q_norm.weight"));
    Value k = norm(head("k_proj"), weight("self_attn.k_norm.weight"));
    Value a = attention.build(b, s.batch, "kv", q, k, head("v_proj"));
    Value gate = b.activation(b.slice(both, width, width), "sigmoid");
    a = b.mul(a, b.reshape(gate, {attention.heads * width}));
    b.endSegment({b.add(s.args[0], b.tap(linear(a, "self_attn.o_proj", bias), "attn.out"))});
  }

  Value gated(Value h, const std::string &at) {
    Value y = b.glu(linear(h, at + "gate_proj"), linear(h, at + "up_proj"), act);
    return linear(y, at + "down_proj");
  }

  void dense() {
    auto s = b.segment("ffn", {Builder::rows({hidden})});
    Value h = norm(s.args[0], weight("post_attention_layernorm.weight"));
    b.endSegment({b.add(s.args[0], b.tap(gated(h, "mlp."), "mlp.out"))});
  }

  void sparse(int64_t layer) {
    auto s = b.segment("moe", {Builder::rows({hidden})});
    Value h = norm(s.args[0], weight("post_attention_layernorm.weight"));
    Value y = experts::build(c, b, h, linear(h, "mlp.gate"), name("mlp.experts."), layer, moe);
    // The shared expert, times one number a row, which a column of ones spreads.
    Value ones = b.param("ones", b.constant(std::vector<float>(hidden, 1.0f), {hidden, 1}));
    Value open = b.activation(linear(h, "mlp.shared_expert_gate"), "sigmoid");
    y = b.add(y, b.mul(b.linear(open, ones), gated(h, "mlp.shared_expert.")));
    b.endSegment({b.add(s.args[0], b.tap(y, "mlp.out"))});
  }
};

void readDelta(const Config &c, DeltaNet &d) {
  d.keyHeads = c.integer("linear_num_key_heads", 16);
  d.heads = c.integer("linear_num_value_heads", 32);
  d.keyDim = c.integer("linear_key_head_dim", 128);
  d.valueDim = c.integer("linear_value_head_dim", 128);
  d.kernel = c.integer("linear_conv_kernel_dim", 4);
  d.normEps = c.number("rms_norm_eps", 1e-6);
  d.activation = readActivation(c, "hidden_act", "silu");
  d.check(c);
}

/// Whether each layer has experts.
std::vector<bool> readSparse(const Config &c, int64_t layers, int64_t experts) {
  const int64_t step = c.integer("decoder_sparse_step", 1);
  if (step < 1)
    c.refuse("decoder_sparse_step", std::to_string(step), "1 and more");
  std::vector<bool> sparse;
  for (int64_t l = 0; l < layers; ++l)
    sparse.push_back(experts > 0 && step > 0 && (l + 1) % step == 0);
  for (float l : c.numbers("mlp_only_layers"))
    if (l >= 0 && l < layers)
      sparse[static_cast<size_t>(l)] = false;
  return sparse;
}

void build(const Config &c, Builder &b) {
  Stack stack;
  stack.read(c, "Qwen3Next", 32768);
  const int64_t heads = c.integer("num_attention_heads");
  const int64_t headDim = c.integer("head_dim", 256);
  Qwen3Next m{{c,
               b,
               c.hasWeight("model.embed_tokens.weight") ? "model." : "",
               readActivation(c, "hidden_act", "silu"),
               stack.hidden,
               c.number("rms_norm_eps", 1e-6),
               c.flag("attention_bias", false),
               {heads, c.integer("num_key_value_heads", 2), headDim, 0,
                readPartialRope(c, headDim, stack.context, 0.25)},
               {}},
              {c.integer("num_experts", 512), c.integer("num_experts_per_tok", 10), stack.hidden,
               c.integer("moe_intermediate_size", 512)}};
  m.moe.activation = m.act;
  m.moe.normalize = c.flag("norm_topk_prob", true);
  readDelta(c, m.delta);
  c.inert({"intermediate_size", "shared_expert_intermediate_size", "router_aux_loss_coef",
           "output_router_logits", "attention_dropout"});
  stack.useTable(c, b, m.prefix + "embed_tokens.weight", c.flag("tie_word_embeddings", false));
  c.unusedWeights({"mtp.*"}); // Heads that predict further tokens, for speculation.
  const int64_t interval = c.integer("full_attention_interval", 4);
  const std::vector<std::string> kinds = readLayerKinds(
      c, "layer_types", stack.layers, {{"linear_attention", "delta"}, {"full_attention", "attn"}},
      [&](int64_t l) {
        return interval > 0 && (l + 1) % interval == 0 ? "full_attention" : "linear_attention";
      });
  const std::vector<bool> sparse = readSparse(c, stack.layers, m.moe.count);
  if (contains(kinds, "delta")) {
    m.delta.declare(b);
    m.recurrent();
  }
  if (contains(kinds, "attn")) {
    m.attention.declare(b, "kv");
    m.attend();
  }
  if (auto first = std::find(sparse.begin(), sparse.end(), true); first != sparse.end())
    m.sparse(first - sparse.begin());
  if (std::find(sparse.begin(), sparse.end(), false) != sparse.end())
    m.dense();
  stack.finalNorm = [&](Value x) { return m.norm(x, b.param(m.prefix + "norm.weight")); };
  stack.segments = [&](int64_t l) {
    return std::vector<std::string>{kinds[l], sparse[l] ? "moe" : "ffn"};
  };
  stack.build(b);
}

} // namespace

PLX_FAMILY_PLUGIN("qwen3_next", "Qwen3-Next models", build);
