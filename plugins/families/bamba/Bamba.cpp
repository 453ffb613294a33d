// Bamba (IBM, Princeton, CMU, UIUC, 2024): Mamba-2 layers with a few of attention between them.
#include "../common/HybridDecoder.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;
using plexus::graph::Builder;
using plexus::graph::Config;

static Mamba2 readMixer(const Config &c, int64_t hidden, double eps) {
  Mamba2 m;
  const int64_t inner = c.integer("mamba_expand", 2) * hidden;
  m.heads = c.integer("mamba_n_heads", 128);
  // "auto" or a number: both are this.
  m.headDim = inner / std::max<int64_t>(m.heads, 1);
  c.inert({"mamba_d_head"});
  if (m.heads * m.headDim != inner)
    c.refuse("mamba_n_heads", std::to_string(m.heads),
             "divisors of mamba_expand * hidden_size = " + std::to_string(inner));
  m.groups = c.integer("mamba_n_groups", 1);
  m.entries = c.integer("mamba_d_state", 256);
  m.kernel = c.integer("mamba_d_conv", 4);
  m.activation = readActivation(c, "hidden_act", "silu");
  m.convBias = c.flag("mamba_conv_bias", true);
  m.bias = c.flag("mamba_proj_bias", false);
  m.normEps = eps;
  readDeltaLimits(c, "time_step_limit", m);
  return m;
}

static void build(const Config &c, Builder &b) {
  HybridDecoder d(b);
  d.read(c, "Bamba", 8, 262144, 1e-5, false);
  d.attention.rope = readPartialRope(c, d.attention.headDim, d.stack.context, 0.5);
  d.attentionBias = c.flag("attention_bias", false);
  d.mlpBias = c.flag("mlp_bias", false);
  c.integer("intermediate_size", 14336); // The weights' shapes say it.
  c.inert({"z_loss_coefficient", "layers_block_type", "layer_types"});
  std::vector<bool> attends(std::max<int64_t>(d.stack.layers, 0));
  for (int64_t i = 0, n = c.size("attn_layer_indices"); i < n; ++i) {
    const std::string at = "attn_layer_indices." + std::to_string(i);
    const int64_t layer = c.integer(at);
    if (layer < 0 || layer >= d.stack.layers)
      c.refuse(at, std::to_string(layer), "layers of the model");
    else
      attends[layer] = true;
  }
  auto any = [&](bool kind) {
    return std::find(attends.begin(), attends.end(), kind) != attends.end();
  };
  if (any(true))
    d.attentionSegment();
  if (any(false))
    d.mixerSegment(readMixer(c, d.stack.hidden, d.eps));
  d.feedForwardSegment();
  d.stack.segments = [&](int64_t layer) {
    return std::vector<std::string>{attends[layer] ? "attn" : "mamba", "ffn"};
  };
  d.finish();
}

PLX_FAMILY_PLUGIN("bamba", "Bamba: Mamba-2 and attention", build);
