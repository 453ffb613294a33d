// What callers of the engine give to a generation and get from it.
#pragma once

#include "runtime/engine/ForwardBackend.h"
#include "runtime/engine/SamplerChain.h"
#include "runtime/engine/TextCodec.h"

#include <plexus/strategy.h>

#include <functional>

namespace plexus {

/// A model as the engine uses it. Belongs to one engine; its backend is touched by that engine's
/// thread only.
struct EngineModel {
  std::unique_ptr<ForwardBackend> backend;
  std::shared_ptr<const TextCodec> codec; ///< Null: ids only.

  /// The engine's, for one pump: requests of all generations on this model.
  struct Batch {
    std::vector<ForwardRequest> requests;
    std::vector<ForwardOutcome> outcomes;
    std::vector<std::pair<void *, size_t>> owners; ///< Who asked, and its request.
  } batch;
};

/// What was just emitted to output 0.
struct GenerationPiece {
  std::span<const int32_t> ids;
  std::string_view text; ///< May be empty while a character or a stop string is incomplete.
};

struct GenerationOptions {
  std::shared_ptr<EngineModel> model;
  std::vector<std::shared_ptr<EngineModel>> drafts;
  std::vector<int32_t> prompt; ///< At least one id.
  /// Empty: "sample" where the option temperature is above 0, else "greedy".
  std::string strategy;
  /// Of the strategy and of the samplers ("temperature", "top_k", ...), as --set gives them. One
  /// that nobody understands is refused. "samplers": comma-separated ids of the chain, instead of
  /// the default one.
  OptionList options;
  int64_t maxTokens = 256; ///< Of each output.
  uint64_t seed = 0;
  std::vector<int32_t> stopTokens;
  std::vector<std::string> stopStrings;
  /// Called on the engine's thread; false cancels. Must not block and must not throw.
  std::function<bool(const GenerationPiece &)> onPiece;
};

struct GenerationOutput {
  std::vector<int32_t> ids; ///< New ones only; a stop token is included.
  std::string text;
  plx_stop stop = PLX_STOP_NONE;
  double score = 0;
  bool hasScore = false;
};

struct GenerationTiming {
  int64_t promptTokens = 0, steps = 0;
  double firstTokenSeconds =
      0; ///< From start to the first emitted id; prefill and waiting included.
  double totalSeconds = 0;
};

/// What became of a generation. With an error in `status` (Cancelled included), the outputs hold
/// what had been emitted.
struct GenerationResult {
  Status status;
  std::vector<GenerationOutput> outputs;
  std::vector<std::pair<std::string, int64_t>> counters; ///< "drafted", "accepted", ...
  GenerationTiming timing;
};

struct EngineLimits {
  int64_t chunk = 512; ///< Prompt rows of one step, so that others are not kept waiting.
  /// Steps of a strategy since it last emitted, for each token that it may emit.
  int64_t stepsPerToken = 64;
  double blockedSeconds = 10; ///< A strategy that does not return for so long is reported.
};

} // namespace plexus
