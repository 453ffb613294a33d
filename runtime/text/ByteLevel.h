// The byte-level alphabet of GPT-2: a printable character for each of the 256 bytes.
#pragma once

#include "runtime/text/NormalizedString.h"
#include <optional>

namespace plexus::text {

/// The character that stands for `byte` (U+0021 to U+0143).
char32_t byteToChar(uint8_t byte);

/// The byte that `c` stands for, if any.
std::optional<uint8_t> charToByte(char32_t c);

/// Rewrites each byte of `s` as its character; all of one character's bytes keep its alignment.
void toByteLevel(NormalizedString &s);

} // namespace plexus::text
