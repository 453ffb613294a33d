// WordPiece (greedy longest prefix) and WordLevel (whole words).
#include "runtime/text/ByteTrie.h"
#include "runtime/text/Model.h"
#include "runtime/text/Utf8.h"

namespace plexus::text {

namespace {
class WordPiece : public Model {
public:
  WordPiece(Vocabulary vocabulary, std::string unknown, std::string prefix, uint64_t maxChars)
      : vocabulary_(std::move(vocabulary)), unknown_(std::move(unknown)),
        prefix_(std::move(prefix)), maxChars_(maxChars) {
    std::vector<std::pair<std::string_view, uint32_t>> entries;
    for (uint32_t id = 0; id < vocabulary_.idLimit(); ++id)
      if (const std::string *token = vocabulary_.token(id); token && vocabulary_.find(*token) == id)
        entries.push_back({*token, id});
    trie_.build(std::move(entries));
    prefixNode_ = trie_.root();
    for (size_t i = 0; i < prefix_.size() && prefixNode_ != ByteTrie::none; ++i)
      prefixNode_ = trie_.step(prefixNode_, uint8_t(prefix_[i]));
  }

  Status tokenize(std::string_view word, std::vector<Token> &out) const override {
    size_t before = out.size();
    bool known = countChars(word) <= maxChars_;
    for (uint32_t begin = 0; known && begin < word.size();) {
      Token token = longest(word, begin);
      known = token.id != ByteTrie::none;
      begin = token.end;
      if (known)
        out.push_back(token);
    }
    if (known)
      return Status::ok();
    out.resize(before);
    std::optional<uint32_t> id = unknownId();
    if (!id)
      return error(Code::Corrupt) << "model WordPiece: unk_token '" << unknown_
                                  << "' is needed but is not in the vocabulary";
    out.push_back({*id, 0, uint32_t(word.size()), unknown_});
    return Status::ok();
  }
  const Vocabulary &vocabulary() const override { return vocabulary_; }
  std::optional<uint32_t> unknownId() const override { return vocabulary_.find(unknown_); }

private:
  /// The longest token that `word` has at `begin`; its id is none where there is none.
  Token longest(std::string_view word, uint32_t begin) const {
    Token best{ByteTrie::none, begin, begin, {}};
    uint32_t node = begin == 0 ? trie_.root() : prefixNode_;
    for (uint32_t end = begin; node != ByteTrie::none && end < word.size();) {
      node = trie_.step(node, uint8_t(word[end++]));
      if (node != ByteTrie::none && trie_.value(node) != ByteTrie::none)
        best = {trie_.value(node), begin, end, {}};
    }
    if (best.id != ByteTrie::none)
      best.value = *vocabulary_.token(best.id);
    return best;
  }

  Vocabulary vocabulary_;
  std::string unknown_, prefix_;
  uint64_t maxChars_;
  ByteTrie trie_;
  uint32_t prefixNode_;
};

class WordLevel : public Model {
public:
  WordLevel(Vocabulary vocabulary, std::string unknown)
      : vocabulary_(std::move(vocabulary)), unknown_(std::move(unknown)) {}

  Status tokenize(std::string_view word, std::vector<Token> &out) const override {
    std::optional<uint32_t> id = vocabulary_.find(word);
    if (!id)
      id = unknownId();
    if (!id)
      return error(Code::Corrupt) << "model WordLevel: unk_token '" << unknown_
                                  << "' is needed but is not in the vocabulary";
    out.push_back({*id, 0, uint32_t(word.size()), *vocabulary_.token(*id)});
    return Status::ok();
  }
  const Vocabulary &vocabulary() const override { return vocabulary_; }
  std::optional<uint32_t> unknownId() const override { return vocabulary_.find(unknown_); }

private:
  Vocabulary vocabulary_;
  std::string unknown_;
};
} // namespace

Expected<std::unique_ptr<Model>> makeWordPieceModel(const Fields &f) {
  PLX_ASSIGN(std::string unknown, f.string("unk_token"));
  PLX_ASSIGN(std::string prefix, f.string("continuing_subword_prefix"));
  PLX_ASSIGN(uint64_t maxChars, f.number("max_input_chars_per_word"));
  PLX_ASSIGN(const Json *vocab, f.require("vocab"));
  PLX_ASSIGN(Vocabulary vocabulary, Vocabulary::fromJson(*vocab, f.what()));
  return std::unique_ptr<Model>(
      new WordPiece(std::move(vocabulary), std::move(unknown), std::move(prefix), maxChars));
}

Expected<std::unique_ptr<Model>> makeWordLevelModel(const Fields &f) {
  PLX_ASSIGN(std::string unknown, f.string("unk_token"));
  PLX_ASSIGN(const Json *vocab, f.require("vocab"));
  PLX_ASSIGN(Vocabulary vocabulary, Vocabulary::fromJson(*vocab, f.what()));
  return std::unique_ptr<Model>(new WordLevel(std::move(vocabulary), std::move(unknown)));
}

} // namespace plexus::text
