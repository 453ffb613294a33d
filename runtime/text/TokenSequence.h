// The tokens of one text on their way through truncation, post-processing and padding.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/TokenizerTypes.h"
#include <cstdint>
#include <vector>

namespace plexus::text {

/// One token. Offsets count characters of the text that `sequence` names (0 the text, 1 the pair).
struct TokenSlot {
  uint32_t id = 0;
  uint32_t typeId = 0;
  uint32_t begin = 0, end = 0;
  uint32_t leadingSpaces = 0, trailingSpaces = 0; ///< In the token's spelling, for trim_offsets.
  uint8_t sequence = 0;
  bool special = false;
  bool attended = true;
};

struct TokenSequence {
  std::vector<TokenSlot> slots;
  std::vector<TokenSequence> overflowing; ///< These have none themselves.

  /// Keeps `maxLength` tokens and moves the rest, in windows that share `stride` tokens, to
  /// `overflowing`. InvalidArgument where the stride leaves no progress.
  Status truncate(size_t maxLength, size_t stride, TokenizerTruncation::Direction direction);
  /// Appends `other`; every overflow of one is combined with the other and with its overflows.
  void append(const TokenSequence &other);
  /// Pads, overflow included, to `length`.
  void pad(size_t length, const TokenizerPadding &padding);
  void setTypeIds(uint32_t typeId);
};

/// Cuts `first` and, where there is one, `pair` to `settings.maxLength` together. InvalidArgument
/// where the strategy asks for a pair that is not there, or for more than its sequence can give.
Status truncatePair(TokenSequence &first, TokenSequence *pair, const TokenizerTruncation &settings);

/// Pads all to the length that the settings ask for.
void padAll(std::vector<TokenSequence> &batch, const TokenizerPadding &padding);

} // namespace plexus::text
