// Signals along the samples of each sequence: filters and running norms.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINSIGNALS_TD
#define PLEXUS_DIALECTS_BRAIN_BRAINSIGNALS_TD

include "dialects/brain/BrainBase.td"

def Brain_EmaStandardizeOp : Brain_Recurrence<"ema_standardize"> {
  let summary = "each channel less its running mean, by its running deviation";
  let description = [{
    Exponential moving standardisation: mean and variance of each channel follow the samples,

    `m <- a x + (1 - a) m; v <- a (x - m)^2 + (1 - a) v; y = (x - m) / max(eps, sqrt v)`,

    a = `alpha`. Before a sequence's first sample m is that sample and v is 1. Computed in f64. The state
    is mean, variance and 1 where a sample has been, each as the bits of f64 in two f32; zeros are a fresh
    sequence.

    ```mlir
    %y = brain.ema_standardize %x, %batch state %s {alpha = 0.01 : f64, eps = 1.0e-4 : f64} : (tensor<?x22xf32>, !plx.batch, !plx.carry<3 x 22 x 2>) -> tensor<?x22xf32>
    ```
  }];
  let arguments = (ins Brain_Channels:$input, Plx_Batch:$batch, Optional<Plx_Carry>:$state,
                       F64Attr:$alpha, F64Attr:$eps);
  let results = (outs Brain_Channels:$result);
  let assemblyFormat = [{
    $input `,` $batch (`state` $state^)? attr-dict `:` functional-type(operands, results)
  }];
}

#endif // PLEXUS_DIALECTS_BRAIN_BRAINSIGNALS_TD
