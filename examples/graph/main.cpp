// A small network written in C++, compiled just in time and run: y = relu(x W1^T + b1) W2^T.
#include <plexus/plexus.hpp>

#include <cstdio>

static int fail(const plexus::Error &error) {
  return std::fprintf(stderr, "%s\n", error.message.c_str()), 1;
}

int main() {
  auto graph = plexus::Graph::create("mlp");
  if (!graph)
    return fail(graph.error());
  plexus::graph::Builder b = graph->builder();

  auto segment = b.segment("mlp", {b.rows({2})});
  auto w1 = b.param("w1", b.constant({1, 0, 0, 1, 1, -1}, {3, 2})); // [out, in]
  auto b1 = b.param("b1", b.constant({0, 0, 0.5f}, {3}));
  auto w2 = b.param("w2", b.constant({1, 1, 1}, {1, 3}));
  auto hidden = b.activation(b.linear(segment.args[0], w1, b1), "relu");
  b.endSegment({b.linear(hidden, w2)});

  auto x = b.schedule("forward", {"x"}, {b.rows({2})});
  b.endSchedule({{"y", b.run("mlp", -1, {x[0]})}});

  auto model = graph->compile();
  if (!model)
    return fail(model.error());
  const std::vector<float> rows = {1, 2, -1, 4};
  auto out = model->run({plexus::Input("x", rows, {2, 2})});
  if (!out)
    return fail(out.error());
  auto y = out->floats("y");
  if (!y)
    return fail(y.error());
  std::printf("%g %g\n", (*y)[0], (*y)[1]); // 3 4
}
