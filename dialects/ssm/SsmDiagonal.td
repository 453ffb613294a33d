// Diagonal state spaces.
#ifndef PLEXUS_DIALECTS_SSM_SSMDIAGONAL_TD
#define PLEXUS_DIALECTS_SSM_SSMDIAGONAL_TD

include "dialects/ssm/SsmBase.td"
include "dialects/ssm/SsmEnums.td"

def Ssm_DiagonalOp : Ssm_Recurrence<"diagonal", [AllTypesMatch<["input", "result"]>]> {
  let summary = "diagonal complex state space (S4D, S5, LRU)";
  let description = [{
    N modes for each of H channels, with eigenvalues `l` of [N, H], by `rates`: `cartesian` real + i imag,
    `log` -exp(real) + i imag (arXiv:2206.11893), `polar` -exp(real) + i exp(imag) (arXiv:2303.06349).
    With `d = exp(log_step) step_scale` (1 where they are absent):

    - `zoh`: `a = exp(d l)`, `b = (a - 1) / l`
    - `bilinear`: `a = (1 + d l / 2) / (1 - d l / 2)`, `b = d / (1 - d l / 2)`
    - `dirac`: `a = exp(d l)`, `b = 1`

    and b times exp(log_gain). Then `s = a s' + b u`. Two forms:

    - With a readout c [N, H] the input u is real, [T, H], and `y[t, h] = factor Re sum_n c[n, h] s[n, h]`.
    - Without one there is one mode a channel (N = 1) and input and result are complex, [T, 2 H]: real
      parts, then imaginary ones; y = s.

    With `reverse` sequences run from their last token to their first.

    `form` says how sequences of at least `from` tokens (1 if it is not there) are computed; shorter ones
    and draft trees are `recurrent`, token by token. `scan`: chunks side by side, each but the first from
    zero, then what was before each (arXiv:2208.04933, section 2.2). `convolution`: of the input with
    `K[l] = factor Re sum_n c b a^l` by Fourier transforms (arXiv:2206.11893, section 3), for a readout
    without a state.
    `plx-choose-scan-forms` sets it where it is not there.

    ```mlir
    %y = ssm.diagonal log zoh %u, %re, %im, %batch step %dt readout %cr, %ci state %s {factor = 2.0 : f32} : (tensor<?x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, !plx.batch, tensor<16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, !plx.carry<2 x 8 x 16>) -> tensor<?x16xf32>
    %w = ssm.diagonal log zoh %u, %re, %im, %batch step %dt readout %cr, %ci form convolution from 64 : (tensor<?x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, !plx.batch, tensor<16xf32>, tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<?x16xf32>
    %z = ssm.diagonal polar dirac %v, %nu, %theta, %batch gain %g : (tensor<?x24xf32>, tensor<1x12xf32>, tensor<1x12xf32>, !plx.batch, tensor<12xf32>) -> tensor<?x24xf32>
    ```
  }];
  let arguments = (ins Ssm_Rates:$rates, Ssm_Discretization:$discretization, Ssm_Channels:$input,
                       Ssm_Matrix:$real, Ssm_Matrix:$imag, Plx_Batch:$batch,
                       Optional<Plx_Vector>:$log_step, Optional<Plx_Vector>:$step_scale,
                       Optional<Plx_Vector>:$log_gain, Optional<Ssm_Matrix>:$readout_real,
                       Optional<Ssm_Matrix>:$readout_imag, Optional<Plx_Carry>:$state,
                       DefaultValuedAttr<F32Attr, "1.0f">:$factor, UnitAttr:$reverse,
                       OptionalAttr<Ssm_Form>:$form, OptionalAttr<I64Attr>:$form_length);
  let results = (outs Ssm_Channels:$result);
  let assemblyFormat = [{
    $rates $discretization $input `,` $real `,` $imag `,` $batch (`step` $log_step^)? (`scale` $step_scale^)?
    (`gain` $log_gain^)? (`readout` $readout_real^ `,` $readout_imag)? (`state` $state^)?
    (`form` $form^ (`from` $form_length^)?)? attr-dict `:` functional-type(operands, results)
  }];
}

#endif // PLEXUS_DIALECTS_SSM_SSMDIAGONAL_TD
