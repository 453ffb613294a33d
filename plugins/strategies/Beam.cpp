// Beam search with the rules of the transformers library (its generation loop since version 4.50):
// at each step the best max(2, 1 + stop tokens) * beams continuations are looked at, those that
// stop among the first `beams` become hypotheses, and the best others run on. A hypothesis scores
// the sum of its log-probabilities over its length to the power of `length_penalty`.
#include <plexus/strategy.hpp>

#include <algorithm>

namespace {

using namespace plexus;

struct Options {
  size_t beams;
  float lengthPenalty;
  enum Early { No, Yes, Never } early;
};

Options readOptions(Generation &g) {
  Options options = {static_cast<size_t>(g.option("num_beams", 4, 1, 256)),
                     static_cast<float>(g.option("length_penalty", 1.0)), Options::No};
  const std::string early = g.option("early_stopping", "false");
  if (early == "true")
    options.early = Options::Yes;
  else if (early == "never")
    options.early = Options::Never;
  else if (early != "false")
    throw sdk::Error(PLX_INVALID_ARGUMENT,
                     "option 'early_stopping' is '" + early + "': expected true, false or never");
  if (g.sampling())
    throw sdk::Error(PLX_UNSUPPORTED, "strategy 'beam' does not sample: leave out the temperature");
  return options;
}

/// A beam that runs: its ids behind the prompt and the sum of their log-probabilities.
struct Beam {
  Sequence sequence;
  std::vector<int32_t> ids;
  float score = 0;
  Row row;
};

/// One more id behind a beam.
struct Candidate {
  size_t beam;
  int32_t id;
  float score;
};

struct Hypothesis {
  std::vector<int32_t> ids;
  float score;
};

/// log softmax of the row, then the penalties, as behind the beam's ids.
std::vector<float> logProbs(Generation &g, const Beam &beam) {
  const auto logits = beam.row.logits();
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits)
    sum += std::exp(logit - most);
  std::vector<float> result(logits.begin(), logits.end());
  for (float &value : result)
    value -= most + static_cast<float>(std::log(sum));
  g.process(result, beam.ids, PLX_STAGE_PENALTY);
  return result;
}

/// The `count` best continuations of all beams, best first, ties by beam and id.
std::vector<Candidate> bestCandidates(Generation &g, const std::vector<Beam> &beams, size_t count) {
  const auto better = [](const Candidate &a, const Candidate &b) {
    return a.score > b.score ||
           (a.score == b.score && (a.beam < b.beam || (a.beam == b.beam && a.id < b.id)));
  };
  std::vector<Candidate> best; // a heap with the worst in front
  for (size_t b = 0; b < beams.size(); ++b) {
    const std::vector<float> scores = logProbs(g, beams[b]);
    for (size_t id = 0; id < scores.size(); ++id) {
      const Candidate candidate = {b, static_cast<int32_t>(id), beams[b].score + scores[id]};
      if (best.size() == count && !better(candidate, best.front()))
        continue;
      if (best.size() == count) {
        std::pop_heap(best.begin(), best.end(), better);
        best.pop_back();
      }
      best.push_back(candidate);
      std::push_heap(best.begin(), best.end(), better);
    }
  }
  std::sort_heap(best.begin(), best.end(), better);
  return best;
}

/// The finished hypotheses, best first, no more than there are beams.
class Finished {
public:
  explicit Finished(const Options &options) : options_(options) {}

  void add(std::vector<int32_t> ids, float sum) {
    const float score = normalised(sum, ids.size());
    const auto place =
        std::find_if(all.begin(), all.end(), [&](const Hypothesis &h) { return h.score < score; });
    all.insert(place, {std::move(ids), score});
    if (all.size() > options_.beams)
      all.pop_back();
  }
  float normalised(float sum, size_t length) const {
    return sum / std::pow(static_cast<float>(length), options_.lengthPenalty);
  }
  /// Whether the best running beam may still beat the worst hypothesis.
  bool canImprove(float bestSum, size_t length, int64_t maxTokens) const {
    if (all.size() < options_.beams)
      return true;
    if (options_.early == Options::Yes)
      return false;
    if (options_.early == Options::Never && options_.lengthPenalty > 0)
      length = static_cast<size_t>(maxTokens);
    return normalised(bestSum, length) > all.back().score;
  }

  std::vector<Hypothesis> all;

private:
  const Options &options_;
};

/// The beams of the next step: each takes its parent's sequence, or a fork of it where a later one
/// needs it too.
std::vector<Beam> branch(std::vector<Beam> &parents, const std::vector<Candidate> &chosen) {
  std::vector<size_t> uses(parents.size());
  for (const Candidate &candidate : chosen)
    ++uses[candidate.beam];
  std::vector<Beam> next;
  for (const Candidate &candidate : chosen) {
    Beam &parent = parents[candidate.beam];
    Beam &beam = next.emplace_back();
    beam.sequence = --uses[candidate.beam] ? parent.sequence.fork() : std::move(parent.sequence);
    beam.ids = parent.ids;
    beam.ids.push_back(candidate.id);
    beam.score = candidate.score;
  }
  return next;
}

Task<> beamSearch(Generation &g) {
  const Options options = readOptions(g);
  const size_t looked = std::max<size_t>(2, 1 + g.stopTokens().size()) * options.beams;
  Finished finished(options);
  std::vector<Beam> beams(1);
  beams[0].sequence = g.open();
  beams[0].row = co_await beams[0].sequence.append(g.prompt());
  while (true) {
    const std::vector<Candidate> candidates = bestCandidates(g, beams, looked);
    std::vector<Candidate> running;
    for (size_t i = 0; i < candidates.size(); ++i) {
      std::vector<int32_t> ids = beams[candidates[i].beam].ids;
      ids.push_back(candidates[i].id);
      if (g.stopTest(ids)) {
        if (running.size() < options.beams)
          running.push_back(candidates[i]);
      } else if (i < options.beams) {
        finished.add(std::move(ids), candidates[i].score);
      }
    }
    if (running.empty() ||
        !finished.canImprove(running[0].score, beams[0].ids.size() + 1, g.maxTokens()))
      break;
    beams = branch(beams, running);
    std::vector<Request> requests;
    for (const Beam &beam : beams)
      requests.push_back({.sequence = beam.sequence.id(), .tokens = {&beam.ids.back(), 1}});
    const Results results = co_await g.run(requests);
    for (size_t i = 0; i < beams.size(); ++i)
      beams[i].row = results.rows(i).back();
  }
  for (size_t i = 0; i < finished.all.size(); ++i) {
    g.emit(finished.all[i].ids, static_cast<int32_t>(i));
    g.finish(static_cast<int32_t>(i), finished.all[i].score);
  }
}

} // namespace

PLX_STRATEGY_PLUGIN("strategy_beam", "1.0.0",
                    R"([{"kind": "strategy", "id": "beam",
                         "options": ["num_beams", "length_penalty", "early_stopping"],
                         "summary": "beam search; output 0 is the best hypothesis"}])",
                    {"beam", beamSearch});
