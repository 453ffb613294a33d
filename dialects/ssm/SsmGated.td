// Recurrences with gates.
#ifndef PLEXUS_DIALECTS_SSM_SSMGATED_TD
#define PLEXUS_DIALECTS_SSM_SSMGATED_TD

include "dialects/ssm/SsmBase.td"
include "dialects/ssm/SsmEnums.td"

def Ssm_RgLruOp : Ssm_StatefulOp<"rg_lru", [
    AllTypesMatch<["input", "input_gate", "recurrence_gate", "result"]>]> {
  let summary = "real-gated linear recurrent unit (arXiv:2402.19427, equations 1 to 4)";
  let description = [{
    For each channel, with i = sigmoid(input_gate), r = sigmoid(recurrence_gate):
    `a = exp(-8 r softplus(decay))`, `h = a h' + sqrt(1 - a^2) i x`, `y = h`. At position 0 of a sequence
    a is 0 and the square root 1.

    ```mlir
    %y = ssm.rg_lru %x, %i, %r, %decay, %batch state %s : (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<64xf32>, !plx.batch, !plx.carry<64>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Ssm_Channels:$input, Ssm_Channels:$input_gate, Ssm_Channels:$recurrence_gate,
                       Plx_Vector:$decay, Plx_Batch:$batch, Optional<Plx_Carry>:$state);
  let results = (outs Ssm_Channels:$result);
  let assemblyFormat = [{
    $input `,` $input_gate `,` $recurrence_gate `,` $decay `,` $batch (`state` $state^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Ssm_WkvOp : Ssm_StatefulOp<"wkv", [AllTypesMatch<["key", "value", "result"]>]> {
  let summary = "time mixing of RWKV-4 (arXiv:2305.13048, equation 16)";
  let description = [{
    For each channel, with w = exp(decay) and u = first: `y = (n' + e^(u + k) v) / (d' + e^(u + k))`, then
    `n = e^(-w) n' + e^k v`, `d = e^(-w) d' + e^k`. n and d are kept divided by e^m, m being the largest
    exponent in them. The state is [n, d, m].

    ```mlir
    %y = ssm.wkv %k, %v, %decay, %first, %batch state %s : (tensor<?x64xf32>, tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>, !plx.batch, !plx.carry<3 x 64>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Ssm_Channels:$key, Ssm_Channels:$value, Plx_Vector:$decay, Plx_Vector:$first,
                       Plx_Batch:$batch, Optional<Plx_Carry>:$state);
  let results = (outs Ssm_Channels:$result);
  let assemblyFormat = [{
    $key `,` $value `,` $decay `,` $first `,` $batch (`state` $state^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Ssm_DeltaRuleOp : Ssm_StatefulOp<"delta_rule", [AllTypesMatch<["value", "result"]>]> {
  let summary = "gated linear attention, and the gated delta rule (arXiv:2412.06464, equation 10)";
  let description = [{
    A state S [keyDim, valueDim] for each head of values; head h uses the key and the query of head
    h / (value heads / key heads). With `g = exp(rate softplus(step + step_bias))` and
    `b = beta_scale sigmoid(beta)`:

    `S = g S' + k (b (v - g S'^T k))^T`, `y = S^T q`. With `accumulate` nothing is subtracted: `b v`.

    `form`: as that of `ssm.ssd`.

    ```mlir
    %y = ssm.delta_rule %q, %k, %v, %a, %b, %rate, %bias, %batch state %s : (tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x4x16xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, !plx.batch, !plx.carry<4 x 8 x 16>) -> tensor<?x4x16xf32>
    ```
  }];
  let arguments = (ins Ssm_Heads:$query, Ssm_Heads:$key, Ssm_Heads:$value, Ssm_Channels:$step,
                       Ssm_Channels:$beta, Plx_Vector:$rate, Plx_Vector:$step_bias, Plx_Batch:$batch,
                       Optional<Plx_Carry>:$state, DefaultValuedAttr<F32Attr, "1.0f">:$beta_scale,
                       UnitAttr:$accumulate, OptionalAttr<Ssm_Form>:$form,
                       OptionalAttr<I64Attr>:$form_length);
  let results = (outs Ssm_Heads:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value `,` $step `,` $beta `,` $rate `,` $step_bias `,` $batch
    (`state` $state^)? (`form` $form^ (`from` $form_length^)?)? attr-dict `:` functional-type(operands, results)
  }];
}

#endif // PLEXUS_DIALECTS_SSM_SSMGATED_TD
