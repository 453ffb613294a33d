// Recurrences over samples that compute in f64: states are f32 tensors, so each f64 is kept as its
// bits, two f32 beside each other.
#ifndef PLEXUS_DIALECTS_BRAIN_WIDESTATE_H
#define PLEXUS_DIALECTS_BRAIN_WIDESTATE_H

#include "dialects/plx/LinalgBuild.h"

namespace mlir::brain {

/// A state [rows, columns, 2] of f32 as the f64 [rows, columns] that it is.
Value unpackState(ImplicitLocOpBuilder &builder, Value state);

/// The rows [columns] of f64 as a state [rows, columns, 2] of f32.
Value packState(ImplicitLocOpBuilder &builder, ValueRange rows);

/// `body` over f64 vectors [columns]: arguments of any float type arrive as f64.
Value mapWide(ImplicitLocOpBuilder &builder, ValueRange vectors, plx::ScalarBody body);

/// [columns] of f64 as `element`.
Value narrow(ImplicitLocOpBuilder &builder, Value vector, Type element);

} // namespace mlir::brain

#endif // PLEXUS_DIALECTS_BRAIN_WIDESTATE_H
