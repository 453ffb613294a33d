// S5 (Smith et al., 2023): a stack of its layers, without encoder and decoder.
#include "../common/S5.h"

#include <plexus/plugin.hpp>

using namespace plexus::graph;
using namespace plexus::families;

static void build(const Config &c, Builder &b) {
  S5 m = S5::read(c, b);
  const int64_t layers = c.integer("layers");
  describeSequences(b, layers, m.width);
  b.option("step_scale", 1.0); // The sampling interval against that of the training.
  m.declare();
  m.layer();
  auto in =
      b.schedule("forward", {"x", "step_scale"}, {Builder::rows({m.width}), Builder::whole({1})});
  Value y = in[0];
  for (int64_t l = 0; l < layers; ++l)
    y = b.run("layer", l, {y, in[1]});
  b.endSchedule({{"y", y}});
}

PLX_FAMILY_PLUGIN("s5", "S5 models", build);
