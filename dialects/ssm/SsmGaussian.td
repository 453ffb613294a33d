// Linear-Gaussian state spaces: filters and smoothers of Kalman's kind.
#ifndef PLEXUS_DIALECTS_SSM_SSMGAUSSIAN_TD
#define PLEXUS_DIALECTS_SSM_SSMGAUSSIAN_TD

include "dialects/ssm/SsmBase.td"

def Ssm_Row : Ssm_Rows<1, "float tensor [T]">;
def Ssm_Flags : TensorOf<[I32]>;
def Ssm_Uncertainty : AnyTypeOf<[Ssm_Heads, Ssm_Matrix]>;

class Ssm_GaussianOp<string mnemonic, dag more>
    : Op<Ssm_Dialect, mnemonic, [
          AttrSizedOperandSegments, InferTypeOpAdaptor,
          DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
          DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let arguments = !con((ins Ssm_Channels:$measurements, Ssm_Matrix:$transition, Ssm_Matrix:$noise,
                            Ssm_Heads:$whitener, Ssm_Heads:$readout, Ssm_Heads:$information,
                            Ssm_Matrix:$log_determinant, Plx_Vector:$mean, Ssm_Matrix:$covariance,
                            Plx_Batch:$batch, Optional<Ssm_Flags>:$observed,
                            Optional<Plx_Vector>:$offset, Optional<Plx_Vector>:$measurement_offset),
                       more);
  let hasVerifier = 1;
}

def Ssm_KalmanFilterOp : Ssm_GaussianOp<"kalman_filter", (ins Optional<Plx_Carry>:$state)> {
  let summary = "Kalman filter (Kalman, 1960), in f64 and in the form of the state's size";
  let description = [{
    n states, m measurements a token: `z_0 ~ N(mean, covariance)`, `z_t = A z_{t-1} + offset + N(0, noise)`
    with A the transition, `y_t = C z_t + measurement_offset + N(0, R)`, R = L L^T. C and R come as what
    `#plx.whiten` makes of them, pairs of f32 whose sum is meant: whitener L^-1, readout (L^-1 C)^T,
    information J = C^T R^-1 C, log_determinant log det L. With the prediction (m, M), U^T U = M:

    - `r = L^-1 (y - measurement_offset) - L^-1 C m`, `h = (L^-1 C)^T r`
    - `B = I + U J U^T`, `P = U^T B^-1 U`, which is `(M^-1 + J)^-1`, and `mean = m + P h`
    - log likelihood of y: `-(k log 2 pi + r r - h P h) / 2 - log det L - log det B / 2`, k = m measurements

    so that only systems of the state's size are solved (the matrix inversion lemma), and M may be
    singular. At a token whose `observed` is 0, or that has a measurement that is not finite, the
    prediction stays and the likelihood is that of the tokens before.

    Results: the means [T, n] and covariances [T, n, n] before and after each token's measurements, and
    the log likelihood of the sequence up to each token, [T, 1]. State: [2 + n + n n, 2], numbers of f64
    as two words, the low one first: 1 after a first token, the log likelihood, mean, covariance.

    ```mlir
    %pm, %pc, %fm, %fc, %ll = ssm.kalman_filter %y, %A, %Q, %w, %h, %j, %ld, %mu, %v, %batch observed %o offset %b measurement_offset %d state %s : (tensor<?x6xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<2x6x6xf32>, tensor<2x4x6xf32>, tensor<2x4x4xf32>, tensor<2x1xf32>, tensor<4xf32>, tensor<4x4xf32>, !plx.batch, tensor<?xi32>, tensor<4xf32>, tensor<6xf32>, !plx.carry<22 x 2>) -> (tensor<?x4xf32>, tensor<?x4x4xf32>, tensor<?x4xf32>, tensor<?x4x4xf32>, tensor<?x1xf32>)
    ```
  }];
  let results = (outs Ssm_Channels:$predicted_mean, Ssm_Heads:$predicted_covariance,
                      Ssm_Channels:$filtered_mean, Ssm_Heads:$filtered_covariance,
                      Ssm_Channels:$log_likelihood);
  let assemblyFormat = [{
    $measurements `,` $transition `,` $noise `,` $whitener `,` $readout `,` $information `,`
    $log_determinant `,` $mean `,` $covariance `,` $batch (`observed` $observed^)? (`offset` $offset^)?
    (`measurement_offset` $measurement_offset^)? (`state` $state^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Ssm_KalmanSmootherOp : Ssm_GaussianOp<"kalman_smoother", (ins)> {
  let summary = "Rauch, Tung and Striebel's smoother (1965) over whole sequences, in f64";
  let description = [{
    The filter of `ssm.kalman_filter`, then from the last token to the first, with (m, M) the prediction
    of token t + 1: `G = P_t A^T M^-1`, `s_t = mean_t + G (s_{t+1} - m)`, `S_t = P_t + G (S_{t+1} - M) G^T`.
    Where M is singular its inverse is one on its range.

    Results: smoothed means [T, n], covariances [T, n, n], and `Cov(z_{t+1}, z_t | all y) = S_{t+1} G^T`,
    [T, n, n], zeros at the last token.

    ```mlir
    %m, %c, %l = ssm.kalman_smoother %y, %A, %Q, %w, %h, %j, %ld, %mu, %v, %batch : (tensor<?x6xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<2x6x6xf32>, tensor<2x4x6xf32>, tensor<2x4x4xf32>, tensor<2x1xf32>, tensor<4xf32>, tensor<4x4xf32>, !plx.batch) -> (tensor<?x4xf32>, tensor<?x4x4xf32>, tensor<?x4x4xf32>)
    ```
  }];
  let results = (outs Ssm_Channels:$smoothed_mean, Ssm_Heads:$smoothed_covariance,
                      Ssm_Heads:$lag_covariance);
  let assemblyFormat = [{
    $measurements `,` $transition `,` $noise `,` $whitener `,` $readout `,` $information `,`
    $log_determinant `,` $mean `,` $covariance `,` $batch (`observed` $observed^)? (`offset` $offset^)?
    (`measurement_offset` $measurement_offset^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Ssm_DiscriminativeFilterOp
    : Ssm_StatefulOp<"discriminative_filter", [InferTypeOpAdaptor]> {
  let summary = "discriminative Kalman filter (Burkhart et al., 2020, arXiv:1608.06622), in f64";
  let description = [{
    What a learned map says of the state, `p(z_t | x_t) = N(f_t, Q_t)` (uncertainty: Q [T, n, n], or one
    [n, n] for all tokens), takes the place of a model of the
    measurements. With `z_t = A z_{t-1} + N(0, noise)`, stationary covariance S (the prior) and the
    prediction `m = A mean'`, `M = A P' A^T + noise`, at a sequence's first token m = 0 and M = S:

    `P = (Q_t^-1 - S^-1 + M^-1)^-1`, `mean = P (Q_t^-1 f_t + M^-1 m)`

    Where `Q_t^-1 - S^-1` is not positive definite, S^-1 is left out (the robust filter). A row of f or Q
    that is not finite is none: the prediction stays.

    Results: mean [T, n] and covariance [T, n, n]. State: [1 + n + n n, 2], f64 as two words: 1 after a
    first token, mean, covariance.

    ```mlir
    %m, %c = ssm.discriminative_filter %f, %q, %A, %G, %S, %batch state %s : (tensor<?x2xf32>, tensor<?x2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, !plx.batch, !plx.carry<7 x 2>) -> (tensor<?x2xf32>, tensor<?x2x2xf32>)
    ```
  }];
  let arguments = (ins Ssm_Channels:$estimates, Ssm_Uncertainty:$uncertainty, Ssm_Matrix:$transition,
                       Ssm_Matrix:$noise, Ssm_Matrix:$prior, Plx_Batch:$batch,
                       Optional<Plx_Carry>:$state);
  let results = (outs Ssm_Channels:$filtered_mean, Ssm_Heads:$filtered_covariance);
  let assemblyFormat = [{
    $estimates `,` $uncertainty `,` $transition `,` $noise `,` $prior `,` $batch (`state` $state^)?
    attr-dict `:` functional-type(operands, results)
  }];
}

#endif // PLEXUS_DIALECTS_SSM_SSMGAUSSIAN_TD
