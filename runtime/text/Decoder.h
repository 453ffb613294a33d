// The decoders of tokenizer.json: from token spellings back to text.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/JsonFields.h"
#include <memory>
#include <string>
#include <vector>

namespace plexus::text {

class Decoder {
public:
  virtual ~Decoder() = default;
  /// Rewrites the list of pieces; their concatenation at the end of the chain is the text.
  virtual Status decode(std::vector<std::string> &pieces) const = 0;
};

/// Builds the decoder that `json` describes; errors as for makeNormalizer.
Expected<std::unique_ptr<Decoder>> makeDecoder(const Json &json, int depth = 0);

} // namespace plexus::text
