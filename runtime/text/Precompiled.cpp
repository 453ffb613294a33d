// SentencePiece's precompiled character map: a double-array trie (darts-clone layout) and the
// strings it points to.
#include "runtime/text/Normalizer.h"
#include "runtime/text/Utf8.h"

#include <cstring>
#include <optional>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

namespace plexus::text {

namespace {
std::optional<std::string> decodeBase64(std::string_view in) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  while (!in.empty() && in.back() == '=')
    in.remove_suffix(1);
  for (char c : in) {
    int v = c >= 'A' && c <= 'Z'   ? c - 'A'
            : c >= 'a' && c <= 'z' ? c - 'a' + 26
            : c >= '0' && c <= '9' ? c - '0' + 52
            : c == '+'             ? 62
            : c == '/'             ? 63
                                   : -1;
    if (v < 0)
      return std::nullopt;
    bits = (bits << 6) | uint32_t(v);
    count += 6;
    if (count >= 8)
      out += char((bits >> (count -= 8)) & 0xFF);
  }
  return out;
}

class Precompiled : public Normalizer {
public:
  Precompiled(std::vector<uint32_t> trie, std::string strings)
      : trie_(std::move(trie)), strings_(std::move(strings)) {}

  Status normalize(NormalizedString &s) const override;

private:
  std::optional<std::string_view> replacement(std::string_view key) const;
  bool rewrite(std::string_view part, std::vector<CharChange> &changes) const;
  bool rewriteGrapheme(std::string_view grapheme, std::vector<CharChange> &changes) const;

  std::vector<uint32_t> trie_;
  std::string strings_; ///< Replacements, each closed by a zero byte.
};

/// The replacement of the shortest prefix of `key` that the trie knows. A unit holds an offset, a
/// label and a flag for "a value hangs here" (darts-clone).
std::optional<std::string_view> Precompiled::replacement(std::string_view key) const {
  auto offset = [](uint32_t unit) { return size_t(unit >> 10) << ((unit & (1u << 9)) >> 6); };
  if (trie_.empty())
    return std::nullopt;
  size_t node = offset(trie_[0]);
  for (char c : key) {
    node ^= uint8_t(c);
    if (c == 0 || node >= trie_.size() || (trie_[node] & ((1u << 31) | 0xFF)) != uint8_t(c))
      return std::nullopt;
    uint32_t unit = trie_[node];
    node ^= offset(unit);
    if (!(unit & (1u << 8)))
      continue;
    size_t begin = node < trie_.size() ? trie_[node] & 0x7FFFFFFF : strings_.size();
    if (begin >= strings_.size())
      return std::nullopt;
    return std::string_view(strings_.c_str() + begin);
  }
  return std::nullopt;
}

bool Precompiled::rewrite(std::string_view part, std::vector<CharChange> &changes) const {
  std::optional<std::string_view> to = replacement(part);
  if (!to)
    return false;
  std::vector<char32_t> chars = codePoints(*to);
  int32_t added = int32_t(chars.size()) - int32_t(countChars(part));
  for (char32_t c : chars)
    changes.push_back({c, 0});
  // What is added beyond the old length is new; what is missing hangs on the character before.
  for (int32_t i = 0; i < added && size_t(i) < changes.size(); ++i)
    changes[changes.size() - 1 - size_t(i)].change = 1;
  if (added < 0 && !changes.empty())
    changes.back().change += added;
  return true;
}

bool Precompiled::rewriteGrapheme(std::string_view grapheme,
                                  std::vector<CharChange> &changes) const {
  // SentencePiece looks up short clusters whole before it goes character by character.
  if (grapheme.size() < 6 && rewrite(grapheme, changes))
    return true;
  bool modified = false;
  for (size_t pos = 0; pos < grapheme.size();) {
    DecodedChar c = decodeAt(grapheme, pos);
    if (rewrite(grapheme.substr(pos, c.length), changes))
      modified = true;
    else
      changes.push_back({c.codePoint, 0});
    pos += c.length;
  }
  return modified;
}

Status Precompiled::normalize(NormalizedString &s) const {
  const std::string &text = s.get();
  UErrorCode status = U_ZERO_ERROR;
  UText *utext = utext_openUTF8(nullptr, text.data(), int64_t(text.size()), &status);
  UBreakIterator *breaks = ubrk_open(UBRK_CHARACTER, "", nullptr, 0, &status);
  if (U_SUCCESS(status))
    ubrk_setUText(breaks, utext, &status);
  std::vector<CharChange> changes;
  bool modified = false;
  if (U_SUCCESS(status)) {
    for (int32_t begin = ubrk_first(breaks), end; (end = ubrk_next(breaks)) != UBRK_DONE;
         begin = end)
      modified |= rewriteGrapheme(std::string_view(text).substr(size_t(begin), size_t(end - begin)),
                                  changes);
  }
  ubrk_close(breaks);
  utext_close(utext);
  if (U_FAILURE(status))
    return error(Code::Internal) << "grapheme segmentation: " << u_errorName(status);
  if (modified)
    s.transform(changes, 0);
  return Status::ok();
}
} // namespace

Expected<std::unique_ptr<Normalizer>> makePrecompiled(std::string_view base64) {
  std::optional<std::string> blob = decodeBase64(base64);
  if (!blob)
    return error(Code::Corrupt) << "Precompiled: precompiled_charsmap is not base64";
  uint32_t trieBytes = 0;
  if (blob->size() >= 4)
    std::memcpy(&trieBytes, blob->data(), 4);
  if (blob->size() < 4 || trieBytes > blob->size() - 4 || trieBytes % 4 != 0)
    return error(Code::Corrupt) << "Precompiled: precompiled_charsmap of " << blob->size()
                                << " bytes cannot hold a trie of " << trieBytes;
  std::vector<uint32_t> trie(trieBytes / 4);
  if (!trie.empty())
    std::memcpy(trie.data(), blob->data() + 4, trieBytes);
  std::string strings = blob->substr(4 + trieBytes);
  if (!isValidUtf8(strings))
    return error(Code::Corrupt) << "Precompiled: precompiled_charsmap holds invalid UTF-8";
  return std::unique_ptr<Normalizer>(new Precompiled(std::move(trie), std::move(strings)));
}

} // namespace plexus::text
