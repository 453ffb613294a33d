// The attn dialect and its types and attributes.
#ifndef PLEXUS_DIALECTS_ATTN_ATTNBASE_TD
#define PLEXUS_DIALECTS_ATTN_ATTNBASE_TD

include "dialects/plx/PlxBase.td"
include "dialects/plx/PlxInterfaces.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::mlir::attn";
  let summary = "Attention over ragged batches, its state, and rotary positions";
  let description = "See docs/dialects/attn.md for why these ops are ops of their own.";
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::plx::PlxDialect"];
}

class Attn_Op<string mnemonic, list<Trait> traits = []> : Op<Attn_Dialect, mnemonic, traits>;

def Attn_Rope : AttrDef<Attn_Dialect, "Rope"> {
  let mnemonic = "rope";
  let summary = "rotary position embedding (arXiv:2104.09864)";
  let description = [{
    The first `dims` entries of each head turn in pairs by the angles `position * inv_freq[i]`, i in
    0..dims/2; cosines and sines are multiplied by `attention_scaling`. Pair i is the entries (i, i +
    dims/2), with `interleaved` (2i, 2i + 1). The scaling kinds linear, llama3, yarn and proportional are
    arithmetic on the frequencies, done when the graph is built. Two kinds depend on P, the sequence's
    largest position in the batch:

    - longrope has two tables: `long_inv_freq` is used where P >= `original_context`.
    - dynamic NTK has `ntk_factor` f: with s = max(1, f (P + 1) / `original_context` - (f - 1)), pair i
      turns by `inv_freq[i]` * s^(-2i / (dims - 2)), the frequencies of the base times s^(dims /
      (dims - 2)).

    Keys are kept as they were turned when they were written, as in the reference implementation.

    ```mlir
    #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
    ```
  }];
  let parameters = (ins "int64_t":$dims, "::mlir::DenseElementsAttr":$inv_freq,
                        DefaultValuedParameter<"bool", "false">:$interleaved,
                        OptionalParameter<"::mlir::FloatAttr">:$attention_scaling,
                        OptionalParameter<"::mlir::DenseElementsAttr">:$long_inv_freq,
                        DefaultValuedParameter<"int64_t", "0">:$original_context,
                        OptionalParameter<"::mlir::FloatAttr">:$ntk_factor);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// `attention_scaling`, 1 where it is not given.
    float getScaling() const;
    /// Of dynamic NTK: the exponent of s in each pair's frequency, -2i / (dims - 2).
    ::mlir::DenseElementsAttr getNtkExponents() const;
  }];
}

def Attn_KV : TypeDef<Attn_Dialect, "KV", [DeclareTypeInterfaceMethods<StateTypeInterface>]> {
  let mnemonic = "kv";
  let summary = "keys and values of the batch's sequences";
  let description = [{
    For each slot of each sequence: `heads` keys of `keyDim` and as many values of `valueDim`, as f32
    or, where the form says so, rounded to `bf16`, `int8` or `int4` (`--kv`). The page layout is nobody's business but the runtime's and the code generator's.

    With `int4`, keys may be kept as they are before a `rope`: what is read are the keys turned by it.
    `attn.kv_write` has the same rope then.

    ```mlir
    !attn.kv<4 x 64 x 64>
    !attn.kv<4 x 64 x 64, int8>
    !attn.kv<4 x 64 x 64, int4, #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>>
    ```
  }];
  let parameters = (ins "int64_t":$heads, "int64_t":$keyDim, "int64_t":$valueDim,
                        "::plexus::KvForm":$form, OptionalParameter<"::mlir::attn::RopeAttr">:$rope);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif // PLEXUS_DIALECTS_ATTN_ATTNBASE_TD
