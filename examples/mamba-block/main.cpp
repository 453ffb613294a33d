// The heart of a Mamba block written in C++, compiled just in time and run over rows of a sequence:
// a causal convolution, then a selective scan whose step size, B and C come from what it reads.
#include <plexus/plexus.hpp>
#include <plexus/ssm.hpp>

#include <cstdio>

using plexus::graph::Builder;

static int fail(const plexus::Error &error) {
  return std::fprintf(stderr, "%s\n", error.message.c_str()), 1;
}

int main() {
  auto graph = plexus::Graph::create("mamba-block");
  if (!graph)
    return fail(graph.error());
  Builder b = graph->builder();
  constexpr int64_t kChannels = 2, kEntries = 2;

  auto s = b.segment("block", {Builder::rows({kChannels})});
  auto taps = b.param("conv", b.constant({0, 0, 1, 1}, {2, kChannels})); // the token itself
  auto x = plexus::graph::ssm::causalConv(b, s.args[0], taps, s.batch, {});
  auto delta = b.param("delta", b.constant({1, 0, 0, 1}, {kChannels, kChannels}));
  auto toB = b.param("b", b.constant({1, 0, 0, 1}, {kEntries, kChannels}));
  auto toC = b.param("c", b.constant({1, 0, 0, 1}, {kEntries, kChannels}));
  auto rates = b.param("rates", b.constant({-1, -1, -1, -1}, {kEntries, kChannels})); // decay e^-d
  auto y = plexus::graph::ssm::selectiveScan(b, x, b.linear(x, delta), rates, b.linear(x, toB),
                                             b.linear(x, toC), s.batch, {});
  b.endSegment({y});

  auto in = b.schedule("forward", {"x"}, {Builder::rows({kChannels})});
  b.endSchedule({{"y", b.run("block", -1, {in[0]})}});

  auto model = graph->compile();
  if (!model)
    return fail(model.error());
  const std::vector<float> rows = {1, 0, 0, 1, 1, 1};
  auto out = model->run({plexus::Input("x", rows, {3, 2})});
  if (!out)
    return fail(out.error());
  auto values = out->floats("y");
  if (!values)
    return fail(values.error());
  for (float value : *values)
    std::printf("%.4f ", value);
  std::puts("");
}
