// Block-quantized storage of tensors in files: ggml's Q8_0, Q4_0 and Q4_1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace plexus {

/// How a run of elements is packed into a block of bytes. Formats are entries of one static table,
/// so that two pointers are equal exactly when the formats are.
struct BlockFormat {
  std::string_view name; ///< ggml's name, "Q4_0".
  int64_t elements;      ///< Elements in a block; a tensor's last dimension is a multiple.
  size_t bytes;          ///< Bytes of a block.
  /// Decodes `blocks` blocks into blocks * elements floats. `from` needs no alignment.
  void (*decode)(const uint8_t *from, int64_t blocks, float *to);
};

/// The format of ggml's name, or null.
const BlockFormat *findBlockFormat(std::string_view name);

} // namespace plexus
