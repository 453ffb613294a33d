// Strict UTF-8 decoding with replacement of maximal invalid subparts.
#include "runtime/text/Utf8.h"

namespace plexus::text {

namespace {
/// What may follow a lead byte: total length and the bounds of the second byte (Unicode table 3-7).
struct LeadRule {
  uint8_t first, last, length, low, high;
};
constexpr LeadRule leadRules[] = {{0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF},
                                  {0xE1, 0xEC, 3, 0x80, 0xBF}, {0xED, 0xED, 3, 0x80, 0x9F},
                                  {0xEE, 0xEF, 3, 0x80, 0xBF}, {0xF0, 0xF0, 4, 0x90, 0xBF},
                                  {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F}};
constexpr char32_t replacement = 0xFFFD;
} // namespace

DecodedChar decodeAt(std::string_view s, size_t pos) {
  uint8_t lead = uint8_t(s[pos]);
  if (lead < 0x80)
    return {lead, 1, true};
  for (const LeadRule &rule : leadRules) {
    if (lead < rule.first || lead > rule.last)
      continue;
    char32_t c = lead & (0xFF >> (rule.length + 1));
    for (uint8_t i = 1; i < rule.length; ++i) {
      uint8_t low = i == 1 ? rule.low : 0x80, high = i == 1 ? rule.high : 0xBF;
      uint8_t b = pos + i < s.size() ? uint8_t(s[pos + i]) : 0;
      if (b < low || b > high)
        return {replacement, i, false};
      c = (c << 6) | (b & 0x3F);
    }
    return {c, rule.length, true};
  }
  return {replacement, 1, false};
}

void appendUtf8(std::string &out, char32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
    c = replacement;
  switch (utf8Length(c)) {
  case 1:
    out += char(c);
    return;
  case 2:
    out += char(0xC0 | (c >> 6));
    break;
  case 3:
    out += char(0xE0 | (c >> 12));
    out += char(0x80 | ((c >> 6) & 0x3F));
    break;
  default:
    out += char(0xF0 | (c >> 18));
    out += char(0x80 | ((c >> 12) & 0x3F));
    out += char(0x80 | ((c >> 6) & 0x3F));
  }
  out += char(0x80 | (c & 0x3F));
}

bool isValidUtf8(std::string_view s) {
  for (size_t pos = 0; pos < s.size();) {
    DecodedChar c = decodeAt(s, pos);
    if (!c.valid)
      return false;
    pos += c.length;
  }
  return true;
}

std::string lossyUtf8(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t pos = 0; pos < s.size();) {
    DecodedChar c = decodeAt(s, pos);
    if (c.valid)
      out.append(s.substr(pos, c.length));
    else
      appendUtf8(out, replacement);
    pos += c.length;
  }
  return out;
}

std::vector<char32_t> codePoints(std::string_view s, std::vector<uint32_t> *starts) {
  std::vector<char32_t> out;
  out.reserve(s.size());
  for (size_t pos = 0; pos < s.size();) {
    DecodedChar c = decodeAt(s, pos);
    out.push_back(c.codePoint);
    if (starts)
      starts->push_back(uint32_t(pos));
    pos += c.length;
  }
  if (starts)
    starts->push_back(uint32_t(s.size()));
  return out;
}

size_t countChars(std::string_view s) {
  size_t n = 0;
  for (size_t pos = 0; pos < s.size(); pos += decodeAt(s, pos).length)
    ++n;
  return n;
}

std::string replaceAll(std::string_view s, std::string_view from, std::string_view to) {
  std::string out;
  size_t pos = 0;
  if (from.empty()) {
    for (; pos < s.size();) {
      out.append(to);
      size_t length = decodeAt(s, pos).length;
      out.append(s.substr(pos, length));
      pos += length;
    }
    return out.append(to);
  }
  for (size_t hit; (hit = s.find(from, pos)) != std::string_view::npos; pos = hit + from.size())
    out.append(s.substr(pos, hit - pos)).append(to);
  return out.append(s.substr(pos));
}

} // namespace plexus::text
