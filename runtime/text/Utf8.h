// UTF-8 reading and writing for the tokenizer, with one stated policy for invalid bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::text {

/// One decoded character: its code point and how many bytes of the input it covers (1 to 4).
struct DecodedChar {
  char32_t codePoint;
  uint8_t length;
  bool valid;
};

/// Decodes the character that starts at `s[pos]` (pos < s.size()). Where the bytes are not UTF-8
/// the longest prefix that could have begun a character counts as one U+FFFD (Unicode 15,
/// section 3.9, "maximal subpart").
DecodedChar decodeAt(std::string_view s, size_t pos);

/// Appends `c` as UTF-8. Surrogates and values beyond U+10FFFF are written as U+FFFD.
void appendUtf8(std::string &out, char32_t c);

/// How many bytes `c` takes in UTF-8.
inline uint32_t utf8Length(char32_t c) {
  return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/// Number of bytes of the character whose first byte is `lead`, in a string known to be valid.
inline uint32_t validLength(char lead) {
  uint8_t b = uint8_t(lead);
  return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

bool isValidUtf8(std::string_view s);

/// `s` with each maximal invalid subpart replaced by U+FFFD.
std::string lossyUtf8(std::string_view s);

/// The characters of `s`; `starts`, where given, receives the byte offset of each and a closing
/// s.size().
std::vector<char32_t> codePoints(std::string_view s, std::vector<uint32_t> *starts = nullptr);

size_t countChars(std::string_view s);

/// Replaces every occurrence of `from`, left to right. An empty `from` matches at every character
/// boundary, ends included.
std::string replaceAll(std::string_view s, std::string_view from, std::string_view to);

} // namespace plexus::text
