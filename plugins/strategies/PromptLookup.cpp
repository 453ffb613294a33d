// Prompt lookup (Saxena 2023): what followed the last words when they occurred before is drafted,
// and the model checks it in one run. Lossless.
#include <plexus/strategy.hpp>

#include <algorithm>

namespace {

/// What followed the latest earlier occurrence of the longest tail of `ids`, of up to `ngram` ids.
plexus::Ids lookUp(plexus::Ids ids, int64_t ngram, int64_t most) {
  for (auto n = std::min(ngram, static_cast<int64_t>(ids.size()) - 1); n > 0; --n) {
    const auto tail = ids.end() - n;
    const auto found = std::find_end(ids.begin(), ids.end() - 1, tail, ids.end());
    if (found != ids.end() - 1)
      return {found + n, std::min(found + n + most, ids.end())};
  }
  return {};
}

plexus::Task<> promptLookup(plexus::Generation &g) {
  const int64_t ngram = g.option("ngram", 3, 1, 64), most = g.option("draft_tokens", 10, 1, 512);
  std::vector<int32_t> ids(g.prompt().begin(), g.prompt().end());
  ids.push_back((co_await g.forward(g.prompt())).choose());
  plexus::Emitted emitted = g.emit(ids.back());
  while (emitted) {
    plexus::Tree chain(ids.back());
    for (const int32_t id : lookUp(ids, ngram, std::min(most, g.room() - 1)))
      chain.add(static_cast<int32_t>(chain.size()) - 1, id);
    const auto rows = co_await g.main().draft(chain.tokens);
    const plexus::Walk walk(chain, rows);
    g.main().commit(walk.nodes);
    g.count("drafted", static_cast<int64_t>(chain.size()) - 1);
    g.count("accepted", static_cast<int64_t>(walk.nodes.size()) - 1);
    g.count("target_runs", 1);
    emitted = g.emit(walk.ids);
    ids.insert(ids.end(), walk.ids.begin(), walk.ids.end());
  }
}

} // namespace

PLX_STRATEGY_PLUGIN("strategy_prompt_lookup", "1.0.0",
                    R"([{"kind": "strategy", "id": "prompt_lookup", "lossless": true,
                         "options": ["ngram", "draft_tokens"],
                         "summary": "drafts what followed the same words before"}])",
                    {"prompt_lookup", promptLookup});
