// The byte-level alphabet: bytes that print stand for themselves, the others for U+0100 onwards.
#include "runtime/text/ByteLevel.h"
#include "runtime/text/Utf8.h"

#include <array>

namespace plexus::text {

namespace {
struct Alphabet {
  std::array<uint16_t, 256> charOf{};
  std::array<int16_t, 0x144> byteOf{};
};

constexpr Alphabet makeAlphabet() {
  Alphabet a;
  for (int16_t &b : a.byteOf)
    b = -1;
  uint16_t next = 0x100;
  for (int b = 0; b < 256; ++b) {
    bool prints = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    a.charOf[size_t(b)] = prints ? uint16_t(b) : next++;
    a.byteOf[a.charOf[size_t(b)]] = int16_t(b);
  }
  return a;
}
constexpr Alphabet alphabet = makeAlphabet();
} // namespace

char32_t byteToChar(uint8_t byte) { return alphabet.charOf[byte]; }

std::optional<uint8_t> charToByte(char32_t c) {
  if (c >= alphabet.byteOf.size() || alphabet.byteOf[c] < 0)
    return std::nullopt;
  return uint8_t(alphabet.byteOf[c]);
}

void toByteLevel(NormalizedString &s) {
  std::vector<CharChange> changes;
  changes.reserve(s.get().size());
  for (char c : s.get())
    changes.push_back({byteToChar(uint8_t(c)), (uint8_t(c) & 0xC0) == 0x80});
  s.transform(changes, 0);
}

} // namespace plexus::text
