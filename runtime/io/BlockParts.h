// Blocks of quantized files taken apart: the integers and scales that a packed form keeps.
#pragma once

#include "runtime/io/BlockFormat.h"
#include "runtime/io/PackedForm.h"

#include <array>

namespace plexus {

/// One block in the terms of its PackedForm. f16 numbers are bits.
struct BlockParts {
  std::array<uint8_t, 256> values;         ///< As the form stores them.
  uint16_t scale = 0, zero = 0;            ///< Of the group, or of the superblock.
  std::array<int8_t, 16> scaleMultipliers; ///< Of the groups of a superblock.
  std::array<int8_t, 16> zeroMultipliers;
};

/// The packed form that keeps all values of a block format exactly.
PackedForm packedFormOf(const BlockFormat &format);

/// Takes one block apart. `from` has format.bytes bytes and needs no alignment.
void unpackBlock(const BlockFormat &format, const uint8_t *from, BlockParts &out);

} // namespace plexus
