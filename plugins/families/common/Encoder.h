// The post-norm bidirectional encoder that BERT and RoBERTa share.
//
//   x = LN(word[id] + type[t] + position[p]);   x = LN(x + O attention(Q x, K x, V x));
//   x = LN(x + out(act(in(x))))
#pragma once

#include "Activation.h"

#include <algorithm>
#include <cmath>

namespace plexus::families {

using graph::Builder;
using graph::Config;
using graph::Value;

struct Encoder {
  std::string prefix; ///< "bert." where the file holds a model with a head.
  int64_t hidden = 0, layers = 0, heads = 0, headDim = 0, vocab = 0;
  double eps = 1e-12;
  std::string activation;
  bool pooler = false;
};

/// The fields that the families spell alike. `base` names the tower in files of models with heads.
inline Encoder readEncoder(const Config &c, const std::string &base) {
  Encoder e;
  e.prefix = c.hasWeight(base + ".embeddings.word_embeddings.weight") ? base + "." : "";
  e.hidden = c.integer("hidden_size");
  e.layers = c.integer("num_hidden_layers");
  e.heads = c.integer("num_attention_heads");
  e.headDim = e.hidden / std::max<int64_t>(e.heads, 1);
  e.vocab = c.integer("vocab_size");
  e.eps = c.number("layer_norm_eps", 1e-12);
  e.activation = readActivation(c, "hidden_act", "gelu");
  e.pooler = c.hasWeight(e.prefix + "pooler.dense.weight");
  c.integer("intermediate_size");
  refuseSwitches(c, {"is_decoder", "add_cross_attention"});
  if (auto kind = c.string("position_embedding_type", "absolute"); kind != "absolute")
    c.refuse("position_embedding_type", "'" + kind + "'", "absolute");
  c.inert({"attention_probs_dropout_prob", "hidden_dropout_prob", "classifier_dropout",
           "gradient_checkpointing", "tie_word_embeddings", "directionality", "pooler_fc_size",
           "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head",
           "pooler_type"});
  c.unusedWeights({"*embeddings.position_ids", "*cls.seq_relationship.*"});
  return e;
}

class EncoderBuilder {
public:
  EncoderBuilder(Builder &b, const Encoder &e) : b(b), e(e) {}

  Value norm(Value x, const std::string &name) {
    return b.layerNorm(x, b.param(name + ".weight"), b.param(name + ".bias"), e.eps);
  }
  Value linear(Value x, const std::string &name) {
    return b.linear(x, b.param(name + ".weight"), b.param(name + ".bias"));
  }
  Value wordTable() { return b.param(e.prefix + "embeddings.word_embeddings.weight"); }

  /// Segments embed, attn, ffn and, where the file has one, pooler.
  void segments() {
    auto s = b.segment("embed", {Builder::ids()});
    const std::string p = e.prefix + "embeddings.";
    auto x = b.embedding(s.args[0], wordTable());
    x = b.add(x, b.embedding(b.tokenTypes(s.batch), b.param(p + "token_type_embeddings.weight")));
    x = b.add(x, b.embedding(b.positions(s.batch), b.param(p + "position_embeddings.weight")));
    b.endSegment({norm(x, p + "LayerNorm")});
    attention();
    feedForward();
    if (e.pooler) {
      auto pool = b.segment("pooler", {Builder::rows({e.hidden})});
      auto first = b.pool(pool.args[0], pool.batch, "cls");
      b.endSegment({b.activation(linear(first, e.prefix + "pooler.dense"), "tanh")});
    }
  }

  /// The schedule; `head`: a segment that gives logits of wanted rows, or empty.
  void schedule(const std::string &head) {
    auto in = b.schedule("forward", {"input_ids"}, {Builder::ids()});
    auto x = b.run("embed", -1, {in[0]});
    std::vector<Value> hidden{x};
    for (int64_t l = 0; l < e.layers; ++l) {
      x = b.run("attn", l, {x});
      x = b.run("ffn", l, {x});
      hidden.push_back(x);
    }
    b.hidden(hidden);
    std::vector<Builder::Output> outputs;
    if (!head.empty())
      outputs.push_back({"logits", b.run(head, -1, {x})});
    outputs.push_back({"last_hidden_state", x});
    if (e.pooler)
      outputs.push_back({"pooler_output", b.run("pooler", -1, {x})});
    b.endSchedule(outputs);
  }

private:
  std::string layer(const std::string &name) const {
    return e.prefix + "encoder.layer.{layer}." + name;
  }

  void attention() {
    auto s = b.segment("attn", {Builder::rows({e.hidden})});
    auto x = s.args[0];
    auto head = [&](const char *name) {
      return b.reshape(linear(x, layer(std::string("attention.self.") + name)),
                       {e.heads, e.headDim});
    };
    auto q = b.tap(head("query"), "attn.q"), k = b.tap(head("key"), "attn.k"),
         v = b.tap(head("value"), "attn.v");
    const float scale = 1.0f / std::sqrt(static_cast<float>(e.headDim));
    auto a = b.attention(q, k, v, s.batch, {.scale = scale, .causal = false});
    a = b.tap(b.reshape(a, {e.hidden}), "attn.heads");
    auto o = b.tap(linear(a, layer("attention.output.dense")), "attn.out");
    b.endSegment({norm(b.add(x, o), layer("attention.output.LayerNorm"))});
  }

  void feedForward() {
    auto s = b.segment("ffn", {Builder::rows({e.hidden})});
    auto x = s.args[0];
    auto h = b.activation(linear(x, layer("intermediate.dense")), e.activation);
    auto y = b.tap(linear(b.tap(h, "mlp.act"), layer("output.dense")), "mlp.out");
    b.endSegment({norm(b.add(x, y), layer("output.LayerNorm"))});
  }

  Builder &b;
  const Encoder &e;
};

/// The names that a masked-LM head's parts have in the file.
struct MaskedLmHead {
  std::string dense, norm, decoder, bias, activation;
};

/// Segment "head": logits = decoder(LN(act(dense(x)))) + bias at wanted rows; the decoder is the
/// word table where tied.
inline void maskedLmHead(const Config &c, Builder &b, EncoderBuilder &e, const Encoder &enc,
                         const MaskedLmHead &h) {
  const bool tied = c.flag("tie_word_embeddings", true);
  auto s = b.segment("head", {Builder::rows({enc.hidden})});
  auto x = e.linear(b.selectRows(s.args[0], s.batch), h.dense);
  x = e.norm(b.activation(x, h.activation), h.norm);
  auto w = tied ? e.wordTable() : b.param(h.decoder + ".weight");
  // Tied, the decoder's bias is `bias`; otherwise its own, and `bias` is not read.
  const std::string own = h.decoder + ".bias";
  const bool ownBias = !tied && c.hasWeight(own);
  b.endSegment({b.linear(x, w, b.param(ownBias ? own : h.bias))});
  if (tied)
    c.unusedWeights({(h.decoder + ".weight").c_str()});
  c.unusedWeights({ownBias ? h.bias.c_str() : own.c_str()});
}

inline void encoderInfo(Builder &b, const Encoder &e, int64_t context, int64_t tokenTypes,
                        bool head) {
  b.info("task", head ? "masked-lm" : "encoder");
  b.info("context", context);
  b.info("layers", e.layers);
  b.info("hidden_size", e.hidden);
  b.info("vocab_size", e.vocab);
  b.info("token_types", tokenTypes);
}

} // namespace plexus::families
