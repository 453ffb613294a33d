// Hidden Markov models whose measurements are generalised linear models of covariates and whose
// transitions may depend on inputs: the filter, fed whole or sample by sample; posteriors and the
// best path over whole sequences.
#include "../common/Sequences.h"
#include "../common/Shapes.h"

#include <plexus/plugin.hpp>

using namespace plexus::graph;
namespace families = plexus::families;

namespace {

struct Hmm {
  Builder &b;
  std::string emission;
  int64_t states, covariates, inputs;

  std::vector<const char *> names() const {
    std::vector<const char *> names{"y"};
    if (covariates > 0)
      names.push_back("x");
    if (inputs > 0)
      names.push_back("u");
    return names;
  }
  std::vector<Arg> arguments() const {
    std::vector<Arg> args{Builder::rows({})};
    if (covariates > 0)
      args.push_back(Builder::rows({covariates}));
    if (inputs > 0)
      args.push_back(Builder::rows({inputs}));
    return args;
  }

  Value emissions(const Builder::Segment &s) {
    Value x, weight, variance;
    if (covariates > 0) {
      x = s.args[1];
      weight = b.param("W");
    }
    if (emission == "gaussian")
      variance = b.param("log_var");
    return ssm::emission(b, emission, s.args[0], b.param("bias"), x, weight, variance);
  }
  ssm::Hidden hidden(const Builder::Segment &s) {
    ssm::Hidden h;
    h.initial = b.param("log_pi");
    h.transition = b.param("log_T");
    if (inputs > 0) {
      h.inputs = s.args.back();
      h.inputWeight = b.param("V");
    }
    return h;
  }

  void segments() {
    auto f = b.segment("filter", arguments());
    Value rows = emissions(f);
    auto filtered = ssm::hmmFilter(b, rows, f.batch, hidden(f), b.state("belief"));
    b.endSegment({rows, filtered[0], b.pool(filtered[1], f.batch, "last")});
    auto w = b.segment("whole", arguments());
    rows = emissions(w);
    ssm::Hidden model = hidden(w);
    auto whole = ssm::hmmFilter(b, rows, w.batch, model);
    Value smoothed = ssm::hmmSmoother(b, rows, w.batch, model);
    auto path = ssm::viterbi(b, rows, w.batch, model);
    b.endSegment({rows, whole[0], b.pool(whole[1], w.batch, "last"), smoothed, path[0],
                  b.pool(path[1], w.batch, "last")});
  }

  /// A schedule of one segment with the first `results` of the outputs.
  void schedule(const char *name, const char *segment, int64_t layer, size_t results) {
    static constexpr std::pair<const char *, const char *> outputs[] = {
        {"emission_log_prob", "s k"}, {"filtered", "s k"}, {"log_likelihood", "n"},
        {"smoothed", "s k"},          {"viterbi", "s"},    {"viterbi_score", "n"}};
    std::vector<Value> in = b.schedule(name, names(), arguments());
    std::vector<Value> made = in.size() == 3
                                  ? b.runs(segment, layer, {in[0], in[1], in[2]}, results)
                              : in.size() == 2 ? b.runs(segment, layer, {in[0], in[1]}, results)
                                               : b.runs(segment, layer, {in[0]}, results);
    b.port("y", "s");
    if (covariates > 0)
      b.port("x", "s f");
    if (inputs > 0)
      b.port("u", "s f");
    std::vector<Builder::Output> ends;
    for (size_t i = 0; i < results; ++i) {
      b.port(outputs[i].first, outputs[i].second);
      ends.push_back({outputs[i].first, made[i]});
    }
    b.endSchedule(ends);
  }
};

void build(const Config &c, Builder &b) {
  Hmm m{b, c.string("emission", "bernoulli"), c.integer("states"), c.integer("covariates", 0),
        c.integer("transition_inputs", 0)};
  if (m.emission != "bernoulli" && m.emission != "poisson" && m.emission != "gaussian")
    c.refuse("emission", "'" + m.emission + "'", "bernoulli, poisson, gaussian");
  for (const char *name : {"bias", "log_pi", "log_var"})
    families::expectShape(c, b, name, {m.states}, "states");
  families::expectShape(c, b, "log_T", {m.states, m.states}, "states");
  families::expectShape(c, b, "W", {m.states, m.covariates}, "states, covariates");
  families::expectShape(c, b, "V", {m.states, m.inputs}, "states, transition_inputs");
  families::describeSequences(b, 1, m.states);
  b.carryState("belief", {2 + m.states, 2}, "belief_0", "belief_n");
  m.segments();
  m.schedule("forward", "filter", 0, 3);
  // Backward recursions start at the end: a schedule of their own, which keeps no state.
  m.schedule("hmm", "whole", -1, 6);
}

} // namespace

PLX_FAMILY_PLUGIN("hmm-glm", "Hidden Markov models with generalised linear measurements", build);
