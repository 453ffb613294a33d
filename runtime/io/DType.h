// Element types of tensors: names, sizes, and conversion of arrays to and from f32.
#pragma once

#include "runtime/support/Status.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace plexus {

/// The values are written into artifacts and never change meaning.
enum class DType : uint8_t {
  F32 = 0,
  F16 = 1,
  BF16 = 2,
  F64 = 3,
  I8 = 4,
  U8 = 5,
  I16 = 6,
  U16 = 7,
  I32 = 8,
  U32 = 9,
  I64 = 10,
  U64 = 11,
  Bool = 12,   ///< One byte, 0 or 1.
  F8E4M3 = 13, ///< OCP FP8 E4M3FN: largest 448, no infinity, 0x7f and 0xff are NaN.
  F8E5M2 = 14, ///< OCP FP8 E5M2: IEEE-like, with infinities.
};

/// The name in safetensors spelling: "F32", "BF16", "F8_E4M3", "BOOL" ...
std::string_view dtypeName(DType dtype);
std::optional<DType> dtypeFromName(std::string_view name);
/// Bytes of one element.
size_t dtypeSize(DType dtype);
/// f16, bf16, f32, f64 and the 8-bit floats.
bool isFloat(DType dtype);

/// to[i] = from[i] as f32, for i < count. Integers above 2^24 and f64 round to nearest even. `from`
/// needs no alignment and does not overlap `to`.
void toF32(DType dtype, const void *from, int64_t count, float *to);

/// to[i] = from[i] in `dtype`, rounded to nearest, ties to even. Floats overflow to infinity (NaN
/// in F8E4M3, which has none); integers saturate and take NaN as 0; Bool is from[i] != 0. `to`
/// needs no alignment and does not overlap `from`.
void fromF32(DType dtype, const float *from, int64_t count, void *to);

} // namespace plexus
