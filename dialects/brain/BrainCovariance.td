// Covariances of windows, and their logarithms.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINCOVARIANCE_TD
#define PLEXUS_DIALECTS_BRAIN_BRAINCOVARIANCE_TD

include "dialects/brain/BrainBase.td"

def Brain_CovarianceOp : Op<Brain_Dialect, "covariance", [
    Pure, InferTypeOpAdaptor, DeclareOpInterfaceMethods<DecomposeOpInterface>,
    DeclareOpInterfaceMethods<ResultRowsOpInterface>]> {
  let summary = "covariance of the channels over each sequence";
  let description = [{
    `S = sum_t (x_t - m)(x_t - m)^T / n` over the n samples of each sequence, summed in f64; m is their mean
    with `center`, otherwise 0 (band-passed signals have none). `shrinkage` w in [0, 1] moves it towards a
    multiple of the identity: `(1 - w) S + w trace(S) / C I` (Ledoit and Wolf, 2004), which makes it
    invertible where there are fewer samples than channels. A sequence without samples has NaN.

    ```mlir
    %s = brain.covariance %x, %batch {center, shrinkage = 0.1 : f64} : (tensor<?x22xf32>, !plx.batch) -> tensor<?x22x22xf32>
    ```
  }];
  let arguments = (ins Brain_Channels:$input, Plx_Batch:$batch, UnitAttr:$center,
                       DefaultValuedAttr<F64Attr, "0.0">:$shrinkage);
  let results = (outs Brain_Matrices:$result);
  let assemblyFormat = "$input `,` $batch attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Brain_MatrixLogOp : Brain_Op<"matrix_log"> {
  let summary = "logarithms of symmetric matrices with positive eigenvalues";
  let description = [{
    `V diag(log max(l, floor)) V^T` of `V diag(l) V^T`, by Jacobi's rotations in f64: covariances as points
    of a flat space (log-Euclidean metric; Arsigny et al., 2006). Only symmetric matrices have a meaning.

    ```mlir
    %l = brain.matrix_log %s {floor = 1.0e-10 : f64} : tensor<?x22x22xf32> -> tensor<?x22x22xf32>
    ```
  }];
  let arguments = (ins Brain_Matrices:$input, F64Attr:$floor);
  let results = (outs Brain_Matrices:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

#endif // PLEXUS_DIALECTS_BRAIN_BRAINCOVARIANCE_TD
