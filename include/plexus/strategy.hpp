// The C++20 SDK of decoding strategies: a generation loop as a coroutine, over the C ABI of
// strategy.h. Header-only. Failures of the host are thrown as sdk::Error and end the generation
// with their message unless caught.
//
//   plexus::Task<> generate(plexus::Generation &g) {              // greedy, whole
//     auto row = co_await g.forward(g.prompt());
//     while (g.emit(row.argmax()))
//       row = co_await g.forward(g.lastToken());
//   }
//   PLX_STRATEGY_PLUGIN("greedy", "1.0.0", R"([{"kind": "strategy", "id": "greedy"}])",
//                       {"greedy", generate});
#pragma once

#include <plexus/generation.hpp>
#include <plexus/tree.hpp>

namespace plexus {
namespace sdk {

/// The C side of one strategy instance.
class StrategyInstance {
public:
  using Body = Task<> (*)(Generation &);
  StrategyInstance(Body body, const plx_generation_params &params, const plx_generation_api *api,
                   plx_generation *g)
      : generation_(params, api, g), task_(body(generation_)) {
    generation_.waiting_ = task_.handle();
  }
  ~StrategyInstance() { generation_.alive_ = false; }

  static plx_status resume(void *self, const plx_result *const *results, size_t count,
                           plx_step *step, plx_error *error) noexcept {
    return guard(error, [&] { static_cast<StrategyInstance *>(self)->run(results, count, *step); });
  }
  static void destroy(void *self) noexcept { delete static_cast<StrategyInstance *>(self); }

private:
  void run(const plx_result *const *results, size_t count, plx_step &step) {
    Generation &g = generation_;
    g.results_ = results;
    g.resultCount_ = count;
    g.forwards_.clear();
    std::exchange(g.waiting_, nullptr).resume();
    if (task_.handle().done())
      task_.handle().promise().take();
    else if (!g.waiting_)
      throw Error(PLX_INTERNAL, "the coroutine awaits something that is not a forward request");
    step.forwards = g.forwards_.data();
    step.forward_count = g.forwards_.size();
  }

  Generation generation_;
  Task<> task_;
};

/// A strategy's id and its coroutine.
struct StrategyEntry {
  const char *id;
  StrategyInstance::Body generate;
};

template <size_t N>
plx_status createStrategy(const StrategyEntry (&entries)[N], plx_str id,
                          const plx_generation_params *params, const plx_generation_api *api,
                          plx_generation *g, plx_strategy *out, plx_error *error) noexcept {
  return guard(error, [&] {
    for (const StrategyEntry &entry : entries) {
      if (view(id) != entry.id)
        continue;
      out->self = new StrategyInstance(entry.generate, *params, api, g);
      out->resume = &StrategyInstance::resume;
      out->destroy = &StrategyInstance::destroy;
      return;
    }
    throw Error(PLX_NOT_FOUND, "no strategy '" + std::string(view(id)) + "' in this plugin");
  });
}

} // namespace sdk
} // namespace plexus

/// The outside of a plugin of strategies, at file scope; the last arguments are {"id", coroutine}.
#define PLX_STRATEGY_PLUGIN(name, version, provides, ...)                                          \
  static constexpr ::plexus::sdk::StrategyEntry plxStrategies_[] = {__VA_ARGS__};                  \
  static plx_status plxCreateStrategy_(plx_str id, const plx_generation_params *params,            \
                                       const plx_generation_api *api, plx_generation *g,           \
                                       plx_strategy *out, plx_error *error) {                      \
    return ::plexus::sdk::createStrategy(plxStrategies_, id, params, api, g, out, error);          \
  }                                                                                                \
  static const plx_strategy_factory plxStrategyFactory_ = {sizeof(plx_strategy_factory), nullptr,  \
                                                           &plxCreateStrategy_};                   \
  PLX_PLUGIN(name, version, provides, {PLX_STRATEGY_FACTORY_ID, &plxStrategyFactory_})
