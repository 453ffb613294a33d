// The vocabulary that a GGUF file embeds, as plain data: the GGUF reader fills it, the tokenizer
// reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace plexus {

/// Metadata `tokenizer.*` of a GGUF file, checked for type and for lengths that fit each other, but
/// not interpreted. Strings are bytes as stored (byte-level BPE tokens are not valid UTF-8 in the
/// sense of text, but always in the sense of encoding).
struct GgufVocabulary {
  std::string
      model;       ///< `tokenizer.ggml.model`: "gpt2" (byte-level BPE), "llama" (SentencePiece) ...
  std::string pre; ///< `tokenizer.ggml.pre`: name of the pre-tokenizer; empty when absent.
  std::vector<std::string> tokens; ///< [V] Index = id.
  std::vector<float> scores;       ///< [V] or empty.
  /// [V] or empty: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte.
  std::vector<int32_t> tokenTypes;
  std::vector<std::string> merges; ///< "left right", best first; empty for SentencePiece.
  std::optional<int64_t> bosId, eosId, unkId, padId;
  std::optional<bool> addBos, addEos, addSpacePrefix;
  std::string chatTemplate; ///< Jinja source; empty when absent.
};

} // namespace plexus
