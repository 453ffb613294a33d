// NFC, NFD, NFKC and NFKD (UAX 15) with alignments, over ICU's character data held to Unicode 9.
#include "runtime/text/Normalizer.h"
#include "runtime/text/UnicodeProps.h"
#include "runtime/text/Utf8.h"

#include <algorithm>
#include <optional>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

namespace plexus::text {

namespace {
const UNormalizer2 *instance(bool compatibility) {
  UErrorCode status = U_ZERO_ERROR;
  return compatibility ? unorm2_getNFKCInstance(&status) : unorm2_getNFCInstance(&status);
}

uint8_t combiningClass(char32_t c) {
  if (c < 0x300 || !inUnicode9(c))
    return 0;
  return unorm2_getCombiningClass(instance(false), UChar32(c));
}

/// A character, its combining class and how it came about (see CharChange).
struct Pending {
  char32_t codePoint;
  int32_t change;
  uint8_t combiningClass;
  uint32_t order = 0; ///< Position before canonical ordering.
};

/// Appends the full decomposition of `c`; the first character replaces it, the others are new.
void decompose(char32_t c, bool compatibility, std::vector<Pending> &out) {
  UChar buffer[64];
  int32_t length = -1;
  UErrorCode status = U_ZERO_ERROR;
  if (c >= 0xA0 && inUnicode9(c))
    length = unorm2_getDecomposition(instance(compatibility), UChar32(c), buffer, 64, &status);
  if (length < 0 || U_FAILURE(status)) {
    out.push_back({c, 0, combiningClass(c)});
    return;
  }
  for (int32_t i = 0, n = 0; i < length; ++n) {
    UChar32 part;
    U16_NEXT(buffer, i, length, part);
    out.push_back({char32_t(part), n > 0, combiningClass(char32_t(part))});
  }
}

/// Canonical ordering: runs of non-starters sorted by class, equal classes as they stood.
void reorder(std::vector<Pending> &chars) {
  for (size_t i = 0; i < chars.size(); ++i)
    chars[i].order = uint32_t(i);
  auto byClass = [](const Pending &a, const Pending &b) {
    return std::pair(a.combiningClass, a.order) < std::pair(b.combiningClass, b.order);
  };
  for (auto it = chars.begin(); it != chars.end();) {
    auto run =
        std::find_if(it, chars.end(), [](const Pending &p) { return p.combiningClass != 0; });
    it = std::find_if(run, chars.end(), [](const Pending &p) { return p.combiningClass == 0; });
    std::sort(run, it, byClass);
  }
}

std::optional<char32_t> composePair(char32_t a, char32_t b) {
  UChar32 c = unorm2_composePair(instance(false), UChar32(a), UChar32(b));
  if (c < 0 || !inUnicode9(char32_t(c)))
    return std::nullopt;
  return char32_t(c);
}

/// Canonical composition (UAX 15, D117). A composed character counts for all it took in: n old
/// characters become "replaces one, swallows n - 1".
std::vector<Pending> compose(const std::vector<Pending> &chars) {
  std::vector<Pending> out;
  std::optional<size_t> starter;
  int lastClass = -1; // Class of the last character kept after the starter, -1 for none.
  for (const Pending &c : chars) {
    bool blocked = lastClass >= 0 && lastClass >= c.combiningClass;
    if (starter && !blocked) {
      if (auto composed = composePair(out[*starter].codePoint, c.codePoint)) {
        out[*starter].codePoint = *composed;
        out[*starter].change += c.change - 1;
        continue;
      }
    }
    if (c.combiningClass == 0) {
      starter = out.size();
      lastClass = -1;
    } else {
      lastClass = c.combiningClass;
    }
    out.push_back(c);
  }
  return out;
}

bool isAscii(const std::string &s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return uint8_t(c) < 0x80; });
}
} // namespace

void applyNormalForm(NormalizedString &s, NormalForm form) {
  if (isAscii(s.get()))
    return;
  bool compatibility = form == NormalForm::Nfkc || form == NormalForm::Nfkd;
  std::vector<Pending> chars;
  chars.reserve(s.get().size());
  for (char32_t c : codePoints(s.get()))
    decompose(c, compatibility, chars);
  reorder(chars);
  if (form == NormalForm::Nfc || form == NormalForm::Nfkc)
    chars = compose(chars);
  std::vector<CharChange> changes;
  changes.reserve(chars.size());
  for (const Pending &c : chars)
    changes.push_back({c.codePoint, c.change});
  s.transform(changes, 0);
}

} // namespace plexus::text
