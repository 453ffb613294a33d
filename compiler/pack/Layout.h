// The blocked layouts of runtime/abi/Call.h, written from rows of f32.
#pragma once

#include "runtime/io/DType.h"

#include <cstdint>

namespace plexus::compiler {

inline constexpr int64_t kBlockRows = 64; ///< N of one block.

/// K is padded to a multiple of this: whole blocks.
inline constexpr int64_t blockDepth(DType dtype) { return dtype == DType::BF16 ? 32 : 16; }

/// Packs columns [0, depth) of up to 64 rows of the logical [N, K] weight into one block of
/// columns: out[k][64] of f32 or f16, out[k/2][64][2] of bf16, zero for the rows and columns that
/// are missing. `x` is [rows][depth] with `stride`; out has roundUp(depth, blockDepth(dtype)) * 64
/// elements.
void packBlock(DType dtype, const float *x, int64_t rows, int64_t depth, int64_t stride, void *out);

} // namespace plexus::compiler
