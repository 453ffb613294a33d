// How keys and values are kept in pages, and where their parts lie.
#pragma once

#include "runtime/abi/Call.h"

#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace plexus {

/// F32 as they are, BF16 rounded to the nearest. Int8: bytes with an f16 scale and an f16 minimum
/// for each 32 neighbours of one token's head, x is about scale * q + minimum; a row is rounded by
/// itself, so that what it becomes depends on no other token. Int4: whole pages are rounded
/// together, once they are a page or more behind (KvSealedLayout); before that they are bf16.
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

/// How pages are written that are not sealed yet, or never.
inline constexpr KvForm openForm(KvForm form) { return form == KvForm::Int4 ? KvForm::BF16 : form; }
/// Of states that seal: each page, sealed or not, starts with the i32 positions of its tokens.
inline constexpr int64_t kKvPositionBytes = 4 * PLX_PAGE_TOKENS;

/// Keys or values of one layer in a page, for `heads` heads of `dim` entries.
///   F32    codes are f32: keys [heads][dim][32 tokens], values [heads][32][dim]
///   BF16   dim rounded up to even; keys in pairs of entries [heads][dim/2][32 tokens][2], values
///          in pairs of tokens [heads][16][dim][2]
///   Int8   a byte an entry, dim rounded up to groups of 32, keys [heads][dim][32], values
///          [heads][32][dim]; behind them f16 scales and minima, keys [heads][groups][2][32],
///          values [heads][32][groups][2]
/// Pages of Int4 that are not sealed yet are written as BF16.
struct KvPartLayout {
  static constexpr int64_t kGroup = 32;
  KvForm form = KvForm::F32;
  int64_t heads = 0, dim = 0;

  constexpr bool isQuantized() const { return form == KvForm::Int8; }
  constexpr int64_t groups() const { return (dim + kGroup - 1) / kGroup; }
  /// Entries of a head as it is kept: whole groups where there are groups, whole pairs of bf16.
  constexpr int64_t paddedDim() const {
    return isQuantized() ? groups() * kGroup : form == KvForm::BF16 ? (dim + 1) / 2 * 2 : dim;
  }
  /// Bytes of a token's codes in one head.
  constexpr int64_t codeBytes() const {
    return form == KvForm::F32    ? dim * 4
           : form == KvForm::BF16 ? paddedDim() * 2
                                  : groups() * kGroup;
  }
  /// From the first code to the first scale, and to the end.
  constexpr int64_t scalesOffset() const { return heads * codeBytes() * PLX_PAGE_TOKENS; }
  constexpr int64_t bytes() const {
    return scalesOffset() + (isQuantized() ? heads * groups() * 2 * 2 * PLX_PAGE_TOKENS : 0);
  }
};

/// One layer of a sealed page: 4 bits an entry, x is about scale * q + minimum. Keys share these by
/// channel, over the page's 32 tokens, and were not turned by the rope that the state names; values
/// share them by token, over 32 entries of a head (KIVI, arXiv:2402.02750). Scales are bytes in
/// units of the head's largest, minima of values too. Of some channels and groups, those that gain
/// the most by it, the entry that stretches the range is kept beside them, as the bf16 that it was
/// (dense and sparse: KVQuant, arXiv:2401.18079).
///
/// All heads' keys, then all heads' values. Of a head:
///   keys    codes [dim][16 bytes]: of byte j, tokens j (low nibble) and 16 + j; minima [dim] f16;
///           scales [dim] u8, to a multiple of 2; unit of scales f16; outliers
///   values  codes [32][groups][16 bytes]: of byte j, entries j and 16 + j; minima [32][groups] i8;
///           scales [32][groups] u8; units of scales and of minima, f16; outliers
///   outliers [number]{place u16, bf16}: place is dim * 32 + token, or token * paddedValueDim +
///   entry
struct KvSealedLayout {
  static constexpr int64_t kGroup = 32, kCodeBytes = 16, kOutlierBytes = 4;
  /// One entry of so many is an outlier, but at most one of what shares a scale.
  static constexpr int64_t kOutlierOf = 256;
  /// Places of outliers are 16 bits.
  static constexpr int64_t kMostDim = 2016;
  int64_t heads = 0, keyDim = 0, valueDim = 0;

  constexpr int64_t groups() const { return (valueDim + kGroup - 1) / kGroup; }
  constexpr int64_t paddedValueDim() const { return groups() * kGroup; }
  /// (token, group) pairs of a head: what shares a scale among values.
  constexpr int64_t valueVectors() const { return PLX_PAGE_TOKENS * groups(); }
  static constexpr int64_t outliers(int64_t dim, int64_t vectors) {
    int64_t wanted = dim * PLX_PAGE_TOKENS / kOutlierOf;
    return wanted < 1 ? 1 : wanted > vectors ? vectors : wanted;
  }
  constexpr int64_t keyOutliers() const { return outliers(keyDim, keyDim); }
  constexpr int64_t valueOutliers() const { return outliers(valueDim, valueVectors()); }

  /// Bytes behind the start of a head's keys.
  constexpr int64_t keyMinima() const { return keyDim * kCodeBytes; }
  constexpr int64_t keyScales() const { return keyMinima() + keyDim * 2; }
  constexpr int64_t keyUnit() const { return keyScales() + (keyDim + 1) / 2 * 2; }
  constexpr int64_t keyOutlierList() const { return keyUnit() + 2; }
  constexpr int64_t keyBytes() const { return keyOutlierList() + keyOutliers() * kOutlierBytes; }
  /// Bytes behind the start of a head's values.
  constexpr int64_t valueMinima() const { return valueVectors() * kCodeBytes; }
  constexpr int64_t valueScales() const { return valueMinima() + valueVectors(); }
  constexpr int64_t valueUnits() const { return valueScales() + valueVectors(); }
  constexpr int64_t valueOutlierList() const { return valueUnits() + 4; }
  constexpr int64_t valueBytes() const {
    return valueOutlierList() + valueOutliers() * kOutlierBytes;
  }
  /// Of a layer: the start of a head's keys and values, and the end.
  constexpr int64_t keyPlace(int64_t head) const { return head * keyBytes(); }
  constexpr int64_t valuePlace(int64_t head) const {
    return heads * keyBytes() + head * valueBytes();
  }
  constexpr int64_t bytes() const { return valuePlace(heads); }
};

} // namespace plexus
