// Builds the loop over the tokens of a batch that the decomposition of a recurrence is.
#ifndef PLEXUS_DIALECTS_SSM_RECURRENCE_H
#define PLEXUS_DIALECTS_SSM_RECURRENCE_H

#include "dialects/plx/LinalgBuild.h"

namespace mlir::ssm {

/// One step of a recurrence: from the number of the token and what it starts from, the values that
/// it leaves behind, then its rows of the results.
using RecurrenceStep =
    function_ref<SmallVector<Value>(ImplicitLocOpBuilder &, Value token, ValueRange carried)>;

/// What a recurrence reads besides its rows.
struct Recurrence {
  Value batch;
  /// Each a !plx.carry, or null: zeros at the start of a sequence, nothing kept.
  SmallVector<Value> states;
  /// What is carried, for each state: static f32 tensors.
  SmallVector<RankedTensorType> carried;
  /// Results, [T, ...].
  SmallVector<RankedTensorType> results;
  /// From the last token to the first.
  bool reverse = false;
};

/// A sequential loop over the tokens with `step` as its body; returns the results. `tokens` is the
/// number of tokens, an index.
SmallVector<Value> buildRecurrence(ImplicitLocOpBuilder &builder, Value tokens,
                                   const Recurrence &recurrence, RecurrenceStep step);

/// Row `token` of `rows` [T, ...], without the leading axis.
Value rowAt(ImplicitLocOpBuilder &builder, Value rows, Value token);

/// The size of the leading axis.
Value rowCount(ImplicitLocOpBuilder &builder, Value rows);

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_RECURRENCE_H
