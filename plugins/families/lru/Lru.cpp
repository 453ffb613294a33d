// Linear recurrent units (Orvieto et al., 2023).
//
//   x += GLU(gelu(lru(LN(x)))), with eigenvalues exp(-exp(nu) + i exp(theta)); both directions are
//   added
#include "../common/Sequences.h"

#include <plexus/plugin.hpp>

using namespace plexus::graph;
using namespace plexus::families;

namespace {

struct Lru {
  Builder &b;
  int64_t width, states;
  double eps;
  std::string activation;
  bool bidirectional;

  static std::string name(const std::string &tail) { return "layers.{layer}." + tail; }
  Value weight(const std::string &tail) { return b.param(name(tail)); }
  /// [1, states] of a vector.
  Value modes(const std::string &tail) {
    return b.param(name(tail), b.reshape(b.source(name(tail)), {1, states}));
  }

  /// One direction; `at` is "" or "reverse.".
  Value direction(Value x, Value batch, const std::string &at) {
    ComplexWeights complex{b};
    ssm::Diagonal o;
    o.rates = "polar";
    o.discretization = "dirac";
    o.real = modes(at + "nu_log");
    o.imag = modes(at + "theta_log");
    o.logGain = weight(at + "gamma_log");
    o.reverse = !at.empty();
    if (!bidirectional)
      o.state = b.state("modes");
    Value u = b.linear(x, complex.into(name(at + "B"), states, width));
    Value s = ssm::diagonal(b, u, batch, o);
    Value y = b.linear(s, complex.outOf(name(at + "C"), width, states, 0, states));
    return b.add(y, b.mul(x, weight(at + "D")));
  }

  void layer() {
    auto s = b.segment("layer", {Builder::rows({width})});
    Value x = s.args[0];
    Value h = b.layerNorm(x, weight("norm.weight"), weight("norm.bias"), eps);
    Value y = direction(h, s.batch, "");
    if (bidirectional)
      y = b.add(y, direction(h, s.batch, "reverse."));
    y = b.activation(y, activation);
    Value gate = affine(b, y, name("glu_b")), up = affine(b, y, name("glu_a"));
    b.endSegment({b.add(x, b.glu(gate, up, "sigmoid"))});
  }
};

/// "" for none.
std::string readPool(const Config &c) {
  const std::string pool = c.string("pool", "");
  if (!pool.empty() && pool != "none" && pool != "mean")
    c.refuse("pool", "'" + pool + "'", "null, mean");
  return pool == "mean" ? pool : "";
}

void build(const Config &c, Builder &b) {
  Lru m{b,
        c.integer("d_model"),
        c.integer("state_size"),
        c.number("layer_norm_eps", 1e-5),
        readSequenceActivation(c, "activation"),
        c.flag("bidirectional", false)};
  const int64_t layers = c.integer("layers"), input = c.integer("d_input");
  const std::string pool = readPool(c);
  c.integer("d_output"); // The decoder's shape says it.
  describeSequences(b, layers, m.width);
  if (!m.bidirectional)
    b.carryState("modes", {2, 1, m.states});
  affineSegment(b, "encoder", input);
  m.layer();
  auto last = b.segment("decoder", {Builder::rows({m.width})});
  Value x = pool.empty() ? last.args[0] : b.pool(last.args[0], last.batch, pool);
  b.endSegment({affine(b, x, "decoder")});
  auto in = b.schedule("forward", {"x"}, {Builder::rows({input})});
  Value y = b.run("encoder", -1, {in[0]});
  for (int64_t l = 0; l < layers; ++l)
    y = b.run("layer", l, {y});
  b.endSchedule({{"y", b.run("decoder", -1, {y})}});
}

} // namespace

PLX_FAMILY_PLUGIN("lru", "Linear recurrent units", build);
