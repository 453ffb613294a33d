// The post-processors of tokenizer.json: special tokens around sequences, and trimmed offsets.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/JsonFields.h"
#include "runtime/text/TokenSequence.h"
#include <memory>

namespace plexus::text {

class PostProcessor {
public:
  virtual ~PostProcessor() = default;
  /// How many special tokens are put around one text or around a pair.
  virtual size_t addedTokens(bool isPair) const = 0;
  /// Rewrites the sequences (one, or two for a pair), which are then joined.
  virtual Status process(std::vector<TokenSequence> &sequences, bool addSpecialTokens) const = 0;
};

/// Builds the post-processor that `json` describes; errors as for makeNormalizer.
Expected<std::unique_ptr<PostProcessor>> makePostProcessor(const Json &json, int depth = 0);

/// Puts `bos` in front of and `eos` behind each sequence, where given.
std::unique_ptr<PostProcessor> makeBosEos(std::optional<uint32_t> bos, std::optional<uint32_t> eos);

} // namespace plexus::text
