// Plain data that goes into and comes out of a tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace plexus {

/// Cutting encodings to a length; the "truncation" section of tokenizer.json.
struct TokenizerTruncation {
  enum class Strategy { LongestFirst, OnlyFirst, OnlySecond };
  enum class Direction { Left, Right };
  size_t maxLength = 512; ///< In tokens, special ones included.
  size_t stride = 0;      ///< Tokens that an overflowing part shares with its neighbour.
  Strategy strategy = Strategy::LongestFirst;
  Direction direction = Direction::Right; ///< The side that is cut off.
};

/// Filling encodings up to a length; the "padding" section of tokenizer.json.
struct TokenizerPadding {
  enum class Direction { Left, Right };
  std::optional<size_t> fixedLength; ///< Without it, the longest of the batch.
  std::optional<size_t> multipleOf;
  Direction direction = Direction::Right; ///< The side that is filled.
  uint32_t padId = 0;
  uint32_t padTypeId = 0;
};

struct EncodeOptions {
  bool addSpecialTokens = true;
  std::optional<TokenizerTruncation> truncation;
  std::optional<TokenizerPadding> padding;
};

/// The tokens of a text, n of them: every vector has n elements.
struct Encoding {
  std::vector<uint32_t> ids;
  /// Bytes [begin, end) of the input; [0, 0] for tokens that stand for no text.
  std::vector<std::pair<uint32_t, uint32_t>> offsets;
  std::vector<uint32_t> typeIds;
  std::vector<uint32_t> specialTokensMask; ///< 1 where template or padding put the token.
  std::vector<uint32_t> attentionMask;     ///< 0 for padding.
  std::vector<uint8_t> sequenceIds;        ///< 0: the text, 1: the pair.
  std::vector<Encoding> overflowing;       ///< What truncation cut off.
};

} // namespace plexus
