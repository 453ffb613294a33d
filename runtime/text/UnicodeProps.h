// Character classes as the reference tokenizer sees them, on top of ICU.
//
// Vocabularies were trained with fixed editions of Unicode: punctuation, control and non-spacing
// marks by Unicode 8, decompositions, combining marks and scripts by Unicode 9. A character that
// came later has none of these properties here, whatever ICU knows about it. White space, letters,
// digits and case follow the ICU that is linked.
#pragma once

#include <cstdint>

namespace plexus::text {

bool isWhitespace(char32_t c); ///< Property White_Space.
bool isNumeric(char32_t c);    ///< Categories Nd, Nl, No.
bool isWordChar(
    char32_t c); ///< `\w` of UTS 18: alphabetic, marks, decimal digits, connectors, joiners.
bool isPunctuation(char32_t c);    ///< ASCII punctuation, or a P category of Unicode 8.
bool isControlOther(char32_t c);   ///< Cc, Cf or Co of Unicode 8.
bool isNonspacingMark(char32_t c); ///< Mn of Unicode 8.
bool isCombiningMark(char32_t c);  ///< Mn, Mc or Me of Unicode 9.
bool isCjkIdeograph(char32_t c);   ///< The blocks that BERT sets apart with spaces.

/// The script of `c` by Unicode 9 as the Unigram splitter groups them: kana and the long vowel mark
/// count as Han; `anyScript` for the space and for unassigned characters.
constexpr int anyScript = -1;
int splitScript(char32_t c);

/// Whether normalization data of Unicode 9 knows `c`.
bool inUnicode9(char32_t c);

/// Lower case of one character without context: writes one or two code points, returns how many.
int lowerCase(char32_t c, char32_t out[2]);

} // namespace plexus::text
