// What the engine's tests share: a host with the built plugins, an engine, toy models.
#pragma once

#include "runtime/engine/Engine.h"
#include "tests/unit/engine/ToyModel.h"

#include <gtest/gtest.h>

namespace plexus::test {

class EngineTest : public ::testing::Test {
protected:
  static PluginHostOptions hostOptions() {
    PluginHostOptions options;
    options.paths = {PLEXUS_BINARY_DIR "/lib/plexus/plugins", PLEXUS_BINARY_DIR "/tests/zoo"};
    options.environment = options.userDirectory = options.installed = false;
    return options;
  }
  static EngineOptions engineOptions() {
    EngineOptions options;
    options.limits.blockedSeconds = 0.15;
    options.limits.chunk = 8;
    options.report = [](std::string_view) {};
    return options;
  }

  std::shared_ptr<EngineModel> toy(const ToyOptions &options = {}) {
    auto model = std::make_shared<EngineModel>();
    model->backend = std::make_unique<ToyBackend>(options);
    model->codec = std::make_shared<ToyCodec>();
    return model;
  }
  static ToyBackend &backend(const std::shared_ptr<EngineModel> &model) {
    return static_cast<ToyBackend &>(*model->backend);
  }

  GenerationOptions request(std::vector<int32_t> prompt, std::string strategy = "greedy") {
    GenerationOptions options;
    options.model = model;
    options.prompt = std::move(prompt);
    options.strategy = std::move(strategy);
    options.maxTokens = 24;
    return options;
  }

  /// Greedy decoding as a plain loop, without engine or plugin.
  static std::vector<int32_t> referenceGreedy(const ToyOptions &options, std::vector<int32_t> ids,
                                              size_t count) {
    std::vector<int32_t> made;
    while (made.size() < count) {
      const auto logits = toyLogits(options, ids);
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      ids.push_back(static_cast<int32_t>(best));
      made.push_back(ids.back());
    }
    return made;
  }

  PluginHost host{hostOptions()};
  EngineThread thread;
  std::shared_ptr<EngineModel> model = toy();
  std::unique_ptr<Engine> engine = std::make_unique<Engine>(host, thread, engineOptions());
};

} // namespace plexus::test
