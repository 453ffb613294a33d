// Forms of a product's packed weight: what its values, scales and zeros are, and where they lie.
//
// A packed weight [N, K] (y = x W^T) is stored as blocks of 64 output columns n, one after another.
// Plain floats are laid out as runtime/abi/Call.h says. A quantized block is a run of records, one
// for each group of K, so that a product of few rows is one sequential read:
//
//   [ super scales | super zeros ]                       with superblocks, once in `superGroups`
//   [ scales[64] | zeros[64] | values[group][64] ] ...   one record a group
//
// A form with one scale a column (group 0) has one record. Scales and zeros are f16, with
// superblocks i8 multipliers of the f16 super scales and super zeros. Values come in units of k
// (valueUnit): the low planes, then the high plane, both of 64 x 4 bytes for neighbouring k:
//
//   Q8, F8  unit 4   byte (n, j)          = value k = j
//   Q4, F4  unit 8   byte (n, j)          = value k = j (low nibble), k = 4 + j (high nibble)
//   Q6      unit 16  two Q4 units, then byte (n, j): bits 2q, 2q+1 = upper bits of k = 4 q + j
//   Q5      unit 32  four Q4 units, then byte (n, j): bit q = upper bit of k = 4 q + j
//
// Values of Q4, Q5, Q6 are unsigned. An element is, with d the scale and z the zero,
//   None   d (v - center)       center 8, 16, 32 for Q4, Q5, Q6, else 0
//   Point  d (v - z)
//   Min    d v + z
// K is padded to whole groups with values that mean nothing; columns with scale 0.
#pragma once

#include "runtime/io/DType.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace plexus {

inline constexpr int64_t kPackedColumns = 64; ///< N of one block.

/// How the values of a weight are stored.
enum class PackedValues : uint8_t { F32, BF16, F16, Q8, Q6, Q5, Q4, F8E4M3, F8E5M2, F4 };
inline constexpr int kPackedValueKinds = 10;

/// What a group has beside its scale.
enum class PackedZeros : uint8_t { None, Point, Min };

/// What of a value is where.
struct PackedValueInfo {
  std::string_view name; ///< "q4"
  int bits;              ///< Of one value.
  int highBits;          ///< Of them, in the high plane.
  int unit;              ///< k of one unit.
  int center;            ///< Subtracted where there are no zeros.
  int most;              ///< Largest magnitude of a value as it is stored.
};
const PackedValueInfo &infoOf(PackedValues values);

struct PackedForm {
  PackedValues values = PackedValues::F32;
  PackedZeros zeros = PackedZeros::None;
  int32_t group = 0;      ///< k that share a scale: 16, 32, 64, 128, or 0 for all.
  int32_t superblock = 0; ///< k that share a super scale: a multiple of the group, or 0.

  bool operator==(const PackedForm &) const = default;

  bool isQuantized() const { return values > PackedValues::F16; }
  /// Integers that a dot product of bytes takes.
  bool isInteger() const { return values >= PackedValues::Q8 && values <= PackedValues::Q4; }
  /// Element type of the plain forms; F32 for quantized ones, whose elements decode to that.
  DType dtype() const {
    return values == PackedValues::BF16  ? DType::BF16
           : values == PackedValues::F16 ? DType::F16
                                         : DType::F32;
  }
  const PackedValueInfo &info() const { return infoOf(values); }

  /// Whether such a form exists: "" or what is wrong with it.
  std::string problem() const;
  /// "bf16", "q8", "q4z:64" (zero points), "q4m:32/256" (minima, superblocks), "q8:channel".
  std::string spelling() const;
  /// From that spelling; without a group, a quantized form has groups of 32.
  static std::optional<PackedForm> parse(std::string_view text);
  static PackedForm plain(DType dtype) {
    return {dtype == DType::BF16  ? PackedValues::BF16
            : dtype == DType::F16 ? PackedValues::F16
                                  : PackedValues::F32};
  }
};

/// Bytes and places of one block of 64 columns of a weight with `k` rows.
struct PackedGeometry {
  PackedGeometry(const PackedForm &form, int64_t k);

  int64_t paddedK;     ///< A multiple of `group`.
  int64_t group;       ///< k of one record; all of them for a form without groups.
  int64_t groups;      ///< Records.
  int64_t superGroups; ///< Records of a superblock; 0: there are none.
  int64_t superBytes;  ///< Bytes before the first record of a superblock.
  int64_t zerosOffset; ///< Of zeros behind the scales of a record (super zeros: 128).
  int64_t headerBytes; ///< Bytes before the values of a record.
  int64_t unitBytes;   ///< Of one unit of 64 columns.
  int64_t recordBytes;
  int64_t blockBytes;

  int64_t superOffset(int64_t record) const {
    return record / superGroups * (superBytes + superGroups * recordBytes);
  }
  int64_t recordOffset(int64_t record) const {
    return record * recordBytes + (superGroups ? (record / superGroups + 1) * superBytes : 0);
  }
};

} // namespace plexus
