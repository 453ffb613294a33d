// State space models whose matrices depend on the input.
#ifndef PLEXUS_DIALECTS_SSM_SSMSCAN_TD
#define PLEXUS_DIALECTS_SSM_SSMSCAN_TD

include "dialects/ssm/SsmBase.td"
include "dialects/ssm/SsmEnums.td"

def Ssm_SelectiveScanOp : Ssm_Recurrence<"selective_scan", [AllTypesMatch<["input", "result"]>]> {
  let summary = "the diagonal state space of Mamba";
  let description = [{
    arXiv:2312.00752, equation 2 with the discretisation of section 3.3: for each channel c and state
    entry n, with `d = delta[t, c] + delta_bias[c]` (with `softplus`: `log(1 + e^d)`),

    `h[n, c] <- exp(d rate[n, c]) h[n, c] + d input[t, c] b[t, n]`,
    `y[t, c] = sum_n c[t, n] h[n, c] + skip[c] input[t, c]`.

    `rate`, the files' -exp(A_log), is `[N, channels]`, as is the state: vectors run along the channels.

    ```mlir
    %y = ssm.selective_scan %x, %d, %a, %b, %c, %batch delta_bias %e skip %s state %h {softplus} : (tensor<?x64xf32>, tensor<?x64xf32>, tensor<16x64xf32>, tensor<?x16xf32>, tensor<?x16xf32>, !plx.batch, tensor<64xf32>, tensor<64xf32>, !plx.carry<16 x 64>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Ssm_Channels:$input, Ssm_Channels:$delta, Ssm_Matrix:$rate, Ssm_Channels:$b,
                       Ssm_Channels:$c, Plx_Batch:$batch, Optional<Plx_Vector>:$delta_bias,
                       Optional<Plx_Vector>:$skip, Optional<Plx_Carry>:$state, UnitAttr:$softplus,
                       UnitAttr:$reverse);
  let results = (outs Ssm_Channels:$result);
  let assemblyFormat = [{
    $input `,` $delta `,` $rate `,` $b `,` $c `,` $batch (`delta_bias` $delta_bias^)? (`skip` $skip^)?
    (`state` $state^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Ssm_SsdOp : Ssm_Recurrence<"ssd", [AllTypesMatch<["input", "result"]>]> {
  let summary = "state space duality: the scan of Mamba-2";
  let description = [{
    arXiv:2405.21060, section 6: each head h has one decay. With `d = delta[t, h] + delta_bias[h]` (with
    `softplus`: `log(1 + e^d)`), clamped to `[delta_min, delta_max]` where these are given, and g = h /
    (heads / groups),

    `s[h, n, p] <- exp(d rate[h]) s[h, n, p] + d input[t, h, p] b[t, g, n]`,
    `y[t, h, p] = sum_n c[t, g, n] s[h, n, p] + skip[h] input[t, h, p]`.

    `input` is `[T, heads, width]`, `b` and `c` are `[T, groups, N]`, the state is `[heads, N, width]`.

    `form` says how sequences of at least `from` tokens (1 if it is not there) are computed: `recurrent`,
    token by token, or `chunked`, by products of matrices over chunks of tokens; shorter ones, draft trees
    and what runs in `reverse` are recurrent. `plx-choose-scan-forms` sets it where it is not there.

    ```mlir
    %y = ssm.ssd %x, %d, %a, %b, %c, %batch delta_bias %e skip %s state %h form chunked from 32 {softplus} : (tensor<?x8x64xf32>, tensor<?x8xf32>, tensor<8xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, !plx.batch, tensor<8xf32>, tensor<8xf32>, !plx.carry<8 x 16 x 64>) -> tensor<?x8x64xf32>
    ```
  }];
  let arguments = (ins Ssm_Heads:$input, Ssm_Channels:$delta, Plx_Vector:$rate, Ssm_Heads:$b,
                       Ssm_Heads:$c, Plx_Batch:$batch, Optional<Plx_Vector>:$delta_bias,
                       Optional<Plx_Vector>:$skip, Optional<Plx_Carry>:$state, UnitAttr:$softplus,
                       OptionalAttr<F32Attr>:$delta_min, OptionalAttr<F32Attr>:$delta_max,
                       UnitAttr:$reverse, OptionalAttr<Ssm_Form>:$form,
                       OptionalAttr<I64Attr>:$form_length);
  let results = (outs Ssm_Heads:$result);
  let assemblyFormat = [{
    $input `,` $delta `,` $rate `,` $b `,` $c `,` $batch (`delta_bias` $delta_bias^)? (`skip` $skip^)?
    (`state` $state^)? (`form` $form^ (`from` $form_length^)?)? attr-dict `:` functional-type(operands, results)
  }];
}

#endif // PLEXUS_DIALECTS_SSM_SSMSCAN_TD
