// Formulas of diagonal state spaces, for decompositions and for vectors of emitters alike.
#ifndef PLEXUS_DIALECTS_SSM_DIAGONAL_H
#define PLEXUS_DIALECTS_SSM_DIAGONAL_H

#include "dialects/ssm/Forms.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ssm {

/// How an op of this kind runs over its sequences.
struct DiagonalRun {
  Value stepScale; ///< or null
  FormChoice run;
};
/// Checks what such ops share.
LogicalResult verifyRun(Operation *op, const DiagonalRun &run, ArrayRef<Form> allowed);

/// A complex number as two f32 scalars or vectors.
struct Complex {
  Value real, imag;
};

/// What a mode's coefficients are made of; `logStep`, `stepScale` and `logGain` may be null.
struct Mode {
  Rates rates;
  Discretization discretization;
  Value real, imag, logStep, stepScale, logGain;
};

/// a and b of `s = a s' + b u`.
struct Coefficients {
  Complex a, b;
};
Coefficients buildCoefficients(ImplicitLocOpBuilder &builder, const Mode &mode);

/// `a s + b u`; u.imag null: u is real.
Complex buildModeStep(ImplicitLocOpBuilder &builder, const Coefficients &mode, const Complex &state,
                      const Complex &input);

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_DIAGONAL_H
