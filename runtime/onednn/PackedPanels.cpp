// Loops over the blocks of runtime/abi/Call.h, written so that compilers vectorise them.
#include "runtime/onednn/PackedPanels.h"

#include "runtime/io/DType.h"

#include <bit>
#include <cstring>

namespace plexus {
namespace {

constexpr int64_t roundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

float bf16ToF32(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

/// NaN keeps a set mantissa bit, so that rounding does not make it infinite.
uint16_t f32ToBf16(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  bool isNan = (bits & 0x7fffffff) > 0x7f800000;
  return static_cast<uint16_t>(isNan ? (bits >> 16 | 0x40) : rounded);
}

/// Rows [begin, end) of one block's 64 columns into `out`, whose rows are `stride` apart.
void unpackRows(const void *block, int32_t layout, int64_t begin, int64_t end, float *out,
                int64_t stride) {
  for (int64_t row = begin; row < end; ++row) {
    float *to = out + row * stride;
    if (layout == PLX_LAYOUT_F32) {
      std::memcpy(to, static_cast<const float *>(block) + row * kBlockColumns,
                  kBlockColumns * sizeof(float));
    } else if (layout == PLX_LAYOUT_F16) {
      toF32(DType::F16, static_cast<const uint16_t *>(block) + row * kBlockColumns, kBlockColumns,
            to);
    } else {
      const uint16_t *pairs =
          static_cast<const uint16_t *>(block) + row / 2 * 2 * kBlockColumns + row % 2;
      for (int64_t column = 0; column < kBlockColumns; ++column)
        to[column] = bf16ToF32(pairs[2 * column]);
    }
  }
}

struct UnpackJob {
  const uint8_t *weight;
  int32_t layout;
  int64_t k, firstBlock, blocks;
  float *panel;
};

template <typename T>
struct RoundJob {
  const float *from;
  int64_t stride, width;
  T *to;
};

template <typename T, T (*Convert)(float)>
void roundRows(ThreadPool &pool, const float *from, int64_t stride, int64_t rows, int64_t width,
               T *to) {
  RoundJob<T> job{from, stride, width, to};
  pool.parallelFor(
      [](void *ctx, int64_t begin, int64_t end) {
        const auto &j = *static_cast<RoundJob<T> *>(ctx);
        for (int64_t row = begin; row < end; ++row)
          for (int64_t i = 0; i < j.width; ++i)
            j.to[row * j.width + i] = Convert(j.from[row * j.stride + i]);
      },
      &job, rows, 8);
}

float throughBf16(float value) { return bf16ToF32(f32ToBf16(value)); }

} // namespace

int64_t packedBlockBytes(int64_t k, int32_t layout) {
  switch (layout) {
  case PLX_LAYOUT_BF16:
    return roundUp(k, 32) * kBlockColumns * 2;
  case PLX_LAYOUT_F16:
    return roundUp(k, 16) * kBlockColumns * 2;
  default:
    return roundUp(k, 16) * kBlockColumns * 4;
  }
}

void unpackPanel(ThreadPool &pool, const void *weight, int32_t layout, int64_t k,
                 int64_t firstBlock, int64_t blocks, float *panel) {
  UnpackJob job{static_cast<const uint8_t *>(weight), layout, k, firstBlock, blocks, panel};
  pool.parallelFor(
      [](void *ctx, int64_t begin, int64_t end) {
        const auto &j = *static_cast<UnpackJob *>(ctx);
        int64_t blockBytes = packedBlockBytes(j.k, j.layout);
        for (int64_t b = 0; b < j.blocks; ++b)
          unpackRows(j.weight + (j.firstBlock + b) * blockBytes, j.layout, begin, end,
                     j.panel + b * kBlockColumns, j.blocks * kBlockColumns);
      },
      &job, k, 64);
}

void roundToBf16(ThreadPool &pool, const float *from, int64_t fromStride, int64_t rows,
                 int64_t width, uint16_t *to) {
  roundRows<uint16_t, f32ToBf16>(pool, from, fromStride, rows, width, to);
}

void roundToBf16(ThreadPool &pool, const float *from, int64_t fromStride, int64_t rows,
                 int64_t width, float *to) {
  roundRows<float, throughBf16>(pool, from, fromStride, rows, width, to);
}

} // namespace plexus
