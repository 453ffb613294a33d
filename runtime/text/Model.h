// The models of tokenizer.json: from a normalized word to tokens.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/Vocabulary.h"
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::text {

/// One token of a word. `begin`, `end` are bytes of the word. `value` is the text that the token
/// stands for or, where the model says so, its spelling in the vocabulary; it lives as long as word
/// and model.
struct Token {
  uint32_t id;
  uint32_t begin, end;
  std::string_view value;
};

class Model {
public:
  virtual ~Model() = default;
  /// Appends the tokens of `word` (valid UTF-8, not empty).
  virtual Status tokenize(std::string_view word, std::vector<Token> &out) const = 0;
  virtual const Vocabulary &vocabulary() const = 0;
  /// Number of tokens that the model counts as its own.
  virtual size_t size() const { return vocabulary().size(); }
  virtual std::optional<uint32_t> unknownId() const = 0;
};

/// Byte pair encoding (Sennrich et al. 2016). `merges` are pairs by falling priority.
struct BpeOptions {
  std::optional<std::string> unknownToken;
  std::string continuingSubwordPrefix; ///< In front of every character but the first of a word.
  std::string endOfWordSuffix;         ///< Behind the last character of a word.
  bool fuseUnknown = false;            ///< Neighbouring unknown characters become one token.
  bool byteFallback = false;           ///< Unknown characters become <0xNN> tokens.
  bool ignoreMerges = false;           ///< A word that is a token is taken whole.
};
/// A merge of neighbours `left`, `right` into `result`, done in order of `rank`, then left to
/// right.
struct BpeMerge {
  uint32_t left, right, rank, result;
};
std::unique_ptr<Model> makeBpe(Vocabulary vocabulary, const std::vector<BpeMerge> &merges,
                               BpeOptions options);
/// The merge that turns `left` and `right` into their concatenation. Corrupt, naming the token,
/// where one of the three is not in `vocabulary`.
Expected<BpeMerge> bpeMerge(const Vocabulary &vocabulary, const std::string &left,
                            const std::string &right, uint32_t rank, size_t prefixLength = 0);

/// Builds the model that `json` describes: BPE, WordPiece, WordLevel or Unigram. Files older than
/// the "type" field are told apart by the fields they have. Errors as for makeNormalizer; BPE with
/// dropout is refused, since its output would be random.
Expected<std::unique_ptr<Model>> makeModel(const Json &json);
Expected<std::unique_ptr<Model>> makeBpeModel(const Fields &fields);
Expected<std::unique_ptr<Model>> makeWordPieceModel(const Fields &fields);
Expected<std::unique_ptr<Model>> makeWordLevelModel(const Fields &fields);
Expected<std::unique_ptr<Model>> makeUnigramModel(const Fields &fields);

/// The spelling of a byte-fallback token: "<0x0A>".
std::string byteToken(uint8_t byte);
/// The byte that "<0x0A>" stands for, if `token` has that form.
std::optional<uint8_t> parseByteToken(std::string_view token);

} // namespace plexus::text
