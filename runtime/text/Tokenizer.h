// Text to token ids and back, exactly as the model's own tokenizer file says.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/GgufVocabulary.h"
#include "runtime/text/TokenizerTypes.h"
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plexus {

namespace text {
struct TokenizerParts;
}

/// The ids that engines ask for, where the files name them.
struct SpecialTokenIds {
  std::optional<uint32_t> bos, eos, unk, pad;
};

/// An immutable tokenizer; any number of threads may use one. Loads what Hugging Face `tokenizers`
/// 0.23 loads (every normalizer, pre-tokenizer, model, post-processor and decoder; BPE dropout is
/// refused), and the "gpt2" and "llama" vocabularies of GGUF files. Ids, offsets and masks equal
/// the library's.
///
/// Text is UTF-8. Bytes that are not count as U+FFFD, one for each maximal invalid part; offsets
/// still refer to the bytes that were given. A text is limited to 1 GiB.
class Tokenizer {
public:
  /// `json` is tokenizer.json; `config`, where there is one, tokenizer_config.json (special token
  /// names, chat template). Corrupt or Unsupported, naming the component and field.
  static Expected<std::shared_ptr<const Tokenizer>> fromJson(std::string_view json,
                                                             std::string_view config = {});
  static Expected<std::shared_ptr<const Tokenizer>> fromGguf(const GgufVocabulary &vocabulary);
  /// What serialize() wrote.
  static Expected<std::shared_ptr<const Tokenizer>> fromSerialized(std::string_view bytes);
  ~Tokenizer();

  /// The tokenizer as bytes for an artifact section: a magic number, the kind of content, and the
  /// original files (or a JSON form of a GGUF vocabulary) unchanged.
  const std::string &serialize() const;

  /// Tokens of `text`, or of `text` and `pair`. InvalidArgument where truncation cannot be done.
  Expected<Encoding> encode(std::string_view text, const EncodeOptions &options = {}) const;
  Expected<Encoding> encode(std::string_view text, std::string_view pair,
                            const EncodeOptions &options = {}) const;
  /// The encodings of `texts`, padded to one length where `options.padding` asks for that.
  Expected<std::vector<Encoding>> encodeBatch(std::span<const std::string> texts,
                                              const EncodeOptions &options = {}) const;
  /// What the file itself asks for; encode() applies neither unless its options say so.
  const std::optional<TokenizerTruncation> &truncation() const;
  const std::optional<TokenizerPadding> &padding() const;

  /// The text of `ids`; ids without a token are left out. Byte sequences that are not UTF-8 show as
  /// U+FFFD.
  Expected<std::string> decode(std::span<const uint32_t> ids, bool skipSpecial = false) const;

  std::optional<uint32_t> tokenToId(std::string_view token) const;
  /// The token's spelling in the vocabulary ("Ġthe"), not its text.
  std::optional<std::string> idToToken(uint32_t id) const;
  /// The bytes that `id` adds to a text it does not begin: " the", or a lone byte of a longer
  /// character.
  std::optional<std::string> tokenBytes(uint32_t id) const;
  bool isSpecial(uint32_t id) const;
  /// Number of special tokens that encode() adds around one text, or around a pair.
  size_t addedTokens(bool isPair) const;

  size_t vocabSize() const;          ///< Tokens of the model.
  size_t vocabSizeWithAdded() const; ///< These and the added tokens.
  uint32_t idLimit() const;          ///< One more than the largest id.
  const SpecialTokenIds &specialIds() const;
  /// The chat template that the files carry (the one named "default" where there are several).
  const std::optional<std::string> &chatTemplate() const;

private:
  explicit Tokenizer(std::unique_ptr<const text::TokenizerParts> parts);
  std::unique_ptr<const text::TokenizerParts> parts_;
};

/// Decodes ids that arrive one at a time. A piece comes out as soon as it can no longer change:
/// never half a character, spaces as in the whole text.
class DecodeStream {
public:
  DecodeStream(std::shared_ptr<const Tokenizer> tokenizer, bool skipSpecial)
      : tokenizer_(std::move(tokenizer)), skipSpecial_(skipSpecial) {}

  /// The text that `id` completes, or nothing yet. Internal where the decoder takes back text that
  /// it had given out before.
  Expected<std::optional<std::string>> push(uint32_t id);
  /// What push() held back, with U+FFFD for the incomplete: to be called when no id follows.
  Expected<std::string> finish();

private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skipSpecial_;
  std::vector<uint32_t> ids_; ///< Ids of the last piece given out, and what came since.
  std::string prefix_;        ///< Text of the ids before prefixLength_.
  size_t prefixLength_ = 0;
};

} // namespace plexus
