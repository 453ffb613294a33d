// Mamba-2 (Dao & Gu, 2024).
#include "../common/MambaDecoder.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;
using plexus::graph::Builder;
using plexus::graph::Config;

static void build(const Config &c, Builder &b) {
  Mamba2 m;
  m.heads = c.integer("num_heads", 128);
  m.headDim = c.integer("head_dim", 64);
  m.groups = c.integer("n_groups", 8);
  m.entries = c.integer("state_size", 128);
  m.kernel = c.integer("conv_kernel", 4);
  m.activation = readActivation(c, "hidden_act", "silu");
  m.convBias = c.flag("use_conv_bias", true);
  m.bias = c.flag("use_bias", false);
  m.normEps = c.number("layer_norm_epsilon", 1e-5);
  readDeltaLimits(c, "time_step_limit", m);
  const auto inner = static_cast<int64_t>(c.number("expand", 2) * c.number("hidden_size"));
  if (inner != m.heads * m.headDim)
    c.refuse("num_heads", std::to_string(m.heads) + " of " + std::to_string(m.headDim),
             "expand * hidden_size = " + std::to_string(inner) + " together");
  c.inert({"intermediate_size"});
  buildMambaDecoder(c, b, "Mamba2", false, m);
}

PLX_FAMILY_PLUGIN("mamba2", "Mamba-2: state space duality decoders", build);
