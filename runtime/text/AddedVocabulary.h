// Added tokens: found in the text before the model sees it, each with its own rules of matching.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/ByteTrie.h"
#include "runtime/text/Model.h"
#include "runtime/text/Normalizer.h"
#include "runtime/text/PreTokenizer.h"
#include <deque>
#include <map>
#include <unordered_set>

namespace plexus::text {

struct AddedToken {
  std::string content;
  bool singleWord = false; ///< Only where no word character touches it.
  bool lstrip = false;     ///< Takes white space before it along.
  bool rstrip = false;     ///< Takes white space behind it along.
  bool normalized = false; ///< Looked for in the normalized text, itself normalized.
  bool special = false;    ///< Left out by decode(skipSpecial).
};

class AddedVocabulary {
public:
  /// "added_tokens" of tokenizer.json.
  static Expected<std::vector<AddedToken>> fromJson(const Json &list);

  /// Tokens that the model knows keep its id; the others are numbered from the end of the model's
  /// vocabulary, whatever id the file gives them (as the reference does).
  Status add(const std::vector<AddedToken> &tokens, const Model &model,
             const Normalizer *normalizer);

  std::optional<uint32_t> find(std::string_view content) const;
  /// How the token of `id` is spelled when decoding: normalized, where it is matched normalized.
  const std::string *spelling(uint32_t id) const;
  const AddedToken *token(uint32_t id) const;
  bool isSpecial(std::string_view spelling) const {
    return special_.contains(std::string(spelling));
  }
  const std::map<std::string, uint32_t, std::less<>> &ids() const { return ids_; }
  uint32_t idLimit() const { return byId_.empty() ? 0 : byId_.rbegin()->first + 1; }

  /// Cuts `text` at added tokens and normalizes what lies between them.
  Status extract(std::string_view text, const Normalizer *normalizer,
                 std::vector<Split> &out) const;

private:
  struct Entry {
    AddedToken token;
    std::string spelling;
  };
  struct Hit {
    size_t begin, end;
    std::optional<uint32_t> id;
  };
  Status buildTries();
  void findIn(std::string_view text, const ByteTrie &trie, std::vector<Hit> &out) const;
  void cutAt(const NormalizedString &text, const ByteTrie &trie, std::vector<Split> &out) const;

  std::map<std::string, uint32_t, std::less<>> ids_;
  std::map<uint32_t, Entry> byId_;
  std::unordered_set<std::string> special_;
  ByteTrie rawTrie_, normalizedTrie_;
};

} // namespace plexus::text
