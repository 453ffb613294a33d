// Jamba (Lieber et al., 2024): Mamba and attention without positions, every so often experts.
#include "../common/Experts.h"
#include "../common/HybridDecoder.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;
using plexus::graph::Builder;
using plexus::graph::Config;

namespace {

/// Layers `offset`, `offset + period`, ...
struct Every {
  int64_t period, offset;
  bool operator()(int64_t layer) const { return layer % period == offset; }
};

Every readEvery(const Config &c, const std::string &name, Every otherwise) {
  const std::string period = name + "_layer_period";
  Every e{c.integer(period, otherwise.period), c.integer(name + "_layer_offset", otherwise.offset)};
  if (e.period < 1) {
    c.refuse(period, std::to_string(e.period), "1 or more");
    e.period = 1;
  }
  return e;
}

Mamba readMixer(const Config &c, int64_t hidden, double eps) {
  Mamba m;
  m.inner = c.integer("mamba_expand", 2) * hidden;
  m.entries = c.integer("mamba_d_state", 16);
  m.kernel = c.integer("mamba_d_conv", 4);
  m.activation = readActivation(c, "hidden_act", "silu");
  m.convBias = c.flag("mamba_conv_bias", true);
  m.bias = c.flag("mamba_proj_bias", false);
  m.norms = Mamba::Norms::Gain;
  m.normEps = eps;
  return m;
}

/// x += experts(n2(x)) with the softmax over all of them as weights of the best.
void expertSegment(HybridDecoder &d, const Config &c, const Experts &experts, int64_t layer) {
  auto s = d.b.segment("experts", {Builder::rows({d.stack.hidden})});
  auto h = d.norm("pre_ff_layernorm", s.args[0]);
  auto logits = d.linear("feed_forward.router", h, false);
  auto y = experts::build(c, d.b, h, logits, d.name("feed_forward.experts."), layer, experts);
  d.b.endSegment({d.b.add(s.args[0], y)});
}

void build(const Config &c, Builder &b) {
  HybridDecoder d(b);
  d.read(c, "Jamba", 8, 262144, 1e-6, false);
  const Every attends = readEvery(c, "attn", {8, 4}), routes = readEvery(c, "expert", {2, 1});
  Experts experts;
  experts.count = c.integer("num_experts", 16);
  experts.topK = c.integer("num_experts_per_tok", 2);
  experts.columns = d.stack.hidden;
  experts.hidden = c.integer("intermediate_size", 14336);
  experts.activation = d.activation;
  c.inert({"output_router_logits", "router_aux_loss_coef", "mamba_dt_rank", "layers_block_type",
           "layer_types", "layers_num_experts", "sliding_window"});
  auto hasExperts = [&](int64_t layer) { return experts.count > 1 && routes(layer); };
  Mamba mixer = readMixer(c, d.stack.hidden, d.eps);
  int64_t kinds[2][2] = {{-1, -1}, {-1, -1}}; // [mixer or feed-forward][plain or special]: a layer
  for (int64_t l = d.stack.layers - 1; l >= 0; --l)
    kinds[0][attends(l)] = kinds[1][hasExperts(l)] = l;
  if (kinds[0][1] >= 0)
    d.attentionSegment();
  if (kinds[0][0] >= 0) {
    auto shape =
        c.weightShape(d.prefix + "layers." + std::to_string(kinds[0][0]) + ".mamba.dt_proj.weight");
    mixer.rank = shape.size() == 2 ? shape[1] : 1;
    d.mixerSegment(mixer);
  }
  if (kinds[1][0] >= 0)
    d.feedForwardSegment();
  if (kinds[1][1] >= 0)
    expertSegment(d, c, experts, kinds[1][1]);
  d.stack.segments = [&](int64_t layer) {
    return std::vector<std::string>{attends(layer) ? "attn" : "mamba",
                                    hasExperts(layer) ? "experts" : "ffn"};
  };
  d.finish();
}

} // namespace

PLX_FAMILY_PLUGIN("jamba", "Jamba: Mamba, attention and experts", build);
