// S4 (Gu et al., 2022) and S4D: layers of state spaces, each channel with its own modes.
//
//   f(x) = a * sigmoid(b), [a, b] = Out gelu(ssm(x) + D x);  x += f(LN(x)), or x = LN(x + f(x))
#pragma once

#include "Sequences.h"

namespace plexus::families {

struct S4 {
  using Value = graph::Value;

  graph::Builder &b;
  bool lowRank; ///< A of rank one is taken from the diagonal one.
  int64_t width, modes;
  double eps;
  std::string discretization, activation;

  static std::string name(const std::string &tail) { return "layers.{layer}." + tail; }
  Value weight(const std::string &tail) { return b.param(name(tail)); }
  Value norm(Value x) { return b.layerNorm(x, weight("norm.weight"), weight("norm.bias"), eps); }

  /// [modes, width] of a source [width, modes].
  Value table(const std::string &tail) {
    return b.param(name(tail), b.transpose(b.source(name(tail)), {1, 0}));
  }
  Value readout(int64_t which) {
    graph::Recipe part = ComplexWeights{b}.part(name("C"), 2, which, width, modes);
    return b.param(name(which ? "C.imag" : "C.real"), b.transpose(part, {1, 0}));
  }
  /// [2, modes, width] of a source [width, modes, 2].
  Value both(const std::string &tail) {
    return b.param(name(tail), b.transpose(b.source(name(tail)), {2, 1, 0}));
  }

  Value diagonal(Value x, Value batch) {
    graph::ssm::Diagonal o;
    o.rates = "log";
    o.discretization = discretization;
    o.real = table("log_A_real");
    o.imag = table("A_imag");
    o.logStep = weight("log_dt");
    o.readoutReal = readout(0);
    o.readoutImag = readout(1);
    o.state = b.state("modes");
    o.factor = 2; // Each mode stands for itself and its conjugate.
    return graph::ssm::diagonal(b, x, batch, o);
  }

  Value diagonalPlusLowRank(Value x, Value batch) {
    graph::ssm::Dplr o;
    o.rates = "log";
    o.real = table("log_A_real");
    o.imag = table("A_imag");
    o.p = both("P");
    o.q = both("Q");
    o.b = both("B");
    o.c = both("C");
    o.logStep = weight("log_dt");
    o.state = b.state("modes");
    return graph::ssm::dplr(b, x, batch, o);
  }

  Value inner(Value x, Value batch) {
    Value y = lowRank ? diagonalPlusLowRank(x, batch) : diagonal(x, batch);
    y = b.add(y, b.mul(x, weight("D")));
    Value h = affine(b, b.activation(y, activation), name("out"));
    return b.glu(b.slice(h, width, width), b.slice(h, 0, width), "sigmoid");
  }
};

inline void buildS4(const graph::Config &c, graph::Builder &b, bool lowRank) {
  using graph::Builder;
  using graph::Value;
  S4 m{b,
       lowRank,
       c.integer("d_model"),
       c.integer("state_size"),
       c.number("layer_norm_eps", 1e-5),
       lowRank ? "" : readDiscretization(c, "discretization"),
       readSequenceActivation(c, "activation")};
  const int64_t layers = c.integer("layers"), input = c.integer("d_input");
  const bool prenorm = c.flag("prenorm", true);
  c.integer("d_output"); // The decoder's shape says it.
  describeSequences(b, layers, m.width);
  b.carryState("modes", {2, m.modes, m.width});
  affineSegment(b, "encoder", input);
  auto s = b.segment("layer", {Builder::rows({m.width})});
  Value x = s.args[0];
  b.endSegment(
      {prenorm ? b.add(x, m.inner(m.norm(x), s.batch)) : m.norm(b.add(x, m.inner(x, s.batch)))});
  affineSegment(b, "decoder", m.width);
  auto in = b.schedule("forward", {"x"}, {Builder::rows({input})});
  Value y = b.run("encoder", -1, {in[0]});
  for (int64_t l = 0; l < layers; ++l)
    y = b.run("layer", l, {y});
  b.endSchedule({{"y", b.run("decoder", -1, {y})}});
}

} // namespace plexus::families
