// The ops of attn.
#ifndef PLEXUS_DIALECTS_ATTN_ATTNOPS_TD
#define PLEXUS_DIALECTS_ATTN_ATTNOPS_TD

include "dialects/attn/AttnBase.td"
include "dialects/plx/PlxTypes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

// [T, heads, headDim], or [S, slots, heads, headDim] for a view of a state.
class Attn_Rank<int rank, string summary>
    : Type<And<[Plx_IsDenseFloat,
                CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).getRank() == " # rank>]>,
           summary, "::mlir::RankedTensorType">;
def Attn_Heads : Attn_Rank<3, "float tensor [T, heads, headDim]">;
def Attn_View : Attn_Rank<4, "float tensor [S, slots, heads, headDim]">;
def Attn_Mask
    : Type<CPred<"::mlir::attn::isMask($_self)">, "i1 tensor [T, slots]", "::mlir::RankedTensorType">;

def Attn_RopeOp : Attn_Op<"rope", [
    Pure, AllTypesMatch<["input", "result"]>, DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "rotary position embedding";
  let description = [{
    Turns each head of each token by its position, as `#attn.rope` says. With c, s the cosine and sine of
    pair i: `y[a] = x[a] c - x[b] s`, `y[b] = x[b] c + x[a] s`; entries from `dims` on stay.

    ```mlir
    %qr = attn.rope %q, %batch {rope = #rope} : tensor<?x6x16xf32>
    ```
  }];
  let arguments = (ins Attn_Heads:$input, Plx_Batch:$batch, Attn_Rope:$rope);
  let results = (outs Attn_Heads:$result);
  let assemblyFormat = "$input `,` $batch attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Attn_KVWriteOp : Attn_Op<"kv_write", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "keys and values of the batch's tokens into the state";
  let description = [{
    Token t fills slot `slot[t]` of its sequence. With `rope` (set by fusion), keys turn on their way; a
    state that keeps keys before this rope turns them when they are read.

    ```mlir
    attn.kv_write %k, %v, %kv, %batch : tensor<?x2x16xf32>, tensor<?x2x16xf32>, !attn.kv<2 x 16 x 16>
    ```
  }];
  let arguments = (ins Attn_Heads:$key, Attn_Heads:$value, Attn_KV:$state, Plx_Batch:$batch,
                       OptionalAttr<Attn_Rope>:$rope);
  let assemblyFormat = [{
    $key `,` $value `,` $state `,` $batch attr-dict `:` type($key) `,` type($value) `,` qualified(type($state))
  }];
  let hasVerifier = 1;
}

def Attn_AttentionOp : Attn_Op<"attention", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    InferTypeOpAdaptor, DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "softmax attention over a state, or over the batch's own tokens";
  let description = [{
    `y[t, h] = sum_j softmax_j(cap(scale q[t, h] . k[j, g])) v[j, g]` with g = h / (query heads / key
    heads), over the j that token t sees; `cap(x) = softcap tanh(x / softcap)` where `softcap` is given.

    - Over a state: j are the slots of t's sequence, filled by earlier batches and by `attn.kv_write`s
      before this op. `causal`: those up to its own, or as the draft tree says.
    - Over `key` and `value` of the batch: j are the tokens of t's sequence in the batch; `causal`: up to
      its own.
    - `window` > 0: only j with `index[t] - index[j] < window`, and without `causal` also
      `index[j] - index[t] < window`.
    - `rope` (set by fusion): queries turn on their way, and keys too where they are operands.

    ```mlir
    %a = attn.attention %q, %kv, %batch {scale = 0.25 : f32, causal} : (tensor<?x6x16xf32>, !attn.kv<2 x 16 x 16>, !plx.batch) -> tensor<?x6x16xf32>
    %b = attn.attention %q, %k, %v, %batch {scale = 0.25 : f32} : (tensor<?x6x16xf32>, tensor<?x6x16xf32>, tensor<?x6x16xf32>, !plx.batch) -> tensor<?x6x16xf32>
    ```
  }];
  let arguments = (ins Attn_Heads:$query, Optional<Attn_KV>:$state, Optional<Attn_Heads>:$key,
                       Optional<Attn_Heads>:$value, Plx_Batch:$batch, F32Attr:$scale, UnitAttr:$causal,
                       DefaultValuedAttr<I64Attr, "0">:$window, OptionalAttr<F32Attr>:$softcap,
                       OptionalAttr<Attn_Rope>:$rope);
  let results = (outs Attn_Heads:$result);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

//===--- Accessors ---------------------------------------------------------------------------------===//

class Attn_ViewOp<string mnemonic, string what, string dim>
    : Attn_Op<mnemonic, [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "the " # what # " of a state as a dense tensor";
  let description = "`[S, C, heads, " # dim # [{]`, C being the batch's context: the largest number of filled
    slots of any sequence, this batch's tokens included. Slots that a sequence has not are zeros. An
    accessor: decompositions end in it.

    ```mlir
    %k = attn.}] # mnemonic # [{ %kv, %batch : !attn.kv<2 x 16 x 16> -> tensor<?x?x2x16xf32>
    ```
  }];
  let arguments = (ins Attn_KV:$state, Plx_Batch:$batch);
  let results = (outs Attn_View:$result);
  let assemblyFormat = "$state `,` $batch attr-dict `:` qualified(type($state)) `->` type($result)";
  let hasVerifier = 1;
}
def Attn_KVKeysOp : Attn_ViewOp<"kv_keys", "keys", "keyDim">;
def Attn_KVValuesOp : Attn_ViewOp<"kv_values", "values", "valueDim">;

def Attn_VisibleOp : Attn_Op<"visible", [Pure, InferTypeOpAdaptor]> {
  let summary = "which slots each token sees";
  let description = [{
    `m[t, c]` says whether token t sees slot c of its sequence's states: c is filled; with `causal` it is
    the token's own or an earlier one (in a draft tree: an ancestor's); with `window` > 0 it lies in the
    window. `[T, C]` with C as in `attn.kv_keys`. An accessor: decompositions end in it.

    ```mlir
    %m = attn.visible %batch {causal} : tensor<?x?xi1>
    ```
  }];
  let arguments = (ins Plx_Batch:$batch, UnitAttr:$causal, DefaultValuedAttr<I64Attr, "0">:$window);
  let results = (outs Attn_Mask:$result);
  let assemblyFormat = "$batch attr-dict `:` type($result)";
  let hasVerifier = 1;
}

#endif // PLEXUS_DIALECTS_ATTN_ATTNOPS_TD
