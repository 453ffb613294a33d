// A Kolmogorov-Arnold network of two layers written in C++: 2 inputs, 3 nodes, 1 output, cubic
// splines over [-1, 1] in five intervals.
#include <plexus/kan.hpp>
#include <plexus/plexus.hpp>

#include <cmath>
#include <cstdio>

namespace kan = plexus::graph::kan;

static int fail(const plexus::Error &error) {
  return std::fprintf(stderr, "%s\n", error.message.c_str()), 1;
}

static constexpr int64_t kOrder = 3, kIntervals = 5, kSplines = kIntervals + kOrder;

/// A layer whose coefficients are samples of a function of edge and spline.
static kan::Spline layer(plexus::graph::Builder &b, const std::string &name, int64_t in,
                         int64_t out) {
  std::vector<float> knots, coef, base(in * out, 0.5f);
  for (int64_t k = -kOrder; k <= kIntervals + kOrder; ++k)
    knots.insert(knots.end(), in, -1.0f + 2.0f * k / kIntervals);
  for (int64_t i = 0; i < in * kSplines * out; ++i)
    coef.push_back(std::sin(0.7f * i));
  return {b.param(name + ".knots", b.constant(knots, {kSplines + kOrder + 1, in})),
          b.param(name + ".coef", b.constant(coef, {in, kSplines, out})),
          b.param(name + ".base", b.constant(base, {in, out})),
          {}};
}

int main() {
  auto graph = plexus::Graph::create("kan");
  if (!graph)
    return fail(graph.error());
  plexus::graph::Builder b = graph->builder();

  auto segment = b.segment("main", {b.rows({2})});
  auto hidden = kan::bspline(b, segment.args[0], layer(b, "first", 2, 3));
  b.endSegment({kan::bspline(b, hidden, layer(b, "second", 3, 1))});

  auto x = b.schedule("forward", {"x"}, {b.rows({2})});
  b.endSchedule({{"y", b.run("main", -1, {x[0]})}});

  auto model = graph->compile();
  if (!model)
    return fail(model.error());
  const std::vector<float> rows = {0.25f, -0.5f, 0.9f, 5.0f}; // 5 is outside: only the base term
  auto out = model->run({plexus::Input("x", rows, {2, 2})});
  if (!out)
    return fail(out.error());
  auto y = out->floats("y");
  if (!y)
    return fail(y.error());
  std::printf("%g %g\n", (*y)[0], (*y)[1]);
}
