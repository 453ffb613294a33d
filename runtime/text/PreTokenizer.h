// The pre-tokenizers of tokenizer.json: cutting a normalized text into words.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/Model.h"
#include "runtime/text/NormalizedString.h"
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace plexus::text {

/// A piece of the text: still to be cut and tokenized, or already one added token.
struct Split {
  NormalizedString text;
  std::optional<uint32_t> addedToken;
};

/// Replaces each split that is not an added token by the pieces that `cut` appends for it; empty
/// pieces are dropped.
Status
resplit(std::vector<Split> &splits,
        const std::function<Status(NormalizedString &, std::vector<NormalizedString> &)> &cut);

class PreTokenizer {
public:
  virtual ~PreTokenizer() = default;
  virtual Status preTokenize(std::vector<Split> &splits) const = 0;
};

/// Builds the pre-tokenizer that `json` describes; errors as for makeNormalizer.
Expected<std::unique_ptr<PreTokenizer>> makePreTokenizer(const Json &json, int depth = 0);

/// How Metaspace puts its mark in front of a text.
enum class PrependScheme { First, Never, Always };
struct MetaspaceOptions {
  char32_t replacement;
  PrependScheme scheme;
  bool split;
};
/// Shared by the pre-tokenizer and the decoder of that name.
Expected<MetaspaceOptions> readMetaspace(const Fields &fields);

} // namespace plexus::text
