// The activations as scalar arithmetic: for decompositions and for the epilogues that fusion makes.
#ifndef PLEXUS_DIALECTS_PLX_ACTIVATIONS_H
#define PLEXUS_DIALECTS_PLX_ACTIVATIONS_H

#include "dialects/plx/PlxDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::plx {

/// `kind(x)` for a float scalar (or vector) `x`, in arith and math ops. Propagates NaN.
Value buildActivation(ImplicitLocOpBuilder &builder, ActivationKind kind, Value x);

} // namespace mlir::plx

#endif // PLEXUS_DIALECTS_PLX_ACTIVATIONS_H
