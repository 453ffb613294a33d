// Provides an id that another plugin provides already, and one of its own.
#include <plexus/strategy.hpp>

static plexus::Task<> other(plexus::Generation &g) {
  co_await g.forward(g.prompt());
  g.emit(7);
}

PLX_STRATEGY_PLUGIN("second_greedy", "2.0.0",
                    R"([{"kind": "strategy", "id": "greedy"}, {"kind": "strategy", "id": "seven"},
                        {"kind": "telepathy", "id": "unknown_kind"}])",
                    {"greedy", other}, {"seven", other});
