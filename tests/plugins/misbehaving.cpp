// Strategies that misbehave, each in one way.
#include <plexus/strategy.hpp>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace {

using plexus::Generation;
using plexus::Task;

Task<> throwsAtOnce(Generation &) {
  throw std::runtime_error("the plugin threw this");
  co_return;
}

Task<> throwsLater(Generation &g) {
  auto row = co_await g.forward(g.prompt());
  g.emit(row.argmax());
  throw 42;
}

/// Never looks at whether the output has stopped.
Task<> emitsForEver(Generation &g) {
  auto row = co_await g.forward(g.prompt());
  while (true) {
    g.emit(row.argmax());
    row = co_await g.forward(g.lastToken());
  }
}

/// Asks, and never emits.
Task<> asksForEver(Generation &g) {
  while (true)
    co_await g.main().scratch(g.prompt());
}

/// Asks for what is refused, and never takes no for an answer.
Task<> insists(Generation &g) {
  while (true)
    try {
      const int32_t outside[] = {-5};
      co_await g.forward(outside);
    } catch (const plexus::sdk::Error &) {
    }
}

Task<> blocks(Generation &g) {
  auto row = co_await g.forward(g.prompt());
  g.emit(row.argmax());
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  g.emit(row.argmax());
}

Task<> awaitsNothing(Generation &) { co_await std::suspend_always(); }

Task<> emitsNonsense(Generation &g) {
  co_await g.forward(g.prompt());
  g.emit(1 << 30);
}

} // namespace

PLX_STRATEGY_PLUGIN("misbehaving", "1.0.0", R"([
  {"kind": "strategy", "id": "throws_at_once"}, {"kind": "strategy", "id": "throws_later"},
  {"kind": "strategy", "id": "emits_for_ever"}, {"kind": "strategy", "id": "asks_for_ever"},
  {"kind": "strategy", "id": "insists"}, {"kind": "strategy", "id": "blocks"},
  {"kind": "strategy", "id": "awaits_nothing"}, {"kind": "strategy", "id": "emits_nonsense"},
  {"kind": "strategy", "id": "not_there"}])",
                    {"throws_at_once", throwsAtOnce}, {"throws_later", throwsLater},
                    {"emits_for_ever", emitsForEver}, {"asks_for_ever", asksForEver},
                    {"insists", insists}, {"blocks", blocks}, {"awaits_nothing", awaitsNothing},
                    {"emits_nonsense", emitsNonsense});
