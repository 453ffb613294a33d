// Text generation as a caller asks for it: a prompt in words or ids, and what should happen.
#pragma once

#include "runtime/api/OpenModel.h"
#include "runtime/engine/Engine.h"
#include "runtime/text/ChatTemplate.h"

namespace plexus {

struct GenerateRequest {
  /// Exactly one of these three.
  std::optional<std::string> prompt;
  std::vector<ChatMessage> chat; ///< Rendered by the model's chat template.
  std::vector<int32_t> promptIds;

  std::string strategy;               ///< Empty: sample where temperature is above 0, else greedy.
  OptionList options;                 ///< Of strategy and samplers: temperature, top_k, ...
  std::vector<OpenedModelPtr> drafts; ///< With the target's tokenizer; anything else is refused.
  int64_t maxTokens = 256;
  uint64_t seed = 0;
  std::vector<int32_t> eos; ///< Instead of the model's own.
  bool ignoreEos = false;
  std::vector<std::string> stopStrings;
  std::function<bool(const GenerationPiece &)> onPiece; ///< On the engine's thread; false cancels.
};

/// The engine of the process: one thread on which all models run, with the shared plugin host.
Engine &sharedEngine();

/// The ids that a request's prompt stands for.
Expected<std::vector<int32_t>> promptIds(const OpenedModel &model, const GenerateRequest &request);

/// Starts it; the handle's result has what is wrong with the generation itself.
Expected<std::shared_ptr<GenerationHandle>> startGenerate(const OpenedModel &model,
                                                          const GenerateRequest &request);
/// startGenerate and wait.
GenerationResult generate(const OpenedModel &model, const GenerateRequest &request);

} // namespace plexus
