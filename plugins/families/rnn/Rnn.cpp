// Recurrent networks in the layouts of torch.nn: LSTM, GRU, RNN; several layers, both directions,
// projections.
#include "../common/Sequences.h"

#include <plexus/plugin.hpp>

using namespace plexus::graph;
namespace families = plexus::families;

namespace {

struct Rnn {
  const Config &c;
  Builder &b;
  std::string cell, activation;
  int64_t input, units, width, layers, directions;
  bool bias, projects;

  bool isLstm() const { return cell == "lstm"; }
  /// h's number among those that callers see: layer by layer, forward before backward.
  int64_t number(int64_t layer, int64_t direction) const { return layer * directions + direction; }
  std::string segment(int64_t layer, int64_t direction) const {
    return "layer" + std::to_string(layer) + (direction ? "_reverse" : "");
  }

  /// The cell's values along x, [T, width].
  Value direction(Value x, Value batch, int64_t layer, int64_t direction) {
    const std::string tail = "_l" + std::to_string(layer) + (direction ? "_reverse" : "");
    auto vector = [&](const char *name) { return bias ? b.param(name + tail) : Value{}; };
    Value gates = b.linear(x, b.param("weight_ih" + tail), vector("bias_ih"));
    Value weight = b.param("weight_hh" + tail);
    ssm::Cell o;
    o.bias = vector("bias_hh");
    o.reverse = direction != 0;
    o.state = b.state("h");
    if (!isLstm())
      return cell == "gru" ? ssm::gru(b, gates, weight, batch, o)
                           : ssm::rnn(b, gates, weight, batch, activation, o);
    o.memory = b.state("c");
    if (projects)
      o.projection = b.param("weight_hr" + tail);
    return ssm::lstm(b, gates, weight, batch, o);
  }

  void layer(int64_t l) {
    const int64_t columns = l == 0 ? input : directions * width;
    auto s = b.segment(segment(l, 0), {Builder::rows({columns})});
    b.endSegment({direction(s.args[0], s.batch, l, 0)});
    if (directions == 1)
      return;
    auto back = b.segment(segment(l, 1), {Builder::rows({columns}), Builder::rows({width})});
    b.endSegment({b.concat({back.args[1], direction(back.args[0], back.batch, l, 1)})});
  }

  void schedule(const std::string &axes) {
    auto in = b.schedule("forward", {"x"}, {Builder::rows({input})});
    Value x = in[0];
    for (int64_t l = 0; l < layers; ++l) {
      Value forward = b.run(segment(l, 0).c_str(), number(l, 0), {x});
      x = directions == 1 ? forward : b.run(segment(l, 1).c_str(), number(l, 1), {x, forward});
    }
    b.port("x", axes);
    b.port("y", axes);
    b.endSchedule({{"y", x}});
  }
};

void build(const Config &c, Builder &b) {
  const std::string cell = c.string("cell", "lstm");
  const int64_t units = c.integer("hidden_size"), projected = c.integer("proj_size", 0);
  Rnn m{c,
        b,
        cell,
        "tanh",
        c.integer("input_size"),
        units,
        projected > 0 ? projected : units,
        c.integer("num_layers", 1),
        c.flag("bidirectional", false) ? 2 : 1,
        c.flag("bias", true),
        projected > 0};
  if (cell == "rnn_tanh" || cell == "rnn_relu") {
    m.cell = "rnn";
    m.activation = cell.substr(4);
  } else if (cell == "rnn") {
    m.activation = c.string("nonlinearity", "tanh");
    if (m.activation != "tanh" && m.activation != "relu")
      c.refuse("nonlinearity", "'" + m.activation + "'", "tanh, relu");
  } else if (cell != "lstm" && cell != "gru") {
    c.refuse("cell", "'" + cell + "'", "lstm, gru, rnn, rnn_tanh, rnn_relu");
  }
  if (m.projects && cell != "lstm")
    c.refuse("proj_size", std::to_string(projected), "0 for every cell but lstm");
  c.inert({"dropout"});
  const char *const axes = c.flag("batch_first", false) ? "b s f" : "s b f";
  families::describeSequences(b, m.layers * m.directions, m.units);
  b.carryState("h", {m.width}, "h_0", "h_n");
  if (m.isLstm())
    b.carryState("c", {m.units}, "c_0", "c_n");
  for (int64_t l = 0; l < m.layers; ++l)
    m.layer(l);
  m.schedule(axes);
}

} // namespace

PLX_FAMILY_PLUGIN("rnn", "Recurrent networks: LSTM, GRU, RNN", build);
