// What a step of the engine costs: a model that does nothing, stepped by strategy plugins. Prints
// one line a case and, with --json, one JSON document.
#include "runtime/engine/Engine.h"
#include "tests/unit/engine/NoOpModel.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

using namespace plexus;

namespace {

struct Case {
  const char *name;
  int64_t vocabSize;
  int generations; ///< Stepped together.
  OptionList options;
};

/// Median over repeats of the nanoseconds that one step of one generation costs.
double measure(Engine &engine, const Case &each) {
  auto model = std::make_shared<EngineModel>();
  model->backend = std::make_unique<test::NoOpBackend>(each.vocabSize);
  const int64_t tokens = each.vocabSize > 1000 ? 2'000 : 100'000;
  std::vector<double> seconds;
  for (int repeat = 0; repeat < 7; ++repeat) {
    std::vector<std::shared_ptr<GenerationHandle>> handles;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < each.generations; ++i) {
      GenerationOptions options;
      options.model = model;
      options.prompt = {1};
      options.options = each.options;
      options.maxTokens = tokens / each.generations;
      handles.push_back(engine.start(options));
    }
    for (auto &handle : handles)
      if (const GenerationResult result = handle->wait(); !result.status) {
        std::fprintf(stderr, "%s\n", result.status.message().c_str());
        return -1;
      }
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2] / static_cast<double>(tokens) * 1e9;
}

} // namespace

int main(int argc, char **argv) {
  const bool json = argc > 1 && std::string_view(argv[1]) == "--json";
  PluginHostOptions places;
  places.paths = {PLEXUS_BINARY_DIR "/lib/plexus/plugins"};
  PluginHost host(places);
  EngineThread thread;
  Engine engine(host, thread);
  const Case cases[] = {
      {"greedy, vocabulary 32", 32, 1, {}},
      {"greedy, vocabulary 32000", 32000, 1, {}},
      {"greedy, vocabulary 32, 8 together", 32, 8, {}},
      {"sample, vocabulary 32", 32, 1, {{"temperature", "0.7"}, {"top_k", "20"}}},
      {"sample, vocabulary 32000", 32000, 1, {{"temperature", "0.7"}, {"top_k", "40"}}},
  };
  std::string document;
  for (const Case &each : cases) {
    const double nanoseconds = measure(engine, each);
    char line[160];
    std::snprintf(line, sizeof(line), "%s{\"case\": \"%s\", \"ns_per_step\": %.0f}",
                  document.empty() ? "" : ", ", each.name, nanoseconds);
    document += line;
    if (!json)
      std::printf("%-36s %8.0f ns a step\n", each.name, nanoseconds);
  }
  if (json)
    std::printf("{\"engine_overhead\": [%s]}\n", document.c_str());
}
