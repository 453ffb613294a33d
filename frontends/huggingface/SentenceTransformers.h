// The sentence-transformers layout: modules.json beside a model says how token rows become one
// embedding.
#pragma once

#include "runtime/support/Status.h"

#include <optional>
#include <string>

namespace plexus::frontends {

struct SentenceEmbedding {
  /// The folder of the transformer, absolute or as the model's folder was given.
  std::string transformerPath;
  /// "cls", "mean", "max", "mean_sqrt_len", "weighted_mean" or "last".
  std::string pooling;
  bool normalize = false; ///< To unit L2 norm, after pooling.
  /// Longer texts are cut to this many tokens, special ones included.
  std::optional<int64_t> maxSequenceLength;
  bool lowerCase = false;    ///< Texts are lowercased before they are tokenized.
  std::string defaultPrompt; ///< Put before every text; usually empty.
};

/// Reads modules.json and what it names. NotFound when there is no modules.json; Unsupported for
/// modules and pooling modes that Plexus has not, by name.
Expected<SentenceEmbedding> readSentenceEmbedding(const std::string &folder);

} // namespace plexus::frontends
