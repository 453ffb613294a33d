// S4D (Gu et al., 2022): diagonal state spaces.
#include "../common/S4.h"

#include <plexus/plugin.hpp>

static void build(const plexus::graph::Config &c, plexus::graph::Builder &b) {
  plexus::families::buildS4(c, b, /*lowRank=*/false);
}

PLX_FAMILY_PLUGIN("s4d", "S4D models", build);
