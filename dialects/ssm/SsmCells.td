// Cells of recurrent networks, in the layouts of torch.nn.
#ifndef PLEXUS_DIALECTS_SSM_SSMCELLS_TD
#define PLEXUS_DIALECTS_SSM_SSMCELLS_TD

include "dialects/ssm/SsmBase.td"

// `gates` are the products with the input, its bias included: what is the same for all tokens is not
// part of the recurrence. With `reverse` a sequence runs from its last token to its first, whole in one
// batch; with states too it starts from what the batch names for its first token, and what it leaves goes
// where the batch says for its last one.
class Ssm_Cell<string mnemonic> : Op<Ssm_Dialect, mnemonic, [
    AttrSizedOperandSegments, Plx_AcceptsPacked, InferTypeOpAdaptor,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<ProductWeightsOpInterface>,
    DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let results = (outs Ssm_Channels:$result);
  let hasVerifier = 1;
}

def Ssm_LstmOp : Ssm_Cell<"lstm"> {
  let summary = "long short-term memory";
  let description = [{
    With z = gates + weight h' + bias, its quarters i, f, g, o:
    `c = sigmoid(f) c' + sigmoid(i) tanh(g)`, `h = sigmoid(o) tanh(c)`, and where there is a projection
    `h = projection (sigmoid(o) tanh(c))` (arXiv:1402.1128). The result is h. States: h and c.

    ```mlir
    %y = ssm.lstm %g, %u, %batch bias %b state %h memory %c : (tensor<?x48xf32>, tensor<48x12xf32>, !plx.batch, tensor<48xf32>, !plx.carry<12>, !plx.carry<12>) -> tensor<?x12xf32>
    ```
  }];
  let arguments = (ins Ssm_Channels:$gates, Plx_WeightMatrix:$weight, Plx_Batch:$batch,
                       Optional<Plx_Vector>:$bias, Optional<Plx_WeightMatrix>:$projection,
                       Optional<Plx_Carry>:$state, Optional<Plx_Carry>:$memory, UnitAttr:$reverse);
  let assemblyFormat = [{
    $gates `,` $weight `,` $batch (`bias` $bias^)? (`projection` $projection^)? (`state` $state^)?
    (`memory` $memory^)? attr-dict `:` functional-type(operands, results)
  }];
}

class Ssm_SimpleCell<string mnemonic, dag more = (ins)> : Ssm_Cell<mnemonic> {
  let arguments = !con((ins Ssm_Channels:$gates, Plx_WeightMatrix:$weight, Plx_Batch:$batch,
                        Optional<Plx_Vector>:$bias, Optional<Plx_Carry>:$state,
                        Optional<Plx_Vector>:$initial, UnitAttr:$reverse), more);
  let assemblyFormat = [{
    $gates `,` $weight `,` $batch (`bias` $bias^)? (`state` $state^)? (`initial` $initial^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Ssm_GruOp : Ssm_SimpleCell<"gru"> {
  let summary = "gated recurrent unit (arXiv:1406.1078, with the reset behind the product)";
  let description = [{
    With x = gates and u = weight h' + bias, their thirds r, z, n: `r = sigmoid(x_r + u_r)`,
    `z = sigmoid(x_z + u_z)`, `n = tanh(x_n + r u_n)`, `h = (1 - z) n + z h'`. The result is h. A sequence
    begins with h' = initial (without it: 0), at its first token of all, in whatever chunks it comes; what
    a state holds at that token does not count then.

    ```mlir
    %y = ssm.gru %g, %u, %batch bias %b state %h : (tensor<?x36xf32>, tensor<36x12xf32>, !plx.batch, tensor<36xf32>, !plx.carry<12>) -> tensor<?x12xf32>
    ```
  }];
}

def Ssm_RnnOp : Ssm_SimpleCell<"rnn", (ins Plx_ActivationAttr:$activation)> {
  let summary = "minimal recurrent cell (Elman, 1990)";
  let description = [{
    `h = f(gates + weight h' + bias)`. The result is h; `initial` as in `ssm.gru`.

    ```mlir
    %y = ssm.rnn %g, %u, %batch {activation = #plx<activation_kind tanh>, reverse} : (tensor<?x12xf32>, tensor<12x12xf32>, !plx.batch) -> tensor<?x12xf32>
    ```
  }];
}

#endif // PLEXUS_DIALECTS_SSM_SSMCELLS_TD
