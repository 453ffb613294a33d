// Scalar formulas of gated recurrences, for decompositions and for vectors of emitters alike.
#ifndef PLEXUS_DIALECTS_SSM_GATEMATH_H
#define PLEXUS_DIALECTS_SSM_GATEMATH_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ssm {

/// One step of `ssm.rg_lru`: the new h. All are f32 scalars or vectors of one length, `first` is
/// i1.
Value buildRgLru(ImplicitLocOpBuilder &builder, Value x, Value inputGate, Value recurrenceGate,
                 Value decay, Value first, Value last);

/// What a step of `ssm.wkv` makes.
struct Wkv {
  Value result, numerator, denominator, largest;
};
Wkv buildWkv(ImplicitLocOpBuilder &builder, Value key, Value value, Value decay, Value first,
             const Wkv &last);

/// `exp(rate softplus(step + bias))`.
Value buildDecay(ImplicitLocOpBuilder &builder, Value rate, Value step, Value bias);

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_GATEMATH_H
