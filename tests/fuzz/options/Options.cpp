// Any options for any strategy and its samplers: refused by name, or a generation that keeps to its
// limits. The input's lines: the strategy's id, then "key=value" each.
#include "runtime/engine/Engine.h"
#include "tests/unit/engine/ToyModel.h"

#include <cmath>

using namespace plexus;
using namespace plexus::test;

namespace {

constexpr int64_t kMaxTokens = 6;

/// What all inputs share: the plugins of the build, an engine, a model and a draft.
struct World {
  EngineThread thread;
  std::shared_ptr<EngineModel> model = toy({}), draft = toy({.ownWeight = 0.5f, .ownSeed = 3});
  Engine engine{PluginHost::shared(), thread, options()};

  static std::shared_ptr<EngineModel> toy(const ToyOptions &options) {
    auto model = std::make_shared<EngineModel>();
    model->backend = std::make_unique<ToyBackend>(options);
    model->codec = std::make_shared<ToyCodec>();
    return model;
  }
  static EngineOptions options() {
    EngineOptions options;
    options.limits.blockedSeconds = 30;
    return options;
  }
};

GenerationOptions read(std::string_view text) {
  GenerationOptions options;
  options.prompt = {1, 2, 3, 1, 2};
  options.maxTokens = kMaxTokens;
  bool first = true;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t equals = std::min(line.find('='), line.size());
    if (std::exchange(first, false))
      options.strategy = line;
    else
      options.options.emplace_back(line.substr(0, equals),
                                   line.substr(std::min(line.size(), equals + 1)));
  }
  return options;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static World world;
  GenerationOptions options = read({reinterpret_cast<const char *>(data), size});
  options.model = world.model;
  options.drafts = {world.draft};
  const GenerationResult result = world.engine.generate(std::move(options));
  if (!result.status) {
    if (result.status.message().empty() || result.status.code() == Code::Internal)
      __builtin_trap();
    return 0;
  }
  for (const GenerationOutput &output : result.outputs)
    if (output.ids.size() > kMaxTokens || std::isnan(output.score))
      __builtin_trap();
  // Nothing of a generation stays behind.
  for (const auto &model : {world.model, world.draft})
    if (static_cast<ToyBackend &>(*model->backend).openSequences() != 0)
      __builtin_trap();
  return 0;
}
