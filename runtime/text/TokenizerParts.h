// What a tokenizer is made of, and how its parts are loaded.
#pragma once

#include "runtime/text/AddedVocabulary.h"
#include "runtime/text/Decoder.h"
#include "runtime/text/Model.h"
#include "runtime/text/Normalizer.h"
#include "runtime/text/PostProcessor.h"
#include "runtime/text/PreTokenizer.h"
#include "runtime/text/Tokenizer.h"

namespace plexus::text {

struct TokenizerParts {
  std::unique_ptr<Normalizer> normalizer;     ///< May be null.
  std::unique_ptr<PreTokenizer> preTokenizer; ///< May be null.
  std::unique_ptr<Model> model;
  std::unique_ptr<PostProcessor> postProcessor; ///< May be null.
  std::unique_ptr<Decoder> decoder;             ///< May be null: pieces are joined by spaces.
  bool decodesByteLevel = false;                ///< Token spellings use the byte-level alphabet.
  bool decodesByteTokens = false;               ///< <0xNN> tokens stand for bytes.
  AddedVocabulary added;
  std::optional<TokenizerTruncation> truncation;
  std::optional<TokenizerPadding> padding;
  SpecialTokenIds specialIds;
  std::optional<std::string> chatTemplate;
  std::string serialized;

  std::optional<uint32_t> find(std::string_view token) const;
  const std::string *spelling(uint32_t id) const;
  /// Sets `decoder` and the two flags about it.
  Status setDecoder(const Json &json);
};

using Parts = std::unique_ptr<TokenizerParts>;
Expected<Parts> loadJson(std::string_view json, std::string_view config);
Expected<Parts> loadGguf(const GgufVocabulary &vocabulary);
/// The JSON form that a serialized GGUF vocabulary has.
Expected<GgufVocabulary> ggufFromJson(std::string_view json);
Expected<Parts> loadSerialized(std::string_view bytes);

/// What kind of content a serialized tokenizer holds. The values are part of the artifact format.
enum class SerializedKind : uint32_t { HuggingFace = 1, Gguf = 2 };
/// "PLXT", u32 version 1, u32 kind, then each part as u64 length and bytes; little-endian.
std::string packSerialized(SerializedKind kind, std::string_view first, std::string_view second);

} // namespace plexus::text
