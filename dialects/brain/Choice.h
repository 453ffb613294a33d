// Largest and smallest entries of rows and their places, for decompositions.
#ifndef PLEXUS_DIALECTS_BRAIN_CHOICE_H
#define PLEXUS_DIALECTS_BRAIN_CHOICE_H

#include "dialects/plx/LinalgBuild.h"

namespace mlir::brain {

/// The one entry of the operand `count` as an index, null where it is absent.
Value countOf(ImplicitLocOpBuilder &builder, Value count);

/// Places are counted in f32 while they are folded: exact up to this many.
inline constexpr int64_t kMostChoices = int64_t(1) << 24;

/// A whole number that an f32 holds, as an index.
Value numberToIndex(ImplicitLocOpBuilder &builder, Value number);

/// For each row of [T, N] the place of its smallest entry, of equal ones the first, as f32 [T].
/// NaN is passed over; `otherwise` is for rows that have nothing else.
Value leastOf(ImplicitLocOpBuilder &builder, Value rows, double otherwise);

/// For each row of scores [T, N] the place of the best entry behind the one that `last` and
/// `lastPlace` [T] describe, in the order of descending scores and ascending places; -1 where there
/// is none. `count` [1]: as many of the columns are there; null for all. Returns its score and its
/// place, both f32 [T].
std::pair<Value, Value> nextBest(ImplicitLocOpBuilder &builder, Value scores, Value count,
                                 Value last, Value lastPlace);

/// [T] for each number of a choice, all f32, as i32 [T, numbers].
Value sideBySide(ImplicitLocOpBuilder &builder, ArrayRef<Value> places);

/// max(|row|, least) of each row of a matrix: f32 [rows].
Value lengthsOf(ImplicitLocOpBuilder &builder, Value matrix, double least);

} // namespace mlir::brain

#endif // PLEXUS_DIALECTS_BRAIN_CHOICE_H
