// Decoders whose layers have attention or a state space, then a feed-forward: Bamba, Jamba.
//
//   x += mixer(n1(x));   x += Down(act(Gate n2(x)) * Up n2(x))
#pragma once

#include "Mamba.h"
#include "Rope.h"
#include "Stack.h"

namespace plexus::families {

struct HybridDecoder {
  using Builder = graph::Builder;
  using Value = graph::Value;

  explicit HybridDecoder(Builder &b) : b(b) {}

  Builder &b;
  Stack stack;
  std::string prefix; ///< Of the model's weights: "model." or none.
  double eps = 1e-6;
  StackAttention attention;
  std::string activation = "silu";
  bool attentionBias = false, mlpBias = false;

  /// The fields that these families spell alike.
  void read(const graph::Config &c, const std::string &family, int64_t kvHeadsByDefault,
            int64_t contextByDefault, double epsByDefault, bool tiedByDefault) {
    stack.read(c, family, contextByDefault);
    prefix = c.hasWeight("model.embed_tokens.weight") ? "model." : "";
    eps = c.number("rms_norm_eps", epsByDefault);
    attention.heads = c.integer("num_attention_heads", 32);
    // null is not the same as absent: it means one for each head.
    attention.kvHeads =
        c.integer("num_key_value_heads",
                  c.isNull("num_key_value_heads") ? attention.heads : kvHeadsByDefault);
    attention.headDim = c.integer("head_dim", stack.hidden / std::max<int64_t>(attention.heads, 1));
    activation = readActivation(c, "hidden_act", "silu");
    c.inert({"attention_dropout"});
    inertMambaFields(c);
    stack.useTable(c, b, prefix + "embed_tokens.weight",
                   c.flag("tie_word_embeddings", tiedByDefault));
  }

  std::string name(const std::string &of) const { return prefix + "layers.{layer}." + of; }
  Value norm(const std::string &of, Value x) {
    return b.rmsNorm(x, b.param(name(of) + ".weight"), eps);
  }
  Value linear(const std::string &of, Value x, bool bias) {
    return mamba::linear(b, name(of), x, bias);
  }

  void attentionSegment() {
    attention.declare(b, "kv");
    auto s = b.segment("attn", {Builder::rows({stack.hidden})});
    auto h = norm("input_layernorm", s.args[0]);
    auto project = [&](const char *of, int64_t heads) {
      return b.reshape(linear(std::string("self_attn.") + of, h, attentionBias),
                       {heads, attention.headDim});
    };
    auto q = project("q_proj", attention.heads), k = project("k_proj", attention.kvHeads),
         v = project("v_proj", attention.kvHeads);
    auto a = attention.build(b, s.batch, "kv", q, k, v);
    b.endSegment({b.add(s.args[0], linear("self_attn.o_proj", a, attentionBias))});
  }

  template <typename Mixer>
  void mixerSegment(const Mixer &mixer) {
    mixer.declare(b);
    auto s = b.segment("mamba", {Builder::rows({stack.hidden})});
    auto h = norm("input_layernorm", s.args[0]);
    b.endSegment({b.add(s.args[0], mixer.build(b, name("mamba."), h, s.batch))});
  }

  void feedForwardSegment() {
    auto s = b.segment("ffn", {Builder::rows({stack.hidden})});
    auto h = norm("pre_ff_layernorm", s.args[0]);
    auto gate = linear("feed_forward.gate_proj", h, mlpBias),
         up = linear("feed_forward.up_proj", h, mlpBias);
    auto y = linear("feed_forward.down_proj", b.glu(gate, up, activation), mlpBias);
    b.endSegment({b.add(s.args[0], y)});
  }

  /// Embedding, final norm, head and schedule; `stack.segments` is set.
  void finish() {
    stack.finalNorm = [this](Value x) {
      return b.rmsNorm(x, b.param(prefix + "final_layernorm.weight"), eps);
    };
    stack.build(b);
  }
};

} // namespace plexus::families
