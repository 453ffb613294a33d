// State spaces that are diagonal plus a matrix of rank one.
#ifndef PLEXUS_DIALECTS_SSM_SSMDPLR_TD
#define PLEXUS_DIALECTS_SSM_SSMDPLR_TD

include "dialects/ssm/SsmBase.td"
include "dialects/ssm/SsmEnums.td"

def Ssm_Modes : Ssm_Rows<3, "float tensor [2, N, H]: real parts, then imaginary ones">;

def Ssm_DplrOp : Ssm_Recurrence<"dplr", [AllTypesMatch<["input", "result"]>]> {
  let summary = "diagonal plus low-rank state space (S4)";
  let description = [{
    arXiv:2111.00396, appendix C: each of H channels has a state of N modes, which stand for themselves and
    their conjugates, with `A = diag(l) - p q*` (l by `rates`, as for `ssm.diagonal`), discretised by the
    bilinear transform with the step `d = exp(log_step) step_scale`. With `<x, y> = 2 Re sum_n conj(x) y`,
    `g = 2 / d`, `e = 1 / (g - l)` and `r = 1 / (1 + <q, e p>)`,

    `v = (g + l) s' - p <q, s'> + 2 b input[t]`, `s = e v - e p r <q, e v>`, `y[t] = <conj(c), s>`.

    A step costs N, not its square: the low-rank parts of the matrix and of its inverse are dot products.

    `form` is that of `ssm.diagonal`, without `scan`: a product of such matrices has a higher rank.

    ```mlir
    %y = ssm.dplr log %u, %re, %im, %p, %q, %b, %c, %batch, %dt state %s : (tensor<?x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<2x8x16xf32>, tensor<2x8x16xf32>, tensor<2x8x16xf32>, tensor<2x8x16xf32>, !plx.batch, tensor<16xf32>, !plx.carry<2 x 8 x 16>) -> tensor<?x16xf32>
    ```
  }];
  let arguments = (ins Ssm_Rates:$rates, Ssm_Channels:$input, Ssm_Matrix:$real, Ssm_Matrix:$imag,
                       Ssm_Modes:$p, Ssm_Modes:$q, Ssm_Modes:$b, Ssm_Modes:$c, Plx_Batch:$batch,
                       Plx_Vector:$log_step, Optional<Plx_Vector>:$step_scale,
                       Optional<Plx_Carry>:$state, UnitAttr:$reverse,
                       OptionalAttr<Ssm_Form>:$form, OptionalAttr<I64Attr>:$form_length);
  let results = (outs Ssm_Channels:$result);
  let assemblyFormat = [{
    $rates $input `,` $real `,` $imag `,` $p `,` $q `,` $b `,` $c `,` $batch `,` $log_step
    (`scale` $step_scale^)? (`state` $state^)? (`form` $form^ (`from` $form_length^)?)? attr-dict `:`
    functional-type(operands, results)
  }];
}

#endif // PLEXUS_DIALECTS_SSM_SSMDPLR_TD
