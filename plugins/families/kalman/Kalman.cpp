// Linear-Gaussian state spaces: the Kalman filter, fed whole or sample by sample, and the smoother
// over whole sequences.
#include "../common/Sequences.h"
#include "../common/Shapes.h"

#include <plexus/plugin.hpp>

using namespace plexus::graph;
namespace families = plexus::families;

namespace {

struct Kalman {
  Builder &b;
  int64_t states, count;
  bool offset, measurementOffset;

  ssm::Gaussian model() {
    ssm::Gaussian g;
    g.transition = b.param("A");
    g.noise = b.param("Q");
    g.measured = ssm::measurements(b, "C", b.source("C"), b.source("R"));
    g.mean = b.param("mu0");
    g.covariance = b.param("V0");
    if (offset)
      g.offset = b.param("b");
    if (measurementOffset)
      g.measurementOffset = b.param("d");
    return g;
  }

  std::vector<Arg> inputs() const { return {Builder::rows({count}), Builder::rows({}, "I32")}; }

  void segments() {
    auto s = b.segment("filter", inputs());
    auto f = ssm::kalmanFilter(b, s.args[0], s.batch, model(), s.args[1], b.state("belief"));
    b.endSegment({f.predictedMean, f.predictedCovariance, f.mean, f.covariance,
                  b.pool(f.logLikelihood, s.batch, "last")});
    auto w = b.segment("smoother", inputs());
    auto whole = ssm::kalmanFilter(b, w.args[0], w.batch, model(), w.args[1]);
    auto smooth = ssm::kalmanSmoother(b, w.args[0], w.batch, model(), w.args[1]);
    b.endSegment({whole.predictedMean, whole.predictedCovariance, whole.mean, whole.covariance,
                  b.pool(whole.logLikelihood, w.batch, "last"), smooth.mean, smooth.covariance,
                  smooth.lagCovariance});
  }

  /// A schedule of one segment with the first `results` of the outputs.
  void schedule(const char *name, const char *segment, int64_t layer, size_t results) {
    static constexpr std::pair<const char *, const char *> outputs[] = {
        {"pred_mean", "s n"},    {"pred_cov", "s i j"},   {"filt_mean", "s n"},
        {"filt_cov", "s i j"},   {"log_likelihood", "n"}, {"smooth_mean", "s n"},
        {"smooth_cov", "s i j"}, {"lag1_cov", "s-1 i j"}};
    auto in = b.schedule(name, {"y", "observed"}, inputs());
    std::vector<Value> made = b.runs(segment, layer, {in[0], in[1]}, results);
    b.port("y", "s f");
    b.port("observed", "s");
    b.optionalInput("observed", 1.0);
    std::vector<Builder::Output> ends;
    for (size_t i = 0; i < results; ++i) {
      b.port(outputs[i].first, outputs[i].second);
      ends.push_back({outputs[i].first, made[i]});
    }
    b.endSchedule(ends);
  }
};

void build(const Config &c, Builder &b) {
  Kalman m{b, c.integer("state_size"), c.integer("obs_size"), c.hasWeight("b"), c.hasWeight("d")};
  const int64_t n = m.states, count = m.count;
  for (const char *name : {"A", "Q", "V0"})
    families::expectShape(c, b, name, {n, n}, "state_size");
  families::expectShape(c, b, "C", {count, n}, "obs_size, state_size");
  families::expectShape(c, b, "R", {count, count}, "obs_size");
  for (const char *name : {"mu0", "b"})
    families::expectShape(c, b, name, {n}, "state_size");
  families::expectShape(c, b, "d", {count}, "obs_size");
  families::describeSequences(b, 1, n);
  b.carryState("belief", {ssm::kalmanState(m.states), 2}, "belief_0", "belief_n");
  m.segments();
  m.schedule("forward", "filter", 0, 5);
  // The smoother starts at the end: a schedule of its own, which keeps no state.
  m.schedule("kalman", "smoother", -1, 8);
}

} // namespace

PLX_FAMILY_PLUGIN("kalman", "Linear-Gaussian state spaces: Kalman filter and smoother", build);
