// Byte pair encoding with a heap of candidate merges: O(n log n) in the length of a word.
#include "runtime/text/Model.h"
#include "runtime/text/Utf8.h"

#include <algorithm>
#include <array>
#include <queue>

namespace plexus::text {

namespace {
constexpr uint32_t noToken = UINT32_MAX;

/// Open-addressed table from a pair of ids to its merge; lookups are most of the work of encoding.
class MergeTable {
public:
  struct Entry {
    uint32_t left = noToken, right = noToken, rank = 0, result = 0;
  };

  /// Of a pair given twice the last counts.
  void build(const std::vector<BpeMerge> &merges) {
    size_t capacity = 16;
    while (capacity < merges.size() * 2)
      capacity *= 2;
    entries_.assign(capacity, {});
    for (const BpeMerge &m : merges)
      *slot(m.left, m.right) = {m.left, m.right, m.rank, m.result};
  }
  const Entry *find(uint32_t left, uint32_t right) const {
    const Entry *e = const_cast<MergeTable *>(this)->slot(left, right);
    return e->left == noToken ? nullptr : e;
  }

private:
  Entry *slot(uint32_t left, uint32_t right) {
    uint64_t hash = (uint64_t(left) << 32 | right) * 0x9E3779B97F4A7C15ull;
    size_t mask = entries_.size() - 1;
    for (size_t i = (hash >> 32) & mask;; i = (i + 1) & mask) {
      Entry &e = entries_[i];
      if (e.left == noToken || (e.left == left && e.right == right))
        return &e;
    }
  }
  std::vector<Entry> entries_;
};

/// A token of the word under construction, linked to its neighbours; length 0 marks one merged
/// away.
struct Symbol {
  uint32_t id;
  uint32_t length;
  int32_t previous, next;
};

/// A merge of the symbol at `position` with its right neighbour.
struct Candidate {
  uint32_t rank, position, result;
  bool operator>(const Candidate &o) const {
    return rank != o.rank ? rank > o.rank : position > o.position;
  }
};

class Bpe : public Model {
public:
  Bpe(Vocabulary vocabulary, const std::vector<BpeMerge> &merges, BpeOptions options);

  Status tokenize(std::string_view word, std::vector<Token> &out) const override;
  const Vocabulary &vocabulary() const override { return vocabulary_; }
  std::optional<uint32_t> unknownId() const override { return unknown_; }

private:
  Status split(std::string_view word, std::vector<Symbol> &symbols) const;
  uint32_t characterId(std::string_view word, size_t begin, size_t length) const;
  bool addFallback(std::string_view word, size_t begin, size_t length,
                   std::vector<Symbol> &symbols) const;
  std::string decorated(std::string_view word, size_t begin, size_t length) const;
  void mergeAll(std::vector<Symbol> &symbols) const;

  Vocabulary vocabulary_;
  BpeOptions options_;
  std::optional<uint32_t> unknown_;
  bool decorates_;
  MergeTable merges_;
  std::array<uint32_t, 0x800> shortChars_{}; ///< Ids of one- and two-byte characters on their own.
  std::array<uint32_t, 256> byteTokens_{};
};

Bpe::Bpe(Vocabulary vocabulary, const std::vector<BpeMerge> &merges, BpeOptions options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)),
      decorates_(!options_.continuingSubwordPrefix.empty() || !options_.endOfWordSuffix.empty()) {
  if (options_.unknownToken)
    unknown_ = vocabulary_.find(*options_.unknownToken);
  merges_.build(merges);
  for (uint32_t c = 0; c < shortChars_.size(); ++c) {
    std::string s;
    appendUtf8(s, c);
    shortChars_[c] = vocabulary_.find(s).value_or(noToken);
  }
  for (int b = 0; b < 256; ++b)
    byteTokens_[size_t(b)] = vocabulary_.find(byteToken(uint8_t(b))).value_or(noToken);
}

std::string Bpe::decorated(std::string_view word, size_t begin, size_t length) const {
  std::string s;
  if (begin > 0)
    s += options_.continuingSubwordPrefix;
  s += word.substr(begin, length);
  if (begin + length == word.size())
    s += options_.endOfWordSuffix;
  return s;
}

uint32_t Bpe::characterId(std::string_view word, size_t begin, size_t length) const {
  if (decorates_)
    return vocabulary_.find(decorated(word, begin, length)).value_or(noToken);
  if (length <= 2)
    return shortChars_[decodeAt(word, begin).codePoint];
  return vocabulary_.find(word.substr(begin, length)).value_or(noToken);
}

bool Bpe::addFallback(std::string_view word, size_t begin, size_t length,
                      std::vector<Symbol> &symbols) const {
  if (!options_.byteFallback)
    return false;
  std::string bytes = decorated(word, begin, length);
  for (char b : bytes)
    if (byteTokens_[uint8_t(b)] == noToken)
      return false;
  for (char b : bytes)
    symbols.push_back({byteTokens_[uint8_t(b)], 1, 0, 0});
  return true;
}

Status Bpe::split(std::string_view word, std::vector<Symbol> &symbols) const {
  uint32_t pendingUnknown = 0; // Bytes of unknown characters not yet made a symbol.
  auto flush = [&] {
    if (pendingUnknown > 0)
      symbols.push_back({*unknown_, pendingUnknown, 0, 0});
    pendingUnknown = 0;
  };
  for (size_t begin = 0; begin < word.size();) {
    size_t length = validLength(word[begin]);
    uint32_t id = characterId(word, begin, length);
    if (id != noToken) {
      flush();
      symbols.push_back({id, uint32_t(length), 0, 0});
    } else if (!addFallback(word, begin, length, symbols) && options_.unknownToken) {
      if (!unknown_)
        return error(Code::Corrupt) << "model BPE: unk_token '" << *options_.unknownToken
                                    << "' is needed but is not in the vocabulary";
      // Byte tokens do not flush: an unknown run before them comes out after them.
      if (!options_.fuseUnknown)
        flush();
      pendingUnknown += uint32_t(length);
    }
    begin += length;
  }
  flush();
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = int32_t(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? int32_t(i) + 1 : -1;
  }
  return Status::ok();
}

void Bpe::mergeAll(std::vector<Symbol> &symbols) const {
  thread_local std::vector<Candidate> storage;
  storage.clear();
  auto offer = [&](int32_t position) {
    const Symbol &left = symbols[size_t(position)], &right = symbols[size_t(left.next)];
    if (const MergeTable::Entry *m = merges_.find(left.id, right.id)) {
      storage.push_back({m->rank, uint32_t(position), m->result});
      return true;
    }
    return false;
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i)
    offer(int32_t(i));
  std::greater<> byPriority;
  std::make_heap(storage.begin(), storage.end(), byPriority);
  while (!storage.empty()) {
    std::pop_heap(storage.begin(), storage.end(), byPriority);
    Candidate top = storage.back();
    storage.pop_back();
    Symbol &left = symbols[top.position];
    if (left.length == 0 || left.next < 0)
      continue;
    Symbol &right = symbols[size_t(left.next)];
    // A candidate is stale unless its pair still merges into the same token.
    const MergeTable::Entry *m = merges_.find(left.id, right.id);
    if (!m || m->result != top.result)
      continue;
    left.id = top.result;
    left.length += right.length;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0)
      symbols[size_t(left.next)].previous = int32_t(top.position);
    if (left.previous >= 0 && offer(left.previous))
      std::push_heap(storage.begin(), storage.end(), byPriority);
    if (left.next >= 0 && offer(int32_t(top.position)))
      std::push_heap(storage.begin(), storage.end(), byPriority);
  }
}

Status Bpe::tokenize(std::string_view word, std::vector<Token> &out) const {
  if (options_.ignoreMerges)
    if (auto id = vocabulary_.find(word)) {
      out.push_back({*id, 0, uint32_t(word.size()), *vocabulary_.token(*id)});
      return Status::ok();
    }
  thread_local std::vector<Symbol> symbols;
  symbols.clear();
  PLX_RETURN_IF_ERROR(split(word, symbols));
  mergeAll(symbols);
  uint32_t begin = 0;
  for (const Symbol &s : symbols) {
    if (s.length == 0)
      continue;
    out.push_back({s.id, begin, begin + s.length, *vocabulary_.token(s.id)});
    begin += s.length;
  }
  return Status::ok();
}
} // namespace

Expected<BpeMerge> bpeMerge(const Vocabulary &vocabulary, const std::string &left,
                            const std::string &right, uint32_t rank, size_t prefixLength) {
  BpeMerge m{0, 0, rank, 0};
  std::string merged = left + (right.size() >= prefixLength ? right.substr(prefixLength) : "");
  struct Part {
    const std::string &token;
    uint32_t &id;
  };
  for (const Part &part : {Part{left, m.left}, Part{right, m.right}, Part{merged, m.result}}) {
    auto id = vocabulary.find(part.token);
    if (!id)
      return error(Code::Corrupt) << "merge " << rank << " needs the token '" << part.token
                                  << "', which the vocabulary does not have";
    part.id = *id;
  }
  return m;
}

std::unique_ptr<Model> makeBpe(Vocabulary vocabulary, const std::vector<BpeMerge> &merges,
                               BpeOptions options) {
  return std::unique_ptr<Model>(new Bpe(std::move(vocabulary), merges, std::move(options)));
}

namespace {
/// One element of "merges": "a b" or ["a", "b"].
Expected<std::pair<std::string, std::string>> mergePair(const Json &item, size_t rank) {
  if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string())
    return std::pair(item[0].get<std::string>(), item[1].get<std::string>());
  if (item.is_string()) {
    const std::string &s = item.get_ref<const std::string &>();
    size_t space = s.find(' ');
    if (space != std::string::npos && s.find(' ', space + 1) == std::string::npos)
      return std::pair(s.substr(0, space), s.substr(space + 1));
  }
  return error(Code::Corrupt) << "model BPE: merge " << rank
                              << " must be \"a b\" or [\"a\", \"b\"]";
}

Expected<std::vector<BpeMerge>> readMerges(const Fields &f, const Vocabulary &vocabulary,
                                           size_t prefixLength) {
  PLX_ASSIGN(const Json *list, f.require("merges"));
  if (!list->is_array())
    return f.wrongKind("merges", "an array");
  std::vector<BpeMerge> merges;
  merges.reserve(list->size());
  for (const Json &item : *list) {
    if (item.is_string() && item.get_ref<const std::string &>().starts_with("#version"))
      continue;
    PLX_ASSIGN(auto pair, mergePair(item, merges.size()));
    auto merge =
        bpeMerge(vocabulary, pair.first, pair.second, uint32_t(merges.size()), prefixLength);
    if (!merge)
      return merge.status().at(f.what());
    merges.push_back(*merge);
  }
  return merges;
}
} // namespace

Expected<std::unique_ptr<Model>> makeBpeModel(const Fields &f) {
  if (const Json *dropout = f.find("dropout"))
    if (!dropout->is_number() || dropout->get<double>() != 0)
      return error(Code::Unsupported)
             << f.what() << ": 'dropout' makes encoding random; remove it from the file";
  BpeOptions options;
  if (f.find("unk_token")) {
    PLX_ASSIGN(options.unknownToken, f.string("unk_token"));
  }
  PLX_ASSIGN(options.continuingSubwordPrefix, f.string("continuing_subword_prefix", ""));
  PLX_ASSIGN(options.endOfWordSuffix, f.string("end_of_word_suffix", ""));
  PLX_ASSIGN(options.fuseUnknown, f.boolean("fuse_unk", false));
  PLX_ASSIGN(options.byteFallback, f.boolean("byte_fallback", false));
  PLX_ASSIGN(options.ignoreMerges, f.boolean("ignore_merges", false));
  PLX_ASSIGN(const Json *vocab, f.require("vocab"));
  PLX_ASSIGN(Vocabulary vocabulary, Vocabulary::fromJson(*vocab, f.what()));
  PLX_ASSIGN(auto merges, readMerges(f, vocabulary, options.continuingSubwordPrefix.size()));
  return makeBpe(std::move(vocabulary), merges, std::move(options));
}

} // namespace plexus::text
