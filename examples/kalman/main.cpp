// A Kalman filter that tracks a body in flight: position and velocity from positions alone, one
// measurement at a time. The model is written in C++ and compiled just in time; the filter's state
// stays in the stream from call to call, and a push into memory bound once allocates nothing.
#include <plexus/plexus.hpp>
#include <plexus/ssm.hpp>

#include <cmath>
#include <cstdio>

using plexus::graph::Builder;
namespace ssm = plexus::graph::ssm;

static int fail(const plexus::Error &error) {
  return std::fprintf(stderr, "%s\n", error.message.c_str()), 1;
}

/// x' = x + v dt, v' = v - g dt; position is measured with a deviation of 1.
static void build(Builder &b) {
  constexpr float dt = 0.1f, g = 9.81f;
  b.info("task", "sequence");
  b.info("context", int64_t(1) << 20);
  b.info("layers", 1);
  b.carryState("belief", {ssm::kalmanState(2), 2});
  auto s = b.segment("filter", {Builder::rows({1})});
  ssm::Gaussian model;
  model.transition = b.param("A", b.constant({1, dt, 0, 1}, {2, 2}));
  model.offset = b.param("b", b.constant({-0.5f * g * dt * dt, -g * dt}, {2}));
  model.noise = b.param("Q", b.constant({1e-6f, 0, 0, 1e-6f}, {2, 2}));
  model.measured =
      ssm::measurements(b, "position", b.constant({1, 0}, {1, 2}), b.constant({1}, {1, 1}));
  model.mean = b.param("mean", b.constant({0, 0}, {2}));
  model.covariance = b.param("covariance", b.constant({100, 0, 0, 10000}, {2, 2}));
  auto f = ssm::kalmanFilter(b, s.args[0], s.batch, model, {}, b.state("belief"));
  b.endSegment({f.mean, f.covariance, b.pool(f.logLikelihood, s.batch, "last")});
  auto in = b.schedule("forward", {"y"}, {Builder::rows({1})});
  auto out = b.runs("filter", 0, {in[0]}, 3);
  b.port("y", "s f");
  b.port("mean", "s n");
  b.port("cov", "s i j");
  b.port("log_likelihood", "n");
  b.endSchedule({{"mean", out[0]}, {"cov", out[1]}, {"log_likelihood", out[2]}});
}

int main() {
  auto graph = plexus::Graph::create("track");
  if (!graph)
    return fail(graph.error());
  Builder b = graph->builder();
  build(b);
  auto model = graph->compile();
  if (!model)
    return fail(model.error());
  auto stream = model->stream();
  if (!stream)
    return fail(stream.error());
  std::vector<float> y(1);
  auto push = stream->prepare({plexus::Input("y", y, {1, 1})});
  if (!push)
    return fail(push.error());
  auto outputs = push->outputs();
  if (!outputs)
    return fail(outputs.error());

  uint32_t noise = 1;
  std::puts("time  position  estimate  velocity  estimate  deviation");
  for (int step = 0; step <= 60; ++step) {
    double t = 0.1 * step, position = 50 * t - 0.5 * 9.81 * t * t, velocity = 50 - 9.81 * t;
    double sum = 0; // of 12 uniform numbers: nearly normal
    for (int i = 0; i < 12; ++i)
      sum += (noise = noise * 1664525u + 1013904223u) / 4294967296.0;
    y[0] = static_cast<float>(position + sum - 6);
    if (auto error = push->run())
      return fail(*error);
    auto mean = outputs->floats("mean"), cov = outputs->floats("cov");
    if (!mean || !cov)
      return fail(mean ? cov.error() : mean.error());
    if (step % 20 == 0)
      std::printf("%4.1f %9.2f %9.2f %9.2f %9.2f %10.3f\n", t, position, (*mean)[0], velocity,
                  (*mean)[1], std::sqrt((*cov)[0]));
    bool near = std::abs((*mean)[0] - position) < 4 * std::sqrt((*cov)[0]);
    if (!near)
      return std::fprintf(stderr, "the track is lost at %.1f s\n", t), 1;
  }
}
