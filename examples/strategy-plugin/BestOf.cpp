// Best of n: samples n continuations side by side and keeps the one that the model finds most
// likely for each token.
#include <plexus/strategy.hpp>

#include <algorithm>

namespace {

struct Draw {
  plexus::Sequence sequence;
  std::vector<int32_t> ids;
  double logProb = 0;
  double score() const { return logProb / static_cast<double>(ids.size()); }
};

/// log softmax(row)[id]
double logProb(const plexus::Row &row, int32_t id) {
  const auto logits = row.logits();
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits)
    sum += std::exp(logit - most);
  return logits[static_cast<size_t>(id)] - most - std::log(sum);
}

plexus::Task<> bestOf(plexus::Generation &g) {
  const auto n = static_cast<size_t>(g.option("n", 4, 1, 64));
  std::vector<plexus::Row> rows(n, co_await g.forward(g.prompt()));
  std::vector<Draw> draws(n);
  for (Draw &draw : draws)
    draw.sequence = g.main().fork();
  std::vector<size_t> running(n);
  for (size_t i = 0; i < n; ++i)
    running[i] = i;
  while (!running.empty()) {
    std::erase_if(running, [&](size_t i) {
      Draw &draw = draws[i];
      // Its own lane of randomness for each draw; the path says which ids lie behind the row.
      const int32_t id = rows[i].sample(draw.ids, static_cast<uint32_t>(i));
      draw.logProb += logProb(rows[i], id);
      draw.ids.push_back(id);
      return !g.stopTest(draw.ids);
    });
    std::vector<plexus::Request> requests;
    for (const size_t i : running)
      requests.push_back({.sequence = draws[i].sequence.id(), .tokens = {&draws[i].ids.back(), 1}});
    if (requests.empty())
      break;
    const plexus::Results results = co_await g.run(requests); // one batch for all of them
    for (size_t j = 0; j < running.size(); ++j)
      rows[running[j]] = results.rows(j).back();
  }
  const auto best = std::max_element(draws.begin(), draws.end(), [](const Draw &a, const Draw &b) {
    return a.score() < b.score();
  });
  g.emit(best->ids);
  g.finish(0, best->score());
}

} // namespace

PLX_STRATEGY_PLUGIN("strategy_best_of", "1.0.0",
                    R"([{"kind": "strategy", "id": "best_of", "options": ["n"],
                         "summary": "samples n continuations and keeps the most likely"}])",
                    {"best_of", bestOf});
