// Greedy decoding: always the most likely token.
#include <plexus/strategy.hpp>

static plexus::Task<> greedy(plexus::Generation &g) {
  auto row = co_await g.forward(g.prompt());
  while (g.emit(row.argmax()))
    row = co_await g.forward(g.lastToken());
}

PLX_STRATEGY_PLUGIN("strategy_greedy", "1.0.0",
                    R"([{"kind": "strategy", "id": "greedy", "lossless": true,
                         "summary": "the most likely token, always"}])",
                    {"greedy", greedy});
