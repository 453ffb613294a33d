// Character classes from ICU, held to the Unicode editions that vocabularies were trained with.
#include "runtime/text/UnicodeProps.h"

#include <algorithm>
#include <iterator>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

namespace plexus::text {

namespace {
bool existsIn(char32_t c, uint8_t major) {
  UVersionInfo version;
  u_charAge(UChar32(c), version);
  return version[0] < major || (version[0] == major && version[1] == 0);
}

bool hasCategory(char32_t c, uint32_t mask) { return (U_GET_GC_MASK(UChar32(c)) & mask) != 0; }

/// Characters whose category changed between the edition in question and ICU's.
template <size_t N>
bool isOneOf(char32_t c, const char32_t (&list)[N]) {
  return std::find(std::begin(list), std::end(list), c) != std::end(list);
}
} // namespace

bool isWhitespace(char32_t c) {
  if (c < 0x80)
    return c == ' ' || (c >= 9 && c <= 13);
  return u_hasBinaryProperty(UChar32(c), UCHAR_WHITE_SPACE);
}

bool isNumeric(char32_t c) {
  if (c < 0x80)
    return c >= '0' && c <= '9';
  return hasCategory(c, U_GC_N_MASK);
}

bool isWordChar(char32_t c) {
  if (c < 0x80)
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  return hasCategory(c, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) ||
         u_hasBinaryProperty(UChar32(c), UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(UChar32(c), UCHAR_JOIN_CONTROL);
}

bool isPunctuation(char32_t c) {
  if (c < 0x80)
    return c > ' ' && c < 0x7F && !isWordChar(c) ? true : c == '_';
  constexpr char32_t wasPunctuation[] = {0x166D, 0x111C9};
  return isOneOf(c, wasPunctuation) || (hasCategory(c, U_GC_P_MASK) && existsIn(c, 8));
}

bool isControlOther(char32_t c) {
  if (c < 0x80)
    return c < ' ' || c == 0x7F;
  return hasCategory(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK) && existsIn(c, 8);
}

bool isNonspacingMark(char32_t c) {
  if (c < 0x300)
    return false;
  constexpr char32_t wasNonspacing[] = {0x1734},
                     becameNonspacing[] = {0x1885, 0x1886, 0xA9BD, 0x111C9};
  if (isOneOf(c, wasNonspacing))
    return true;
  return hasCategory(c, U_GC_MN_MASK) && existsIn(c, 8) && !isOneOf(c, becameNonspacing);
}

bool isCombiningMark(char32_t c) {
  if (c < 0x300)
    return false;
  constexpr char32_t wasMark[] = {0x1CF2, 0x1CF3}, becameMark[] = {0x111C9};
  if (isOneOf(c, wasMark))
    return true;
  return hasCategory(c, U_GC_M_MASK) && inUnicode9(c) && !isOneOf(c, becameMark);
}

bool isCjkIdeograph(char32_t c) {
  struct Block {
    char32_t first, last;
  };
  // 0x2B920 is what the original BERT code says, though the block begins at 0x2B820.
  constexpr Block blocks[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                              {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                              {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(blocks), std::end(blocks),
                     [c](const Block &b) { return c >= b.first && c <= b.last; });
}

int splitScript(char32_t c) {
  if (c == ' ' || !inUnicode9(c))
    return anyScript;
  if (c == 0x30FC)
    return USCRIPT_HAN;
  constexpr char32_t wasCommon[] = {0x589, 0x61C};
  if (isOneOf(c, wasCommon))
    return USCRIPT_COMMON;
  if (c == 0x953 || c == 0x954)
    return USCRIPT_DEVANAGARI;
  UErrorCode status = U_ZERO_ERROR;
  switch (int script = uscript_getScript(UChar32(c), &status)) {
  case USCRIPT_HIRAGANA:
  case USCRIPT_KATAKANA:
    return USCRIPT_HAN;
  case USCRIPT_UNKNOWN:
    return anyScript;
  default:
    return script;
  }
}

bool inUnicode9(char32_t c) { return c < 0x250 || existsIn(c, 9); }

int lowerCase(char32_t c, char32_t out[2]) {
  if (c == 0x130) { // The only unconditional expansion in SpecialCasing.txt's lower case column.
    out[0] = 'i';
    out[1] = 0x307;
    return 2;
  }
  if (c < 0x80)
    out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
  else
    out[0] = char32_t(u_tolower(UChar32(c)));
  return 1;
}

} // namespace plexus::text
