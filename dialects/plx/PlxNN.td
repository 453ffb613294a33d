// Products, lookups and normalisations.
#ifndef PLEXUS_DIALECTS_PLX_PLXNN_TD
#define PLEXUS_DIALECTS_PLX_PLXNN_TD

include "dialects/plx/PlxAttrs.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

// An op without effects, and with a meaning in upstream ops.
class Plx_ComputeOp<string mnemonic, list<Trait> traits = []>
    : Plx_Op<mnemonic, !listconcat(traits, [
          Pure, DeclareOpInterfaceMethods<DecomposeOpInterface>])>;

def Plx_EmbeddingOp : Plx_ComputeOp<"embedding", [Plx_AcceptsPacked]> {
  let summary = "rows of a table";
  let description = [{
    `y[t, :] = table[ids[t], :]`, converted to the result's element type. The table is `[V, D]`, dense
    or packed (tied to a product). An id outside of 0..V-1 is clamped to it.

    ```mlir
    %0 = plx.embedding %ids, %w : (tensor<?xi32>, tensor<128x64xbf16>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Plx_Indices:$ids, Plx_WeightMatrix:$table);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` functional-type(operands, results)";
  // The result is f32.
  let builders = [OpBuilder<(ins "::mlir::Value":$ids, "::mlir::Value":$table)>];
  let hasVerifier = 1;
}

def Plx_LinearOp : Plx_ComputeOp<"linear", [
    Plx_AcceptsPacked, InferTypeOpAdaptor, DeclareOpInterfaceMethods<ProductWeightsOpInterface>]> {
  let summary = "product with a weight";
  let description = [{
    `y[..., n] = sum_k x[..., k] W[n, k] + b[n]`: the weight is `[N, K]` = `[out, in]`. The result has
    the input's element type.

    ```mlir
    %q = plx.linear %x, %w : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32>
    %k = plx.linear %x, %w bias %b : (tensor<?x64xf32>, tensor<96x64xbf16>, tensor<96xf32>) -> tensor<?x96xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_WeightMatrix:$weight, Optional<Plx_Vector>:$bias);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Plx_FusedLinearOp : Plx_ComputeOp<"fused_linear", [
    Plx_AcceptsPacked, SingleBlockImplicitTerminator<"YieldOp">, IsolatedFromAbove,
    InferTypeOpAdaptor, DeclareOpInterfaceMethods<ProductWeightsOpInterface>]> {
  let summary = "product with a weight and an elementwise epilogue";
  let description = [{
    With `z = x W^T` in f32: `y[t, n] = epilogue(z[t, n], e0, e1, ...)`, where extra operand `i` gives
    `e_i = extra_i[n]` for a vector `[N]` and `extra_i[t, n]` for rows `[T, N]`, as f32. Made by fusion
    passes, never by families.

    With `gated`, the 2N rows of the weight are interleaved in blocks of 32 (`#plx.interleave<0, 32,
    [gate, up]>`) and the epilogue is `y[t, n] = epilogue(gate[t, n], up[t, n], e0, ...)`.

    ```mlir
    %y = plx.fused_linear %h, %w, %b, %x : (tensor<?x64xf32>, tensor<64x64xbf16>, tensor<64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%acc: f32, %bias: f32, %res: f32):
      %0 = arith.addf %acc, %bias : f32
      %1 = arith.addf %0, %res : f32
      plx.yield %1 : f32
    }
    ```
  }];
  let arguments = (ins UnitAttr:$gated, Plx_Tensor:$input, Plx_WeightMatrix:$weight,
                       Variadic<Plx_Tensor>:$extras);
  let results = (outs Plx_Tensor:$result);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    (`gated` $gated^)? $input `,` $weight (`,` $extras^)? attr-dict `:`
    functional-type(operands, results) $epilogue
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// Rows of a block of the gate, then of the up part, in a gated weight.
    static constexpr int64_t kGateBlock = 32;
    /// Leading block arguments of the epilogue: the accumulator, or gate and up.
    unsigned getNumAccumulators() { return getGated() ? 2 : 1; }
  }];
}

def Plx_YieldOp : Plx_Op<"yield", [HasParent<"FusedLinearOp">, Pure, Terminator]> {
  let summary = "the value of an epilogue";
  let description = "```mlir\nplx.yield %1 : f32\n```";
  let arguments = (ins Variadic<F32>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

def Plx_UnpackOp : Plx_ComputeOp<"unpack", [Plx_AcceptsPacked]> {
  let summary = "a packed weight as a dense tensor";
  let description = [{
    The logical `[N, K]` matrix, padding dropped, converted to the result's element type. How a
    decomposition reads a packed weight.

    ```mlir
    %d = plx.unpack %w : tensor<64x64xbf16, #plx.packed<bf16>> -> tensor<64x64xf32>
    ```
  }];
  let arguments = (ins Plx_WeightMatrix:$input);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Plx_RmsNormOp : Plx_ComputeOp<"rms_norm", [AllTypesMatch<["input", "result"]>]> {
  let summary = "root mean square normalisation of the last axis (arXiv:1910.07467)";
  let description = [{
    `y = x / sqrt(mean(x^2) + eps) * w` over the last axis of any rank: `[T, D]`, or `[T, H, headDim]`
    for query and key norms. With `unit_offset`, `* (1 + w)`.

    ```mlir
    %h = plx.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Vector:$weight, F32Attr:$eps, UnitAttr:$unit_offset);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` type($input) `,` type($weight)";
  let hasVerifier = 1;
}

def Plx_LayerNormOp : Plx_ComputeOp<"layer_norm", [AllTypesMatch<["input", "result"]>]> {
  let summary = "layer normalisation of the last axis (arXiv:1607.06450)";
  let description = [{
    `y = (x - mean(x)) / sqrt(var(x) + eps) * w + b` over the last axis, with the biased variance.

    ```mlir
    %h = plx.layer_norm %x, %g bias %b {eps = 1.0e-12 : f32} : tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Vector:$weight, Optional<Plx_Vector>:$bias,
                       F32Attr:$eps);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:` type($input) `,` type($weight)
    (`,` type($bias)^)?
  }];
  let hasVerifier = 1;
}

def Plx_L2NormalizeOp : Plx_ComputeOp<"l2_normalize", [AllTypesMatch<["input", "result"]>]> {
  let summary = "rows of length one";
  let description = [{
    `y = x / max(sqrt(sum(x^2)), eps)` over the last axis.

    ```mlir
    %e = plx.l2_normalize %x {eps = 1.0e-12 : f32} : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, F32Attr:$eps);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Plx_SoftmaxOp : Plx_ComputeOp<"softmax", [AllTypesMatch<["input", "result"]>]> {
  let summary = "softmax over the last axis";
  let description = [{
    `y = exp(x - max(x)) / sum(exp(x - max(x)))`.

    ```mlir
    %p = plx.softmax %x : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

#endif // PLEXUS_DIALECTS_PLX_PLXNN_TD
