// Discriminative Kalman filters (Burkhart et al., 2020): a learned map says where the state is and
// how sure it is of that; a linear-Gaussian model of the state filters what it says.
//
// config.json: state_size n, obs_size, `hidden` (widths of the map's hidden layers, none: linear),
// `activation` between them, `uncertainty`: "constant" or "heteroscedastic", `jitter`.
// Tensors: A, G, S [n, n]: transition, its noise, the stationary covariance of the state.
// f.{i}.weight [out, in], f.{i}.bias: the map. Q [n, n], or q.{i}.weight, q.{i}.bias: a map of the
// same form whose n n outputs are a matrix L (row-major), Q = L L^T + jitter I.
#include "../common/Sequences.h"
#include "../common/Shapes.h"

#include <plexus/plugin.hpp>

using namespace plexus::graph;
namespace families = plexus::families;

namespace {

struct Dkf {
  const Config &c;
  Builder &b;
  int64_t states, measurements;
  std::vector<int64_t> hidden;
  std::string activation;
  bool constant;

  Value map(const std::string &name, Value x) {
    for (size_t i = 0; i <= hidden.size(); ++i) {
      x = families::affine(b, x, name + "." + std::to_string(i));
      if (i < hidden.size())
        x = b.activation(x, activation);
    }
    return x;
  }

  /// Q: [n, n], or [T, n, n] of what the map says.
  Value uncertainty(Value x) {
    if (constant)
      return b.param("Q");
    Value l = b.reshape(map("q", x), {states, states});
    std::vector<float> diagonal(static_cast<size_t>(states * states));
    for (int64_t i = 0; i < states; ++i)
      diagonal[i * (states + 1)] = static_cast<float>(c.number("jitter", 1e-6));
    Value jitter = b.param("jitter", b.constant(diagonal, {states, states}));
    return b.add(b.op("matmul", {l, l}, {{"transposed", true}}), jitter);
  }

  void build() {
    b.carryState("belief", {1 + states + states * states, 2}, "belief_0", "belief_n");
    auto s = b.segment("filter", {Builder::rows({measurements})});
    Value f = map("f", s.args[0]);
    auto made = ssm::discriminativeFilter(b, f, uncertainty(s.args[0]), b.param("A"), b.param("G"),
                                          b.param("S"), s.batch, b.state("belief"));
    b.endSegment({made[0], made[1], f});
    auto in = b.schedule("forward", {"x"}, {Builder::rows({measurements})});
    auto out = b.runs("filter", 0, {in[0]}, 3);
    b.port("x", "s f");
    b.port("mean", "s n");
    b.port("cov", "s i j");
    b.port("estimate", "s n");
    b.endSchedule({{"mean", out[0]}, {"cov", out[1]}, {"estimate", out[2]}});
  }
};

void build(const Config &c, Builder &b) {
  const std::string uncertainty = c.string("uncertainty", "constant");
  if (uncertainty != "constant" && uncertainty != "heteroscedastic")
    c.refuse("uncertainty", "'" + uncertainty + "'", "constant, heteroscedastic");
  Dkf m{c,
        b,
        c.integer("state_size"),
        c.integer("obs_size"),
        {},
        families::readSequenceActivation(c, "activation"),
        uncertainty == "constant"};
  for (float width : c.numbers("hidden"))
    m.hidden.push_back(static_cast<int64_t>(width));
  if (m.constant)
    c.inert({"jitter"});
  for (const char *name : {"A", "G", "S", "Q"})
    families::expectShape(c, b, name, {m.states, m.states}, "state_size");
  families::describeSequences(b, 1, m.states);
  m.build();
}

} // namespace

PLX_FAMILY_PLUGIN("dkf", "Discriminative Kalman filters", build);
