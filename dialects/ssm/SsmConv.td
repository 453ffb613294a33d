// Convolutions along the tokens of a sequence.
#ifndef PLEXUS_DIALECTS_SSM_SSMCONV_TD
#define PLEXUS_DIALECTS_SSM_SSMCONV_TD

include "dialects/ssm/SsmBase.td"

def Ssm_CausalConvOp : Ssm_Recurrence<"causal_conv", [AllTypesMatch<["input", "result"]>]> {
  let summary = "depthwise convolution over a token and those before it";
  let description = [{
    `y[t, c] = act(bias[c] + sum_j weight[j, c] x[t - (K - 1) + j, c])`, each channel for itself. What
    lies before a sequence's first token is zero, or comes from the state: the K - 1 inputs before, oldest
    first. In a draft tree the tokens before are the ancestors. With `reverse` the sequence is read from
    its end: `x[t + (K - 1) - j, c]`.

    ```mlir
    %y = ssm.causal_conv %x, %w, %batch bias %b state %s {activation = #plx<activation_kind silu>} : (tensor<?x64xf32>, tensor<4x64xf32>, !plx.batch, tensor<64xf32>, !plx.carry<3 x 64>) -> tensor<?x64xf32>
    %z = ssm.causal_conv %x, %w, %batch {reverse} : (tensor<?x64xf32>, tensor<4x64xf32>, !plx.batch) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Ssm_Channels:$input, Ssm_Matrix:$weight, Plx_Batch:$batch,
                       Optional<Plx_Vector>:$bias, Optional<Plx_Carry>:$state,
                       DefaultValuedAttr<Plx_ActivationAttr, "::mlir::plx::ActivationKind::Identity">:$activation,
                       UnitAttr:$reverse);
  let results = (outs Ssm_Channels:$result);
  let assemblyFormat = [{
    $input `,` $weight `,` $batch (`bias` $bias^)? (`state` $state^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

#endif // PLEXUS_DIALECTS_SSM_SSMCONV_TD
