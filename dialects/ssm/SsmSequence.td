// Ops over whole sequences: their norm, and functions of time.
#ifndef PLEXUS_DIALECTS_SSM_SSMSEQUENCE_TD
#define PLEXUS_DIALECTS_SSM_SSMSEQUENCE_TD

include "dialects/ssm/SsmBase.td"

def Ssm_StandardizeOp : Op<Ssm_Dialect, "standardize", [
    Pure, InferTypeOpAdaptor, DeclareOpInterfaceMethods<DecomposeOpInterface>,
    DeclareOpInterfaceMethods<ResultRowsOpInterface>]> {
  let summary = "each channel less its mean over the sequence, by its deviation";
  let description = [{
    With mean and deviation [S, C] of each sequence's tokens in the batch, deviation = sqrt(population
    variance) + eps: `y = (x - mean) / deviation`.

    ```mlir
    %y, %mean, %deviation = ssm.standardize %x, %batch {eps = 1.0e-5 : f32} : tensor<?x4xf32> -> tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
    ```
  }];
  let arguments = (ins Ssm_Channels:$input, Plx_Batch:$batch, F32Attr:$eps);
  let results = (outs Ssm_Channels:$result, Ssm_Channels:$mean, Ssm_Channels:$deviation);
  let assemblyFormat = "$input `,` $batch attr-dict `:` type($input) `->` type(results)";
  let hasVerifier = 1;
}

def Ssm_LegendreOp : Op<Ssm_Dialect, "legendre", [
    Pure, InferTypeOpAdaptor, DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "a function of time from its coefficients in Legendre polynomials";
  let description = [{
    For j = 1 .. horizon, t = j step_scale / base: `y[s, j - 1, c] = mean[s, c] + deviation[s, c] sum_n
    coefficients[s, c, n] P_n(2 t - 1)`.

    ```mlir
    %y = ssm.legendre %c, %mean, %deviation, %scale {horizon = 64, base = 16} : (tensor<?x2x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<1xf32>) -> tensor<?x64x2xf32>
    ```
  }];
  let arguments = (ins Ssm_Heads:$coefficients, Ssm_Channels:$mean, Ssm_Channels:$deviation,
                       Plx_Vector:$step_scale, I64Attr:$horizon, I64Attr:$base);
  let results = (outs Ssm_Heads:$result);
  let assemblyFormat = [{
    $coefficients `,` $mean `,` $deviation `,` $step_scale attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

#endif // PLEXUS_DIALECTS_SSM_SSMSEQUENCE_TD
