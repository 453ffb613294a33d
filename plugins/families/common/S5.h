// The layer of S5 (Smith et al., 2023), as s5-pytorch has it.
//
//   z = LN(x), x = gelu(ssm(z)) + z, z = LN(x), x = Dec(glu(Enc z)) + z
#pragma once

#include "Sequences.h"

namespace plexus::families {

struct S5 {
  graph::Builder &b;
  int64_t width, states;
  double eps;
  std::string discretization;
  bool bidirectional, glu;

  static S5 read(const graph::Config &c, graph::Builder &b) {
    return {b,
            c.integer("d_model"),
            c.integer("state_size"),
            c.number("layer_norm_eps", 1e-5),
            readDiscretization(c, "discretization"),
            c.flag("bidirectional", false),
            c.flag("glu", true)};
  }

  void declare() const {
    if (!bidirectional)
      b.carryState("modes", {2, 1, states});
  }

  /// Segment "layer" of x [T, width] and the step's scale [1].
  void layer() {
    using graph::Builder;
    auto s = b.segment("layer", {Builder::rows({width}), Builder::whole({1})});
    graph::Value z = norm(s.args[0], "attn_norm");
    graph::Value x = b.add(b.activation(mix(z, s.args[1], s.batch), "gelu"), z);
    z = norm(x, "ff_norm");
    graph::Value h = b.linear(z, weight("ff_enc.weight"));
    if (glu) {
      const int64_t half = b.shape(h).back() / 2;
      h = b.glu(b.slice(h, half, half), b.slice(h, 0, half), "gelu");
    }
    b.endSegment({b.add(b.linear(h, weight("ff_dec.weight")), z)});
  }

private:
  using Value = graph::Value;

  static std::string name(const std::string &tail) { return "layers.{layer}." + tail; }
  Value weight(const std::string &tail) const { return b.param(name(tail)); }
  Value norm(Value x, const std::string &at) const {
    return b.layerNorm(x, weight(at + ".weight"), weight(at + ".bias"), eps);
  }
  Value eigenvalues(int64_t which) const {
    return b.param(name(which ? "Lambda.imag" : "Lambda.real"),
                   b.reshape(b.slice(b.source(name("Lambda")), 1, which, 1), {1, states}));
  }

  Value mix(Value z, Value scale, Value batch) const {
    ComplexWeights complex{b};
    Value u = b.linear(z, complex.into(name("B"), states, width));
    const int64_t all = bidirectional ? 2 * states : states;
    auto direction = [&](bool reverse) {
      graph::ssm::Diagonal o;
      o.discretization = discretization;
      o.real = eigenvalues(0);
      o.imag = eigenvalues(1);
      o.logStep = weight("log_step");
      o.stepScale = scale;
      o.reverse = reverse;
      if (!bidirectional)
        o.state = b.state("modes");
      Value s = graph::ssm::diagonal(b, u, batch, o);
      return b.linear(s, complex.outOf(name("C"), width, all, reverse ? states : 0, states));
    };
    Value y = direction(false);
    if (bidirectional)
      y = b.add(y, direction(true));
    return b.add(y, b.mul(z, weight("D")));
  }
};

} // namespace plexus::families
