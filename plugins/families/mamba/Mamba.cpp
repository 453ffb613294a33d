// Mamba (Gu & Dao, 2023).
#include "../common/MambaDecoder.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;
using plexus::graph::Builder;
using plexus::graph::Config;

static void build(const Config &c, Builder &b) {
  buildMambaDecoder(c, b, "Mamba", true, readMamba(c));
}

PLX_FAMILY_PLUGIN("mamba", "Mamba: selective state space decoders", build);
