// Speech from neural activity (Willett et al., 2023): a layer for each recording day, frames of
// samples, GRU layers from a learned start, and logits of CTC labels.
#include "../common/Sequences.h"
#include "../common/Shapes.h"

#include <plexus/brain.hpp>
#include <plexus/plugin.hpp>

#include <algorithm>

using namespace plexus::graph;
namespace families = plexus::families;

namespace {

struct SpeechGru {
  const Config &c;
  Builder &b;
  int64_t channels = c.integer("channels"), hidden = c.integer("hidden"),
          layers = c.integer("layers"), days = c.integer("days"), kernel = c.integer("kernel"),
          stride = c.integer("stride"), classes = c.integer("classes"),
          blank = c.integer("blank", 0), directions = c.flag("bidirectional", false) ? 2 : 1;

  static std::string segment(int64_t layer, int64_t direction) {
    return "gru" + std::to_string(layer) + (direction ? "_reverse" : "");
  }
  int64_t number(int64_t layer, int64_t direction) const { return layer * directions + direction; }

  /// Frames [T, kernel, channels] through their day's layer: f(x W_day + b_day), flattened with the
  /// samples outermost.
  void daySegment(const std::string &activation) {
    auto s = b.segment("day", {Builder::rows({kernel, channels}), Builder::perSequence({}, "I32")});
    const Value day = brain::ofSequence(b, s.args[1], s.batch);
    // The file's matrices are [days, in, out].
    Recipe matrices = b.transpose(b.source("day_weights"), {0, 2, 1});
    const Value weight =
        b.param("day_weights.bank", brain::bank(b, matrices, days, channels, channels));
    const Value bias = b.param("day_bias", b.reshape(b.source("day_bias"), {days, channels}));
    Value x = brain::switchedLinear(b, s.args[0], day, weight, bias, days, channels);
    if (activation != "identity")
      x = b.activation(x, activation);
    b.endSegment({b.reshape(x, {kernel * channels})});
  }

  /// One direction of a layer, from the learned start.
  Value direction(Value x, Value batch, int64_t layer, int64_t direction) {
    const std::string tail = "_l" + std::to_string(layer) + (direction ? "_reverse" : "");
    auto optional = [&](const std::string &name) {
      return c.hasWeight(name) ? b.param(name) : Value{};
    };
    const Value gates =
        b.linear(x, b.param("gru.weight_ih" + tail), optional("gru.bias_ih" + tail));
    ssm::Cell o;
    o.bias = optional("gru.bias_hh" + tail);
    o.reverse = direction != 0;
    if (directions == 1)
      o.state = b.state("h");
    if (c.hasWeight("h0")) {
      Recipe start = b.slice(b.source("h0"), 0, number(layer, direction), 1);
      o.initial = b.param("h0" + tail, b.reshape(start, {hidden}));
    }
    return ssm::gru(b, gates, b.param("gru.weight_hh" + tail), batch, o);
  }

  void layerSegments(int64_t l) {
    const int64_t columns = l == 0 ? kernel * channels : directions * hidden;
    auto s = b.segment(segment(l, 0), {Builder::rows({columns})});
    b.endSegment({direction(s.args[0], s.batch, l, 0)});
    if (directions == 1)
      return;
    auto back = b.segment(segment(l, 1), {Builder::rows({columns}), Builder::rows({hidden})});
    b.endSegment({b.concat({back.args[1], direction(back.args[0], back.batch, l, 1)})});
  }

  void outputSegments() {
    auto out = b.segment("out", {Builder::rows({directions * hidden})});
    const Value bias = c.hasWeight("out.bias") ? b.param("out.bias") : Value{};
    b.endSegment({b.linear(out.args[0], b.param("out.weight"), bias)});
    auto ctc = b.segment("collapse", {Builder::rows({classes})});
    const Value label = directions == 1 ? b.state("label") : Value{};
    b.endSegment({brain::ctcCollapse(b, ctc.args[0], ctc.batch, blank, label)});
  }

  void schedule(const char *name, bool collapse) {
    auto in = b.schedule(name, {"x", "day"},
                         {Builder::rows({kernel, channels}), Builder::perSequence({}, "I32")});
    Value x = b.run("day", -1, {in[0], in[1]});
    for (int64_t l = 0; l < layers; ++l) {
      const Value forward = b.run(segment(l, 0), number(l, 0), {x});
      x = directions == 1 ? forward : b.run(segment(l, 1), number(l, 1), {x, forward});
    }
    const Value logits = b.run("out", -1, {x});
    b.frames(kernel, stride);
    if (collapse)
      b.endSchedule({{"tokens", b.run("collapse", 0, {logits})}, {"logits", logits}});
    else
      b.endSchedule({{"logits", logits}});
  }
};

/// Kind of the activation behind the day's layer.
std::string readDayActivation(const Config &c) {
  const std::string name = c.string("activation", "softsign");
  for (const char *kind : {"softsign", "identity", "tanh", "relu", "gelu"})
    if (name == kind)
      return name;
  c.refuse("activation", "'" + name + "'", "softsign, identity, tanh, relu, gelu");
  return "softsign";
}

void build(const Config &c, Builder &b) {
  SpeechGru m{c, b};
  if (m.layers < 1 || m.kernel < 1 || m.stride < 1)
    return c.refuse("layers, kernel or stride",
                    std::to_string(std::min({m.layers, m.kernel, m.stride})), "1 or more");
  if (m.blank < 0 || m.blank >= m.classes)
    return c.refuse("blank", std::to_string(m.blank),
                    "one of the " + std::to_string(m.classes) + " classes");
  c.inert({"family", "dropout"});
  families::describeSequences(b, m.layers * m.directions, m.hidden);
  families::expectShape(c, b, "day_weights", {m.days, m.channels, m.channels}, "days and channels");
  families::expectShape(c, b, "out.weight", {m.classes, m.directions * m.hidden},
                        "classes and hidden");
  b.requiredInt("day", families::numbersUpTo(c, "days", m.days));
  if (m.directions == 1) {
    b.carryState("h", {m.hidden});
    b.carryState("label", {1});
  }
  m.daySegment(readDayActivation(c));
  for (int64_t l = 0; l < m.layers; ++l)
    m.layerSegments(l);
  m.outputSegments();
  m.schedule("forward", false);
  m.schedule("ctc", true);
}

} // namespace

PLX_FAMILY_PLUGIN("speech-gru", "Neural speech decoders: day layers, GRU, CTC", build);
