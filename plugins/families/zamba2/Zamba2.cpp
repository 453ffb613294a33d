// Zamba2 (Glorioso et al., 2024): Mamba-2 layers, some of which first add what a transformer block
// makes of their input beside the embeddings. The blocks are few and shared; low-rank adapters tell
// their places apart.
#include "../common/Mamba.h"
#include "../common/Rope.h"
#include "../common/Stack.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;
using plexus::graph::Arg;
using plexus::graph::Builder;
using plexus::graph::Config;
using plexus::graph::Value;

namespace {

struct Zamba2 {
  Zamba2(const Config &c, Builder &b) : c(c), b(b) {}

  const Config &c;
  Builder &b;
  std::string prefix;
  bool head = true, tied = true;
  int64_t hidden = 0, layers = 0, vocab = 0, context = 0, blocks = 1;
  double eps = 1e-5;
  int64_t heads = 0, kvHeads = 0, headDim = 0;
  Rope rope; ///< dims 0: none.
  std::string activation;
  bool bias = false, attentionAdapters = false;
  Mamba2 mixer;
  std::vector<std::string> kinds;

  void read();
  void build();

private:
  void readMixer();
  std::string layer(const std::string &of) const { return prefix + "layers.{layer}." + of; }
  Arg rows() const { return Builder::rows({hidden}); }
  /// The product with `name`, plus that of the adapter of the run's place, where there is one.
  Value adapted(const std::string &name, const std::string &list, Value x, bool hasBias,
                bool hasAdapter) {
    auto y = mamba::linear(b, name, x, hasBias);
    if (!hasAdapter)
      return y;
    auto low = mamba::linear(b, list + ".{layer}.0", x, false);
    return b.add(y, mamba::linear(b, list + ".{layer}.1", low, false));
  }
  void shared(int64_t block, int64_t firstLayer);
  int64_t blockOf(int64_t l, int64_t place) const;
  void skipAdapters(int64_t l, int64_t place);
  void mixerSegment(const std::string &name, bool hybrid);
  void outside();
  void schedule();
};

void Zamba2::readMixer() {
  const auto inner =
      static_cast<int64_t>(c.number("mamba_expand", 2) * static_cast<double>(hidden));
  mixer.heads = c.integer("n_mamba_heads", 8);
  mixer.headDim = c.integer("mamba_headdim", inner / std::max<int64_t>(mixer.heads, 1));
  if (mixer.inner() != inner)
    c.refuse("n_mamba_heads", std::to_string(mixer.heads) + " of " + std::to_string(mixer.headDim),
             "mamba_expand * hidden_size = " + std::to_string(inner) + " together");
  mixer.groups = c.integer("mamba_ngroups", 1);
  mixer.entries = c.integer("mamba_d_state", 64);
  mixer.kernel = c.integer("mamba_d_conv", 4);
  mixer.bias = bias;
  mixer.deltaMin = c.number("time_step_min", 0.001);
  c.inert({"use_conv_bias", "use_mem_eff_path"}); // The library's convolution always has one.
}

void Zamba2::read() {
  head = readArchitecture(c, {"Zamba2ForCausalLM", "Zamba2Model"}) == "Zamba2ForCausalLM";
  prefix = c.hasWeight("model.embed_tokens.weight") ? "model." : "";
  hidden = c.integer("hidden_size");
  layers = c.integer("num_hidden_layers");
  vocab = c.integer("vocab_size");
  context = c.flag("use_long_context", false) ? 16384 : c.integer("max_position_embeddings", 4096);
  blocks = std::max<int64_t>(1, c.integer("num_mem_blocks", 1));
  eps = c.number("rms_norm_eps", 1e-5);
  activation = readActivation(c, "hidden_act", "gelu");
  bias = c.flag("add_bias_linear", false);
  tied = c.flag("tie_word_embeddings", true);
  attentionAdapters = c.flag("use_shared_attention_adapter", false);
  heads = c.integer("num_attention_heads", 32);
  kvHeads = c.integer("num_key_value_heads", heads);
  headDim = c.integer("attention_head_dim", 2 * hidden / std::max<int64_t>(heads, 1));
  const Rope turns = readRope(c, headDim, context);
  if (c.flag("use_mem_rope", false))
    rope = turns;
  readMixer();
  kinds = readLayerKinds(
      c, "layers_block_type", layers,
      {{"linear_attention", "mamba"}, {"mamba", "mamba"}, {"hybrid", "hybrid"}}, [](int64_t l) {
        const bool hybrid = (l >= 6 && l <= 42 && l % 6 == 0) || l == 47 || l == 51;
        return hybrid ? "hybrid" : "linear_attention";
      });
  // Made of the others, and never given by hand.
  c.inert({"attention_hidden_size", "kv_channels", "num_query_groups", "hybrid_layer_ids",
           "adapter_rank", "attention_dropout", "intermediate_size"});
  inertMambaFields(c);
  if (tied || !head)
    c.unusedWeights({"lm_head.weight"});
}

/// [x, embeddings] to what the layer's mixer adds to its input, before its projection.
void Zamba2::shared(int64_t block, int64_t firstLayer) {
  const std::string at = prefix + "layers." + std::to_string(firstLayer) + ".shared_transformer.";
  auto s = b.segment("shared" + std::to_string(block), {rows(), rows()});
  auto both = b.op("concat", {s.args[0], s.args[1]});
  auto h = b.rmsNorm(both, b.param(at + "input_layernorm.weight"), eps);
  auto project = [&](const std::string &of, int64_t count) {
    auto y = adapted(at + "self_attn." + of + "_proj",
                     at + "self_attn.linear_" + of + "_adapter_list", h, false, attentionAdapters);
    return b.reshape(y, {count, headDim});
  };
  auto q = project("q", heads), k = project("k", kvHeads), v = project("v", kvHeads);
  if (rope.dims > 0)
    q = b.rope(q, s.batch, rope), k = b.rope(k, s.batch, rope);
  auto kv = b.state("kv");
  b.kvWrite(k, v, kv, s.batch);
  auto a = b.attention(q, kv, s.batch, {.scale = std::sqrt(2.0f / static_cast<float>(headDim))});
  a = mamba::linear(b, at + "self_attn.o_proj", b.reshape(a, {heads * headDim}), false);
  auto n = b.rmsNorm(a, b.param(at + "pre_ff_layernorm.weight"), eps);
  auto gateUp = adapted(at + "feed_forward.gate_up_proj",
                        at + "feed_forward.gate_up_proj_adapter_list", n, bias, true);
  const int64_t size = b.shape(gateUp).empty() ? 2 : b.shape(gateUp).back() / 2;
  auto y = b.glu(b.slice(gateUp, 0, size), b.slice(gateUp, size, size), activation);
  b.endSegment({mamba::linear(b, at + "feed_forward.down_proj", y, bias)});
}

/// Which hybrid layer's block layer `l` runs, the `place`th hybrid one: blocks take turns, unless
/// the file has this layer's own (the library shares blocks only where it ties the head).
int64_t Zamba2::blockOf(int64_t l, int64_t place) const {
  const std::string at = prefix + "layers." + std::to_string(l) + ".shared_transformer.";
  return c.hasWeight(at + "input_layernorm.weight") ? place : place % blocks;
}

/// A block has adapters for all the layers that take turns with it; where the `place`th hybrid
/// layer `l` has a block of its own, nobody uses those for it in the others, nor the others' in it.
void Zamba2::skipAdapters(int64_t l, int64_t place) {
  if (place < blocks || blockOf(l, place) != place)
    return;
  for (int64_t other = 0, at = 0; other < layers; ++other) {
    if (kinds[other] != "hybrid")
      continue;
    if (at != place && at % blocks == place % blocks)
      for (const char *list : {"self_attn.linear_q", "self_attn.linear_k", "self_attn.linear_v",
                               "feed_forward.gate_up_proj"})
        for (const char *part : {".0.weight", ".1.weight"}) {
          auto name = [&](int64_t layer, int64_t of) {
            return prefix + "layers." + std::to_string(layer) + ".shared_transformer." + list +
                   "_adapter_list." + std::to_string(of) + part;
          };
          c.unusedWeights({name(other, place).c_str(), name(l, at).c_str()});
        }
    ++at;
  }
}

/// x += mixer(norm(x + added)), added being the shared block's output through the layer's own
/// product.
void Zamba2::mixerSegment(const std::string &name, bool hybrid) {
  auto s = hybrid ? b.segment(name, {rows(), rows()}) : b.segment(name, {rows()});
  auto x = s.args[0];
  const std::string at = layer(hybrid ? "mamba_decoder." : "");
  auto h = hybrid ? b.add(x, mamba::linear(b, layer("linear"), s.args[1], false)) : x;
  h = b.rmsNorm(h, b.param(at + "input_layernorm.weight"), eps);
  b.endSegment({b.add(x, mixer.build(b, at + "mamba.", h, s.batch))});
}

void Zamba2::outside() {
  b.info("task", head ? "causal-lm" : "encoder");
  b.info("context", context);
  b.info("layers", layers);
  b.info("hidden_size", hidden);
  b.info("vocab_size", vocab);
  const std::string table = prefix + "embed_tokens.weight";
  auto norm = [&](Value x) {
    return b.rmsNorm(x, b.param(prefix + "final_layernorm.weight"), eps);
  };
  auto embed = b.segment("embed", {Builder::ids()});
  b.endSegment({b.embedding(embed.args[0], b.param(table))});
  auto last = b.segment("norm", {rows()});
  b.endSegment({norm(last.args[0])});
  if (head) {
    auto s = b.segment("head", {rows()});
    b.endSegment({b.linear(norm(b.selectRows(s.args[0], s.batch)),
                           b.param(tied ? table : "lm_head.weight"))});
  }
}

void Zamba2::schedule() {
  auto in = b.schedule("forward", {"input_ids"}, {Builder::ids()});
  Value x = b.run("embed", -1, {in[0]});
  const Value embeddings = x;
  std::vector<Value> hiddens;
  int64_t place = 0; // among the hybrid layers
  for (int64_t l = 0; l < layers; ++l) {
    hiddens.push_back(x);
    if (kinds[l] == "mamba") {
      x = b.run("mamba", l, {x});
      continue;
    }
    Value added = b.run("shared" + std::to_string(blockOf(l, place)), place, {x, embeddings});
    x = b.run("hybrid", l, {x, added});
    ++place;
  }
  Value last = b.run("norm", -1, {x});
  hiddens.push_back(last);
  b.hidden(hiddens);
  std::vector<Builder::Output> outputs;
  if (head)
    outputs.push_back({"logits", b.run("head", -1, {x})});
  outputs.push_back({"last_hidden_state", last});
  b.endSchedule(outputs);
}

void Zamba2::build() {
  outside();
  mixer.declare(b);
  int64_t place = 0;
  for (int64_t l = 0; l < layers; ++l)
    if (kinds[l] == "hybrid") {
      if (place == 0)
        b.kvState("kv", kvHeads, headDim, headDim);
      if (blockOf(l, place) == place)
        shared(place, l);
      skipAdapters(l, place);
      ++place;
    }
  if (place > 0)
    mixerSegment("hybrid", true);
  if (place < layers)
    mixerSegment("mamba", false);
  schedule();
}

void build(const Config &c, Builder &b) {
  Zamba2 model(c, b);
  model.read();
  if (b.ok())
    model.build();
}

} // namespace

PLX_FAMILY_PLUGIN("zamba2", "Zamba2: Mamba-2 with shared transformer blocks", build);
