// What the ops over linear-Gaussian state spaces have in common, by name.
#ifndef PLEXUS_DIALECTS_SSM_GAUSSIANOPERANDS_H
#define PLEXUS_DIALECTS_SSM_GAUSSIANOPERANDS_H

#include "dialects/ssm/SsmOps.h"

namespace mlir::ssm {

/// Operands of ssm.kalman_filter and ssm.kalman_smoother; absent ones are null.
struct GaussianOperands {
  Value measurements, transition, noise, whitener, readout, information, logDeterminant, mean,
      covariance, batch, observed, offset, measurementOffset, state;
  int64_t states, count; ///< n, m

  template <typename Op>
  static GaussianOperands of(Op op) {
    GaussianOperands o{op.getMeasurements(),
                       op.getTransition(),
                       op.getNoise(),
                       op.getWhitener(),
                       op.getReadout(),
                       op.getInformation(),
                       op.getLogDeterminant(),
                       op.getMean(),
                       op.getCovariance(),
                       op.getBatch(),
                       op.getObserved(),
                       op.getOffset(),
                       op.getMeasurementOffset(),
                       {},
                       0,
                       0};
    if constexpr (requires { op.getState(); })
      o.state = op.getState();
    o.states = cast<RankedTensorType>(o.mean.getType()).getDimSize(0);
    o.count = cast<RankedTensorType>(o.measurements.getType()).getDimSize(1);
    return o;
  }
};

/// Numbers before the mean in the filter's state: whether a token was seen, the log likelihood.
inline constexpr int64_t kFilterHead = 2;
/// Numbers of a belief over n states.
inline int64_t beliefSize(int64_t states) { return states + states * states; }

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_GAUSSIANOPERANDS_H
