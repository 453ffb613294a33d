// Decoders of one kind of mixer: x += mixer(norm(x)) in every layer.
#pragma once

#include "Mamba.h"
#include "Stack.h"

namespace plexus::families {

/// Builds the model of `family` ("Mamba": MambaForCausalLM, MambaModel), the mixer given by the
/// config.
template <typename Mixer>
void buildMambaDecoder(const graph::Config &c, graph::Builder &b, const std::string &family,
                       bool tiedByDefault, const Mixer &mixer) {
  Stack s;
  s.read(c, family, kEndless);
  s.context = kEndless; // A recurrence has no positions.
  const double eps = c.number("layer_norm_epsilon", 1e-5);
  inertMambaFields(c);
  const std::string prefix = c.hasWeight("backbone.embeddings.weight") ? "backbone." : "";
  s.useTable(c, b, prefix + "embeddings.weight", c.flag("tie_word_embeddings", tiedByDefault));
  mixer.declare(b);
  auto block = b.segment("mixer", {graph::Builder::rows({s.hidden})});
  auto x = block.args[0];
  auto h = b.rmsNorm(x, b.param(prefix + "layers.{layer}.norm.weight"), eps);
  b.endSegment({b.add(x, mixer.build(b, prefix + "layers.{layer}.mixer.", h, block.batch))});
  s.finalNorm = [&](graph::Value y) {
    return b.rmsNorm(y, b.param(prefix + "norm_f.weight"), eps);
  };
  s.segments = [](int64_t) { return std::vector<std::string>{"mixer"}; };
  s.build(b);
}

/// The mixer of mamba and falcon_mamba, whose fields are spelled alike.
inline Mamba readMamba(const graph::Config &c) {
  Mamba m;
  const double expand = c.number("expand", 2);
  m.inner = c.integer("intermediate_size", static_cast<int64_t>(expand * c.number("hidden_size")));
  m.entries = c.integer("state_size", 16);
  m.kernel = c.integer("conv_kernel", 4);
  m.activation = readActivation(c, "hidden_act", "silu");
  m.convBias = c.flag("use_conv_bias", true);
  m.bias = c.flag("use_bias", false);
  // "auto" or a number: the weight says it.
  for (const char *prefix : {"backbone.", ""})
    if (auto shape = c.weightShape(std::string(prefix) + "layers.0.mixer.dt_proj.weight");
        shape.size() == 2)
      m.rank = shape[1];
  return m;
}

} // namespace plexus::families
