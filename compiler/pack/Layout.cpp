// Blocked layouts: the rows are converted in tiles that stay in the first-level cache, then turned.
#include "compiler/pack/Layout.h"

#include <algorithm>
#include <cstring>

namespace plexus::compiler {
namespace {

constexpr int64_t kTile = 32; ///< Columns converted at a time.

/// tile[n][kTile] -> out[k/Group][64][Group].
template <typename T, int64_t Group>
void turnTile(const T *tile, int64_t depth, T *out) {
  for (int64_t k = 0; k < depth; k += Group)
    for (int64_t n = 0; n < kBlockRows; ++n)
      for (int64_t g = 0; g < Group; ++g)
        out[k * kBlockRows + n * Group + g] = tile[n * kTile + k + g];
}

template <typename T, int64_t Group>
void packAs(DType dtype, const float *x, int64_t rows, int64_t depth, int64_t stride, T *out) {
  alignas(64) T tile[kBlockRows * kTile];
  int64_t padded = (depth + blockDepth(dtype) - 1) / blockDepth(dtype) * blockDepth(dtype);
  for (int64_t k = 0; k < padded; k += kTile) {
    int64_t width = std::clamp<int64_t>(depth - k, 0, kTile);
    if (rows < kBlockRows || width < kTile)
      std::memset(tile, 0, sizeof(tile));
    for (int64_t n = 0; n < rows; ++n)
      fromF32(dtype, x + n * stride + k, width, tile + n * kTile);
    turnTile<T, Group>(tile, std::min(kTile, padded - k), out + k * kBlockRows);
  }
}

} // namespace

void packBlock(DType dtype, const float *x, int64_t rows, int64_t depth, int64_t stride,
               void *out) {
  if (dtype == DType::F32)
    packAs<float, 1>(dtype, x, rows, depth, stride, static_cast<float *>(out));
  else if (dtype == DType::F16)
    packAs<uint16_t, 1>(dtype, x, rows, depth, stride, static_cast<uint16_t *>(out));
  else
    packAs<uint16_t, 2>(dtype, x, rows, depth, stride, static_cast<uint16_t *>(out));
}

} // namespace plexus::compiler
