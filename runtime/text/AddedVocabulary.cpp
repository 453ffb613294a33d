// Leftmost-longest matching of added tokens with their flags.
#include "runtime/text/AddedVocabulary.h"
#include "runtime/text/UnicodeProps.h"
#include "runtime/text/Utf8.h"

#include <algorithm>

namespace plexus::text {

namespace {
/// Bounds the work of one match; published tokens have a few dozen bytes.
constexpr size_t maxContentBytes = 4096;

bool endsWithWord(std::string_view s) {
  size_t pos = s.size();
  while (pos > 0 && (uint8_t(s[--pos]) & 0xC0) == 0x80) {
  }
  return !s.empty() && isWordChar(decodeAt(s, pos).codePoint);
}

bool startsWithWord(std::string_view s) {
  return !s.empty() && isWordChar(decodeAt(s, 0).codePoint);
}

/// Where the white space at the end of `s` begins.
size_t trailingSpace(std::string_view s) {
  size_t end = s.size();
  while (end > 0) {
    size_t pos = end;
    while (pos > 0 && (uint8_t(s[--pos]) & 0xC0) == 0x80) {
    }
    if (!isWhitespace(decodeAt(s, pos).codePoint))
      break;
    end = pos;
  }
  return end;
}

/// Where the white space at the beginning of `s` ends.
size_t leadingSpace(std::string_view s) {
  size_t pos = 0;
  while (pos < s.size()) {
    DecodedChar c = decodeAt(s, pos);
    if (!isWhitespace(c.codePoint))
      break;
    pos += c.length;
  }
  return pos;
}
} // namespace

Expected<std::vector<AddedToken>> AddedVocabulary::fromJson(const Json &list) {
  if (!list.is_array())
    return error(Code::Corrupt) << "added_tokens: must be an array";
  std::vector<AddedToken> out;
  for (const Json &item : list) {
    if (!item.is_object())
      return error(Code::Corrupt) << "added_tokens: entry " << out.size() << " must be an object";
    Fields f(item, "added_tokens[" + std::to_string(out.size()) + "]");
    AddedToken t;
    PLX_ASSIGN(t.content, f.string("content"));
    PLX_ASSIGN(t.singleWord, f.boolean("single_word"));
    PLX_ASSIGN(t.lstrip, f.boolean("lstrip"));
    PLX_ASSIGN(t.rstrip, f.boolean("rstrip"));
    PLX_ASSIGN(t.normalized, f.boolean("normalized"));
    PLX_ASSIGN(t.special, f.boolean("special"));
    if (t.content.size() > maxContentBytes)
      return error(Code::ResourceExhausted) << f.what() << ": content of " << t.content.size()
                                            << " bytes; the limit is " << maxContentBytes;
    out.push_back(std::move(t));
  }
  return out;
}

Status AddedVocabulary::add(const std::vector<AddedToken> &tokens, const Model &model,
                            const Normalizer *normalizer) {
  uint32_t next = uint32_t(model.size());
  for (const AddedToken &token : tokens) {
    if (token.content.empty())
      continue;
    std::optional<uint32_t> id = find(token.content);
    if (!id)
      id = model.vocabulary().find(token.content);
    if (!id)
      id = next++;
    std::string spelling = token.content;
    if (token.normalized && normalizer) {
      NormalizedString normalized(token.content);
      PLX_RETURN_IF_ERROR(normalizer->normalize(normalized));
      spelling = normalized.get();
    }
    ids_[token.content] = *id;
    if (token.special)
      special_.insert(token.content);
    byId_[*id] = {token, std::move(spelling)};
  }
  return buildTries();
}

Status AddedVocabulary::buildTries() {
  std::vector<std::pair<std::string_view, uint32_t>> raw, normalized;
  for (const auto &[id, entry] : byId_)
    (entry.token.normalized ? normalized : raw).push_back({entry.spelling, id});
  for (auto *list : {&raw, &normalized}) {
    std::vector<std::string_view> keys;
    for (const auto &entry : *list)
      keys.push_back(entry.first);
    std::sort(keys.begin(), keys.end());
    auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end())
      return error(Code::Corrupt) << "added_tokens: two tokens are matched as '" << *twice << "'";
  }
  rawTrie_.build(std::move(raw));
  normalizedTrie_.build(std::move(normalized));
  return Status::ok();
}

std::optional<uint32_t> AddedVocabulary::find(std::string_view content) const {
  auto it = ids_.find(content);
  if (it == ids_.end())
    return std::nullopt;
  return it->second;
}

const std::string *AddedVocabulary::spelling(uint32_t id) const {
  auto it = byId_.find(id);
  return it == byId_.end() ? nullptr : &it->second.spelling;
}

const AddedToken *AddedVocabulary::token(uint32_t id) const {
  auto it = byId_.find(id);
  return it == byId_.end() ? nullptr : &it->second.token;
}

void AddedVocabulary::findIn(std::string_view text, const ByteTrie &trie,
                             std::vector<Hit> &out) const {
  size_t covered = 0;
  for (size_t pos = 0; pos < text.size();) {
    uint32_t node = trie.root(), id = ByteTrie::none;
    size_t matchEnd = pos;
    for (size_t end = pos; node != ByteTrie::none && end < text.size();) {
      node = trie.step(node, uint8_t(text[end++]));
      if (node != ByteTrie::none && trie.value(node) != ByteTrie::none) {
        id = trie.value(node);
        matchEnd = end;
      }
    }
    if (id == ByteTrie::none) {
      ++pos;
      continue;
    }
    size_t begin = pos, end = matchEnd;
    pos = matchEnd; // A match that its flags reject still uses up the text.
    const AddedToken &token = byId_.at(id).token;
    if (token.singleWord &&
        (endsWithWord(text.substr(0, begin)) || startsWithWord(text.substr(end))))
      continue;
    if (token.lstrip)
      begin = std::max(trailingSpace(text.substr(0, begin)), covered);
    if (token.rstrip)
      end += leadingSpace(text.substr(end));
    if (covered < begin)
      out.push_back({covered, begin, std::nullopt});
    out.push_back({begin, end, id});
    covered = end;
  }
  if (covered < text.size())
    out.push_back({covered, text.size(), std::nullopt});
}

void AddedVocabulary::cutAt(const NormalizedString &text, const ByteTrie &trie,
                            std::vector<Split> &out) const {
  std::vector<Hit> hits;
  findIn(text.get(), trie, hits);
  for (const Hit &hit : hits) {
    NormalizedString piece = text.slice(hit.begin, hit.end);
    if (!piece.empty())
      out.push_back({std::move(piece), hit.id});
  }
}

Status AddedVocabulary::extract(std::string_view text, const Normalizer *normalizer,
                                std::vector<Split> &out) const {
  std::vector<Split> raw;
  cutAt(NormalizedString(text), rawTrie_, raw);
  for (Split &split : raw) {
    if (split.addedToken) {
      out.push_back(std::move(split));
      continue;
    }
    if (normalizer)
      PLX_RETURN_IF_ERROR(normalizer->normalize(split.text));
    cutAt(split.text, normalizedTrie_, out);
  }
  return Status::ok();
}

} // namespace plexus::text
