// How keys and values are kept in pages, and where their parts lie.
#pragma once

#include "runtime/abi/Call.h"

#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace plexus {

/// F32 as they are, BF16 rounded to the nearest; else integers with an f16 scale and an f16 minimum
/// for each 32 neighbours of one token's head: x is about scale * q + minimum. A row is rounded by
/// itself, so that what it becomes depends on no other token.
enum class KvForm : uint8_t { F32, BF16, Int8, Int4 };
inline constexpr std::string_view kKvFormNames[] = {"f32", "bf16", "int8", "int4"};

inline constexpr std::string_view kvFormName(KvForm form) {
  return kKvFormNames[static_cast<int>(form)];
}
inline constexpr std::optional<KvForm> kvFormFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kKvFormNames); ++i)
    if (kKvFormNames[i] == name)
      return static_cast<KvForm>(i);
  return std::nullopt;
}

/// Keys or values of one layer in a page, for `heads` heads of `dim` entries.
///   F32    codes are f32: keys [heads][dim][32 tokens], values [heads][32][dim]
///   BF16   dim rounded up to even; keys in pairs of entries [heads][dim/2][32 tokens][2], values
///   in
///          pairs of tokens [heads][16][dim][2]
///   Int8   a byte an entry, dim rounded up to groups of 32
///   Int4   of a group, byte j of 16 holds entry j (low nibble) and 16 + j (high nibble)
/// Integers are in the same order as f32 ([heads][bytes][32] for keys, [heads][32][bytes] for
/// values); behind them f16 numbers, keys [heads][groups][2][32], values [heads][32][groups][2]:
/// scale and minimum.
struct KvPartLayout {
  static constexpr int64_t kGroup = 32;
  KvForm form = KvForm::F32;
  int64_t heads = 0, dim = 0;

  constexpr bool isQuantized() const { return form == KvForm::Int8 || form == KvForm::Int4; }
  constexpr int64_t groups() const { return (dim + kGroup - 1) / kGroup; }
  /// Entries of a head as it is kept: whole groups where there are groups, whole pairs of bf16.
  constexpr int64_t paddedDim() const {
    return isQuantized() ? groups() * kGroup : form == KvForm::BF16 ? (dim + 1) / 2 * 2 : dim;
  }
  /// Bytes of a token's codes in one head.
  constexpr int64_t codeBytes() const {
    return form == KvForm::F32    ? dim * 4
           : form == KvForm::BF16 ? paddedDim() * 2
           : form == KvForm::Int8 ? groups() * kGroup
                                  : groups() * kGroup / 2;
  }
  /// From the first code to the first scale, and to the end.
  constexpr int64_t scalesOffset() const { return heads * codeBytes() * PLX_PAGE_TOKENS; }
  constexpr int64_t bytes() const {
    return scalesOffset() + (isQuantized() ? heads * groups() * 2 * 2 * PLX_PAGE_TOKENS : 0);
  }
};

} // namespace plexus
