// What a step of the engine costs: a model that does nothing, stepped by strategy plugins. Prints
// one line a case and, with --json, one JSON document.
#include "runtime/engine/Engine.h"
#include "tests/unit/engine/NoOpModel.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string_view>

using namespace plexus;

namespace {

struct Case {
  const char *name;
  int64_t vocabSize;
  int generations; ///< Stepped together.
  OptionList options;
};

/// Processor time of all threads of this process: what a busy machine does not change much.
double processorSeconds() {
  timespec now = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Cost {
  double elapsed = -1, processor = -1;
};

/// Median over repeats of the nanoseconds that one step of one generation costs.
Cost measure(Engine &engine, const Case &each) {
  auto model = std::make_shared<EngineModel>();
  model->backend = std::make_unique<test::NoOpBackend>(each.vocabSize);
  const int64_t tokens = each.vocabSize > 1000 ? 2'000 : 100'000;
  std::vector<double> seconds, processor;
  for (int repeat = 0; repeat < 7; ++repeat) {
    std::vector<std::shared_ptr<GenerationHandle>> handles;
    const auto start = std::chrono::steady_clock::now();
    const double processorStart = processorSeconds();
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
        return {};
      }
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    processor.push_back(processorSeconds() - processorStart);
  }
  const auto perStep = [&](std::vector<double> &values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2] / static_cast<double>(tokens) * 1e9;
  };
  return {perStep(seconds), perStep(processor)};
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
    const Cost cost = measure(engine, each);
    char line[200];
    std::snprintf(line, sizeof(line),
                  "%s{\"case\": \"%s\", \"ns_per_step\": %.0f, \"processor_ns_per_step\": %.0f}",
                  document.empty() ? "" : ", ", each.name, cost.elapsed, cost.processor);
    document += line;
    if (!json)
      std::printf("%-36s %8.0f ns a step, %8.0f of them computing\n", each.name, cost.elapsed,
                  cost.processor);
  }
  if (json)
    std::printf("{\"engine_overhead\": [%s]}\n", document.c_str());
}
