// The BrainModule (Défossez et al., 2023; Benchetrit et al., 2024): attention over sensor
// positions, a layer for each subject, dilated residual convolutions, gated units.
#include "../common/Shapes.h"

#include <plexus/brain.hpp>
#include <plexus/family.hpp>
#include <plexus/plugin.hpp>

using namespace plexus::graph;
namespace families = plexus::families;

namespace {

/// Most sensors that a run may bring; a config may say another number.
constexpr int64_t kSensors = 1024;
/// Longest recording, in samples.
constexpr int64_t kContext = int64_t(1) << 24;

struct BrainModule {
  const Config &c;
  Builder &b;
  int64_t harmonics = c.integer("harmonics"), channels = c.integer("virtual_channels"),
          hidden = c.integer("hidden"), blocks = c.integer("blocks"),
          outputs = c.integer("outputs"), subjects = c.integer("subjects"),
          sensors = c.integer("max_sensors", kSensors);
  double eps = c.number("batch_norm_eps", 1e-5);

  /// Taps of the convolution `name`, whose weight is [out, in, taps].
  int64_t taps(const std::string &name) const {
    const std::vector<int64_t> shape = c.weightShape(name + ".weight");
    return shape.size() == 3 ? shape[2] : 1;
  }

  /// A convolution of one tap.
  Value pointwise(Value x, const std::string &name, int64_t in, int64_t out) {
    Value w = b.param(name + ".weight", b.reshape(b.source(name + ".weight"), {out, in}));
    return b.linear(x, w, b.param(name + ".bias"));
  }

  /// x [T, sensors] to virtual channels, and through the subject's layer.
  void sensorSegment() {
    auto s = b.segment("sensors", {Builder::rows({sensors}), Builder::whole({sensors, 2}),
                                   Builder::whole({1}, "I32"), Builder::perSequence({}, "I32")});
    auto waves = [&](const char *name) {
      return b.param(name, b.transpose(b.source(name), {1, 2, 0}));
    };
    Value x = brain::sensorAttention(b, s.args[0], s.args[1], waves("attention.cos"),
                                     waves("attention.sin"), s.args[2]);
    x = pointwise(x, "initial", channels, channels);
    const Value subject = brain::ofSequence(b, s.args[3], s.batch);
    // The file's matrices are [subjects, in, out].
    Recipe matrices = b.transpose(b.source("subject"), {0, 2, 1});
    const Value weight =
        b.param("subject.bank", brain::bank(b, matrices, subjects, channels, channels));
    b.endSegment({brain::switchedLinear(b, x, subject, weight, {}, subjects, channels)});
  }

  /// GELU(BN(conv(x))); the batch norm becomes part of the product's weight.
  Value normedConv(Value x, Value batch, const std::string &name, int64_t in, int64_t dilation) {
    const std::string conv = name + ".conv";
    const int64_t k = taps(conv);
    Value around = brain::context(b, x, batch, k, dilation, dilation * (k / 2));
    Value w = b.param(conv + ".weight",
                      brain::contextWeight(b, b.source(conv + ".weight"), hidden, in, k));
    Value y = b.linear(around, w, b.param(conv + ".bias"));
    return b.activation(brain::batchNorm(b, y, name + ".bn", eps), "gelu");
  }

  /// A half of the rows of the convolution `name`: 0 the values, 1 their gates.
  Value half(Value around, const std::string &name, int64_t k, int64_t which) {
    const std::string part = name + (which ? ".gate" : ".value");
    Recipe weight = b.slice(b.source(name + ".weight"), 0, which * hidden, hidden);
    Recipe bias = b.slice(b.source(name + ".bias"), 0, which * hidden, hidden);
    Value w = b.param(part + ".weight", brain::contextWeight(b, weight, hidden, hidden, k));
    return b.linear(around, w, b.param(part + ".bias", bias));
  }

  /// A segment of its own for each block: they differ in dilation, the first one in width too.
  void blockSegment(int64_t number) {
    const std::string prefix = "blocks." + std::to_string(number) + ".", last = prefix + "2.conv";
    int64_t width = number == 0 ? channels : hidden;
    auto s = b.segment("block" + std::to_string(number), {Builder::rows({width})});
    Value x = s.args[0];
    for (int64_t i = 0; i < 2; ++i) {
      const int64_t dilation = int64_t(1) << (2 * number + i) % 5;
      Value y = normedConv(x, s.batch, prefix + std::to_string(i), width, dilation);
      x = number == 0 && i == 0 ? y : b.add(y, x);
      width = hidden;
    }
    const int64_t k = taps(last);
    Value around = brain::context(b, x, s.batch, k, 2, 2 * (k / 2));
    b.endSegment({b.glu(half(around, last, k, 1), half(around, last, k, 0), "sigmoid")});
  }

  void headSegment() {
    const std::vector<int64_t> inner = c.weightShape("head.0.weight");
    const int64_t width = inner.empty() ? 2 * hidden : inner[0];
    auto s = b.segment("head", {Builder::rows({hidden})});
    Value x = b.activation(pointwise(s.args[0], "head.0", hidden, width), "gelu");
    b.endSegment({pointwise(x, "head.1", width, outputs)});
  }

  void schedule() {
    auto in = b.schedule("forward", {"x", "positions", "sensors", "subject"},
                         {Builder::rows({sensors}), Builder::whole({sensors, 2}),
                          Builder::whole({1}, "I32"), Builder::perSequence({}, "I32")});
    Value x = b.run("sensors", -1, {in[0], in[1], in[2], in[3]});
    for (int64_t i = 0; i < blocks; ++i)
      x = b.run("block" + std::to_string(i), i, {x});
    b.port("x", "b sensors s");
    b.port("positions", "sensors axis");
    b.port("y", "b f s");
    b.endSchedule({{"y", b.run("head", -1, {x})}});
  }
};

void build(const Config &c, Builder &b) {
  BrainModule m{c, b};
  if (m.blocks < 1)
    return c.refuse("blocks", std::to_string(m.blocks), "1 or more");
  if (m.sensors < 1)
    return c.refuse("max_sensors", std::to_string(m.sensors), "1 or more");
  c.inert({"family", "dropout"});
  families::expectShape(c, b, "attention.cos", {m.channels, m.harmonics, m.harmonics},
                        "virtual_channels and harmonics");
  families::expectShape(c, b, "subject", {m.subjects, m.channels, m.channels},
                        "subjects and virtual_channels");
  b.info("task", "sequence");
  b.info("context", kContext);
  b.info("layers", m.blocks);
  b.info("hidden_size", m.hidden);
  b.requiredInt("subject", families::numbersUpTo(c, "subjects", m.subjects));
  b.intOption("sensors", m.sensors);
  m.sensorSegment();
  for (int64_t i = 0; i < m.blocks; ++i)
    m.blockSegment(i);
  m.headSegment();
  m.schedule();
}

} // namespace

PLX_FAMILY_PLUGIN("brainmodule", "MEG and EEG by sensor attention, subject layers and convolutions",
                  build);
