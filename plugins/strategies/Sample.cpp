// Sampling: each token is drawn from the distribution that the samplers make of the logits.
#include <plexus/strategy.hpp>

static plexus::Task<> sample(plexus::Generation &g) {
  auto row = co_await g.forward(g.prompt());
  while (g.emit(row.sample()))
    row = co_await g.forward(g.lastToken());
}

PLX_STRATEGY_PLUGIN("strategy_sample", "1.0.0",
                    R"([{"kind": "strategy", "id": "sample", "lossless": true,
                         "summary": "draws from the processed distribution"}])",
                    {"sample", sample});
