// Columns of a packed weight as a plain f32 matrix, for machines whose oneDNN cannot read the
// blocks.
#pragma once

#include "runtime/abi/Call.h"
#include "runtime/threads/ThreadPool.h"

#include <cstdint>

namespace plexus {

inline constexpr int64_t kBlockColumns = 64;

/// Bytes of 64 packed columns of K rows.
int64_t packedBlockBytes(int64_t k, int32_t layout);

/// panel[row][column] = W[row][64 * firstBlock + column] for `blocks` blocks, panel [k][64 *
/// blocks].
void unpackPanel(ThreadPool &pool, const void *weight, int32_t layout, int64_t k,
                 int64_t firstBlock, int64_t blocks, float *panel);

/// to[r][i] = from[r][i] rounded to bf16, ties to even, r < rows, i < width; rows of `from` are
/// `fromStride` apart. As bits, or as the f32 of that value.
void roundToBf16(ThreadPool &pool, const float *from, int64_t fromStride, int64_t rows,
                 int64_t width, uint16_t *to);
void roundToBf16(ThreadPool &pool, const float *from, int64_t fromStride, int64_t rows,
                 int64_t width, float *to);

} // namespace plexus
