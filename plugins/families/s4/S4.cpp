// S4 (Gu et al., 2022): state spaces that are diagonal plus low rank, discretised by the bilinear
// transform. As S4D, with tensors P, Q and B [d_model, state_size, 2] in each layer, like C.
#include "../common/S4.h"

#include <plexus/plugin.hpp>

static void build(const plexus::graph::Config &c, plexus::graph::Builder &b) {
  const std::string how = c.string("discretization", "bilinear");
  if (how != "bilinear")
    c.refuse("discretization", "'" + how + "'", "bilinear");
  plexus::families::buildS4(c, b, /*lowRank=*/true);
}

PLX_FAMILY_PLUGIN("s4", "S4 models", build);
