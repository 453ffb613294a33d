// The normalizers of tokenizer.json: rewriting a text before it is split and tokenized.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/NormalizedString.h"
#include <memory>
#include <nlohmann/json_fwd.hpp>

namespace plexus::text {

class Normalizer {
public:
  virtual ~Normalizer() = default;
  virtual Status normalize(NormalizedString &s) const = 0;
};

/// Builds the normalizer that `json` (an object with a "type") describes. Unsupported, naming the
/// type and listing the known ones, where the type is unknown; Corrupt, naming the field, where a
/// field is missing or of the wrong kind. `depth` counts how many sequences are around it.
Expected<std::unique_ptr<Normalizer>> makeNormalizer(const nlohmann::json &json, int depth = 0);

/// The four Unicode normalization forms.
enum class NormalForm { Nfc, Nfd, Nfkc, Nfkd };
void applyNormalForm(NormalizedString &s, NormalForm form);

/// SentencePiece's compiled character map (`precompiled_charsmap`, base64): a trie from byte
/// strings to replacements.
Expected<std::unique_ptr<Normalizer>> makePrecompiled(std::string_view base64);

} // namespace plexus::text
