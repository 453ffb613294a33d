// Falcon Mamba (Zuo et al., 2024): Mamba with norms without gain on delta, B and C.
#include "../common/MambaDecoder.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;
using plexus::graph::Builder;
using plexus::graph::Config;

static void build(const Config &c, Builder &b) {
  Mamba m = readMamba(c);
  m.norms = Mamba::Norms::Plain;
  m.normEps = c.number("mixer_rms_eps", 1e-6);
  buildMambaDecoder(c, b, "FalconMamba", true, m);
}

PLX_FAMILY_PLUGIN("falcon_mamba", "Falcon Mamba: Mamba with norms inside the mixer", build);
