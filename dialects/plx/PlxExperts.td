// Mixtures of experts.
#ifndef PLEXUS_DIALECTS_PLX_PLXEXPERTS_TD
#define PLEXUS_DIALECTS_PLX_PLXEXPERTS_TD

include "dialects/plx/PlxNN.td"

def Plx_RouteOp : Plx_ComputeOp<"route", [AllTypesMatch<["logits", "result"]>]> {
  let summary = "weights of the experts that each token goes to";
  let description = [{
    `p = score(logits)` over the last axis; the `top_k` largest are kept (of equal ones the first), all
    others become 0. With `normalize` the kept ones are divided by their sum; then they are multiplied by
    `scale`. Scores: `softmax` over all experts, `sigmoid`.

    ```mlir
    %r = plx.route softmax %logits {top_k = 2, normalize} : tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Plx_RouteScoreAttr:$score, Plx_Tensor:$logits, I64Attr:$top_k, UnitAttr:$normalize,
                       DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "`` $score $logits attr-dict `:` type($logits)";
  let hasVerifier = 1;
}

def Plx_MoeOp : Plx_ComputeOp<"moe", [
    Plx_AcceptsPacked, AllTypesMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<ProductWeightsOpInterface>]> {
  let summary = "mixture of gated feed-forward experts";
  let description = [{
    `y[t] = sum_e routes[t, e] D_e (f(G_e x[t]) * (U_e x[t]))` over the experts e with `routes[t, e] != 0`,
    in their order; at most `top_k` of a token's routes may differ from 0 (what `plx.route` makes; with
    more, the experts beyond are left out). Each expert has `hidden` units.

    The experts' matrices lie below each other, each padded to a multiple of 64 rows: rows of expert e in
    `gate_up` begin at `e pad(2 hidden)` and are G, then U; in `down` they begin at `e pad(D)`.

    ```mlir
    %y = plx.moe silu %x, %r, %gu, %d {top_k = 2, hidden = 24} : tensor<?x32xf32>, tensor<?x8xf32>, tensor<512x32xf32>, tensor<512x24xf32>
    ```
  }];
  let arguments = (ins Plx_ActivationAttr:$kind, Plx_Tensor:$input, Plx_Tensor:$routes,
                       Plx_WeightMatrix:$gate_up, Plx_WeightMatrix:$down, I64Attr:$top_k, I64Attr:$hidden);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = [{
    `` $kind $input `,` $routes `,` $gate_up `,` $down attr-dict `:` type($input) `,` type($routes) `,`
    type($gate_up) `,` type($down)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Rows of a matrix of `rows` rows among those of the other experts.
    static int64_t paddedRows(int64_t rows) { return (rows + 63) / 64 * 64; }
    int64_t getNumExperts() { return ::llvm::cast<::mlir::RankedTensorType>(getRoutes().getType()).getShape().back(); }
  }];
}

#endif // PLEXUS_DIALECTS_PLX_PLXEXPERTS_TD
