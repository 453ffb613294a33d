// A forecaster in the manner of FlowState (Graf et al., 2025): an S5 encoder whose step follows the
// sampling rate, and a decoder that gives a function of time as Legendre polynomials.
#include "../common/S5.h"

#include <plexus/plugin.hpp>

using namespace plexus::graph;
using namespace plexus::families;

/// Rows of the longest forecast, in times the horizon of the training.
static constexpr int64_t kLongest = 64;

static void build(const Config &c, Builder &b) {
  S5 m = S5::read(c, b);
  const int64_t layers = c.integer("layers"), input = c.integer("d_input"),
                output = c.integer("d_output", input), basis = c.integer("basis_size"),
                base = c.integer("base_horizon");
  if (const std::string kind = c.string("basis", "legendre"); kind != "legendre")
    c.refuse("basis", "'" + kind + "'", "legendre");
  if (output != input)
    c.refuse("d_output", std::to_string(output), "d_input: the forecast undoes the input's norm");
  describeSequences(b, layers, m.width);
  b.option("step_scale", 1.0);
  b.intOption("horizon", base);
  m.declare();
  auto first = b.segment("encoder", {Builder::rows({input})});
  auto normed = ssm::standardize(b, first.args[0], first.batch, 1e-5);
  b.endSegment({affine(b, normed.rows, "encoder"), normed.mean, normed.deviation});
  m.layer();
  auto last = b.segment("decoder", {Builder::rows({m.width}), Builder::perSequence({input}),
                                    Builder::perSequence({input}), Builder::whole({1})});
  Value end = b.pool(last.args[0], last.batch, "last");
  Value c0 = b.reshape(affine(b, end, "coef"), {output, basis});
  b.endSegment(
      {ssm::legendre(b, c0, last.args[1], last.args[2], last.args[3], kLongest * base, base)});
  auto in =
      b.schedule("forward", {"x", "step_scale"}, {Builder::rows({input}), Builder::whole({1})});
  std::vector<Value> start = b.runs("encoder", -1, {in[0]}, 3);
  Value y = start[0];
  for (int64_t l = 0; l < layers; ++l)
    y = b.run("layer", l, {y, in[1]});
  b.port("y", "b horizon f");
  b.endSchedule({{"y", b.run("decoder", -1, {y, start[1], start[2], in[1]})}});
}

PLX_FAMILY_PLUGIN("flowstate-like", "Forecasters like FlowState", build);
