// Time of a step of a Kalman filter through a stream on one thread.
//
//   bench_kalman [states] [measurements] [steps]      (10 100 20000)
//
// Prints p50 and p99 in microseconds: "push" binds and returns tensors with every call, "prepared"
// reads memory that was bound once.
#include <plexus/plexus.hpp>
#include <plexus/ssm.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

using plexus::graph::Builder;
namespace ssm = plexus::graph::ssm;

static int fail(const plexus::Error &error) {
  return std::fprintf(stderr, "%s\n", error.message.c_str()), 1;
}

namespace {

using Floats = std::vector<float>;

/// `scale` times a random matrix.
Floats randomMatrix(int64_t rows, int64_t columns, float scale, std::mt19937 &generator) {
  std::normal_distribution<float> normal(0, scale);
  Floats m(static_cast<size_t>(rows * columns));
  for (float &value : m)
    value = normal(generator);
  return m;
}

/// a a^T + I.
Floats covariance(int64_t size, std::mt19937 &generator) {
  Floats a = randomMatrix(size, size, 0.3f, generator), c(a.size());
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j) {
      float sum = i == j;
      for (int64_t k = 0; k < size; ++k)
        sum += a[i * size + k] * a[j * size + k];
      c[i * size + j] = sum;
    }
  return c;
}

void build(Builder &b, int64_t n, int64_t m) {
  b.info("task", "sequence");
  b.info("context", int64_t(1) << 24);
  b.info("layers", 1);
  b.carryState("belief", {ssm::kalmanState(n), 2});
  auto s = b.segment("filter", {Builder::rows({m})});
  std::mt19937 generator(1);
  Floats transition = randomMatrix(n, n, 0.05f, generator);
  for (int64_t i = 0; i < n; ++i)
    transition[i * n + i] += 0.9f;
  ssm::Gaussian model;
  model.transition = b.param("A", b.constant(transition, {n, n}));
  model.noise = b.param("Q", b.constant(covariance(n, generator), {n, n}));
  model.measured = ssm::measurements(b, "C", b.constant(randomMatrix(m, n, 1, generator), {m, n}),
                                     b.constant(covariance(m, generator), {m, m}));
  model.mean = b.param("mean", b.constant(Floats(static_cast<size_t>(n)), {n}));
  model.covariance = b.param("V", b.constant(covariance(n, generator), {n, n}));
  auto f = ssm::kalmanFilter(b, s.args[0], s.batch, model, {}, b.state("belief"));
  b.endSegment({f.mean, f.covariance, b.pool(f.logLikelihood, s.batch, "last")});
  auto in = b.schedule("forward", {"y"}, {Builder::rows({m})});
  auto out = b.runs("filter", 0, {in[0]}, 3);
  b.port("y", "s f");
  b.port("mean", "s n");
  b.port("cov", "s i j");
  b.endSchedule({{"mean", out[0]}, {"cov", out[1]}, {"log_likelihood", out[2]}});
}

/// Calls `step` again and again and prints the quantiles; false where it failed.
bool measure(const char *name, size_t steps, Floats &y, const std::function<bool()> &step) {
  std::mt19937 generator(2);
  std::normal_distribution<float> normal;
  std::vector<double> times;
  for (size_t i = 0; i < steps + steps / 10; ++i) {
    for (float &value : y)
      value = normal(generator);
    auto begin = std::chrono::steady_clock::now();
    if (!step())
      return false;
    auto end = std::chrono::steady_clock::now();
    if (i >= steps / 10)
      times.push_back(std::chrono::duration<double, std::micro>(end - begin).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%-9s p50 %.2f us, p99 %.2f us\n", name, times[times.size() / 2],
              times[times.size() * 99 / 100]);
  return true;
}

} // namespace

int main(int argc, char **argv) {
  auto argument = [&](int i, int64_t otherwise) {
    return argc > i ? std::strtoll(argv[i], nullptr, 10) : otherwise;
  };
  const int64_t n = argument(1, 10), m = argument(2, 100), steps = argument(3, 20000);
  if (n < 1 || m < 1 || steps < 100)
    return std::fprintf(stderr,
                        "usage: bench_kalman [states] [measurements] [steps, 100 or more]\n"),
           2;
  plx_set_threads(1, nullptr);
  auto graph = plexus::Graph::create("kalman");
  if (!graph)
    return fail(graph.error());
  Builder b = graph->builder();
  build(b, n, m);
  auto model = graph->compile();
  if (!model)
    return fail(model.error());
  auto stream = model->stream();
  if (!stream)
    return fail(stream.error());
  Floats y(static_cast<size_t>(m));
  const plexus::Input input("y", y, {1, m});
  auto prepared = stream->prepare({input});
  if (!prepared)
    return fail(prepared.error());
  std::printf("%lld states, %lld measurements, one thread\n", static_cast<long long>(n),
              static_cast<long long>(m));
  bool good = measure("prepared", steps, y, [&] { return !prepared->run(); }) &&
              measure("push", steps, y, [&] { return bool(stream->push({input})); });
  return good ? 0 : 1;
}
