// Enumerations, the packed encoding and the weight recipes of plx.
#ifndef PLEXUS_DIALECTS_PLX_PLXATTRS_TD
#define PLEXUS_DIALECTS_PLX_PLXATTRS_TD

include "dialects/plx/PlxBase.td"
include "dialects/plx/PlxInterfaces.td"
include "mlir/IR/TensorEncoding.td"

//===--- Enumerations ------------------------------------------------------------------------------===//

class Plx_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::mlir::plx";
  let genSpecializedAttr = 0;
}

def Plx_ActivationKind : Plx_Enum<"ActivationKind", "elementwise nonlinearity", [
  I32EnumAttrCase<"Identity", 0, "identity">, I32EnumAttrCase<"Silu", 1, "silu">,
  I32EnumAttrCase<"Gelu", 2, "gelu">, I32EnumAttrCase<"GeluTanh", 3, "gelu_tanh">,
  I32EnumAttrCase<"GeluQuick", 4, "gelu_quick">, I32EnumAttrCase<"Relu", 5, "relu">,
  I32EnumAttrCase<"Relu2", 6, "relu2">, I32EnumAttrCase<"Relu6", 7, "relu6">,
  I32EnumAttrCase<"Tanh", 8, "tanh">, I32EnumAttrCase<"Sigmoid", 9, "sigmoid">,
  I32EnumAttrCase<"Softplus", 10, "softplus">, I32EnumAttrCase<"Mish", 11, "mish">,
  I32EnumAttrCase<"Elu", 12, "elu">, I32EnumAttrCase<"LeakyRelu", 13, "leaky_relu">,
  I32EnumAttrCase<"HardSwish", 14, "hard_swish">, I32EnumAttrCase<"HardSigmoid", 15, "hard_sigmoid">,
  I32EnumAttrCase<"Selu", 16, "selu">, I32EnumAttrCase<"Square", 17, "square">,
  I32EnumAttrCase<"Softsign", 18, "softsign">]>;
def Plx_ActivationAttr : EnumAttr<Plx_Dialect, Plx_ActivationKind, "activation_kind">;

def Plx_PoolMode : Plx_Enum<"PoolMode", "how the rows of a sequence become one", [
  I32EnumAttrCase<"Mean", 0, "mean">, I32EnumAttrCase<"Cls", 1, "cls">,
  I32EnumAttrCase<"Max", 2, "max">, I32EnumAttrCase<"Last", 3, "last">]>;
def Plx_PoolModeAttr : EnumAttr<Plx_Dialect, Plx_PoolMode, "pool_mode">;

def Plx_WindowMode : Plx_Enum<"WindowMode", "how the places of a window become one", [
  I32EnumAttrCase<"Mean", 0, "mean">, I32EnumAttrCase<"Max", 1, "max">]>;
def Plx_WindowModeAttr : EnumAttr<Plx_Dialect, Plx_WindowMode, "window_mode">;

def Plx_RouteScore : Plx_Enum<"RouteScore", "what the weights of experts are made of", [
  I32EnumAttrCase<"Softmax", 0, "softmax">, I32EnumAttrCase<"Sigmoid", 1, "sigmoid">]>;
def Plx_RouteScoreAttr : EnumAttr<Plx_Dialect, Plx_RouteScore, "route_score">;

def Plx_StateKind : Plx_Enum<"StateKind", "how a state is kept", [
  I32EnumAttrCase<"KV", 0, "kv">, I32EnumAttrCase<"Ring", 1, "ring">,
  I32EnumAttrCase<"Replace", 2, "replace">]>;
def Plx_StateKindAttr : EnumAttr<Plx_Dialect, Plx_StateKind, "state_kind">;

def Plx_BatchField : Plx_Enum<"BatchField", "array of a batch", [
  I32EnumAttrCase<"Sequence", 0, "sequence">, I32EnumAttrCase<"Position", 1, "position">,
  I32EnumAttrCase<"Index", 2, "index">, I32EnumAttrCase<"Slot", 3, "slot">,
  I32EnumAttrCase<"TokenBegin", 4, "token_begin">, I32EnumAttrCase<"Past", 5, "past">,
  I32EnumAttrCase<"OutputRow", 6, "output_row">, I32EnumAttrCase<"TokenType", 7, "token_type">]>;
def Plx_BatchFieldAttr : EnumAttr<Plx_Dialect, Plx_BatchField, "batch_field">;

//===--- Encoding ----------------------------------------------------------------------------------===//

class Plx_Attr<string name, string keyword, list<Trait> traits = []>
    : AttrDef<Plx_Dialect, name, traits> {
  let mnemonic = keyword;
}

def Plx_Packed
    : Plx_Attr<"Packed", "packed", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "a product's weight in blocks of columns";
  let description = [{
    Says that a `[N, K]` weight of `y = x W^T` is stored in the blocked layout of a packed form
    (`runtime/io/PackedForm.h`). Only ops with the trait `AcceptsPacked` take such tensors.

    Plain forms `f32`, `bf16`, `f16` have that element type: `tensor<96x64xbf16, #plx.packed<bf16>>`.
    Quantized ones have elements of f32, which is what they decode to:
    `tensor<96x64xf32, #plx.packed<q4, group = 32>>`. Their values are `q8`, `q6`, `q5`, `q4`
    (integers), `fp8`, `fp8_e5m2`, `fp4`; `group` neighbours along K share a scale of f16 (16, 32, 64,
    128, or `channel`: all of K). `zeros = point` adds a zero point to each group, `d (v - z)`,
    `zeros = min` a minimum, `d v + z`. With `superblock = 256` scales and minima are multiples, by
    signed bytes, of f16 numbers that 256 neighbours share, as in GGUF's K-quants.
  }];
  let parameters = (ins "::plexus::PackedForm":$form);
  let extraClassDeclaration = [{
    /// The element type that a tensor of this form has.
    ::mlir::Type getStorage() const;
  }];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

//===--- Recipes -----------------------------------------------------------------------------------===//

class Plx_Recipe<string name, string mnemonic>
    : Plx_Attr<name, mnemonic, [DeclareAttrInterfaceMethods<RecipeAttrInterface>]>;

def Plx_Source : Plx_Recipe<"Source", "source"> {
  let summary = "a tensor of the source file";
  let description = [{
    `{layer}` in the name stands for the layer of the run that uses the weight. The type is given where
    it is not the type that the user of the recipe asks for.
  }];
  let parameters = (ins StringRefParameter<"name in the source file">:$name,
                        OptionalParameter<"::mlir::RankedTensorType">:$type);
  let assemblyFormat = "`<` $name (`:` $type^)? `>`";
  let builders = [AttrBuilder<(ins "::llvm::StringRef":$name), [{
    return $_get($_ctxt, name, ::mlir::RankedTensorType());
  }]>];
}

/// Several recipes, joined.
class Plx_JoinRecipe<string name, string mnemonic, dag own> : Plx_Recipe<name, mnemonic> {
  let parameters = !con(own, (ins ArrayRefParameter<"::mlir::Attribute">:$parts));
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::Attribute> getNested() const { return llvm::to_vector(getParts()); }
  }];
}

/// One recipe, changed. `more` is declared too.
class Plx_UnaryRecipe<string name, string mnemonic, dag own, code more = "">
    : Plx_Recipe<name, mnemonic> {
  let parameters = !con(own, (ins "::mlir::Attribute":$value));
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::Attribute> getNested() const { return {getValue()}; }
  }] # more;
}

/// One recipe whose elements are changed each for itself, by a number.
class Plx_ElementwiseRecipe<string name, string mnemonic>
    : Plx_UnaryRecipe<name, mnemonic, (ins "::mlir::FloatAttr":$number), [{
    ::mlir::RankedTensorType getNestedType(::mlir::RankedTensorType expected) const {
      return expected;
    }
  }]> {
  let assemblyFormat = "`<` $number `,` $value `>`";
  let extraClassDefinition = [{
    ::llvm::FailureOr<::mlir::RankedTensorType> $cppClass::inferType(
        ::mlir::RankedTensorType expected,
        ::llvm::function_ref<::mlir::InFlightDiagnostic()> emitError) const {
      return inferNestedRecipe(getValue(), expected, emitError);
    }
  }];
}

def Plx_Concat : Plx_JoinRecipe<"Concat", "concat", (ins "int64_t":$axis)> {
  let summary = "parts one after another along an axis";
  let assemblyFormat = "`<` $axis `,` `[` $parts `]` `>`";
}

def Plx_Interleave
    : Plx_JoinRecipe<"Interleave", "interleave", (ins "int64_t":$axis, "int64_t":$block)> {
  let summary = "blocks of the parts in turn along an axis";
  let description = [{
    `#plx.interleave<0, 32, [a, b]>`: rows 0..31 of a, rows 0..31 of b, rows 32..63 of a, and so on. The
    parts have one shape, whose size along the axis is a multiple of the block.
  }];
  let assemblyFormat = "`<` $axis `,` $block `,` `[` $parts `]` `>`";
}

def Plx_SliceRecipe
    : Plx_UnaryRecipe<"SliceRecipe", "slice",
                      (ins "int64_t":$axis, "int64_t":$begin, "int64_t":$size)> {
  let summary = "`size` consecutive entries from `begin` along an axis";
  let assemblyFormat = "`<` $axis `,` $begin `,` $size `,` $value `>`";
  let genVerifyDecl = 1;
}

def Plx_TransposeRecipe
    : Plx_UnaryRecipe<"TransposeRecipe", "transpose",
                      (ins ArrayRefParameter<"int64_t">:$permutation), [{
    ::mlir::RankedTensorType getNestedType(::mlir::RankedTensorType expected) const;
  }]> {
  let summary = "axes permuted: axis i of the result is axis `permutation[i]` of the value";
  let assemblyFormat = "`<` `[` $permutation `]` `,` $value `>`";
  let genVerifyDecl = 1;
}

def Plx_ReshapeRecipe
    : Plx_UnaryRecipe<"ReshapeRecipe", "reshape", (ins ArrayRefParameter<"int64_t">:$shape)> {
  let summary = "the same elements in row-major order under another shape";
  let assemblyFormat = "`<` `[` $shape `]` `,` $value `>`";
  let genVerifyDecl = 1;
}

def Plx_BoxRecipe
    : Plx_UnaryRecipe<"BoxRecipe", "box", (ins "int64_t":$axis, "int64_t":$count)> {
  let summary = "convolution with `count` ones along an axis";
  let description = [{
    `y[j] = sum_{i < count} x[j - i]`, with x zero outside of its size n: n + count - 1 entries. The kernel
    of a convolution that a mean over `count` places follows, times count.
  }];
  let assemblyFormat = "`<` $axis `,` $count `,` $value `>`";
  let genVerifyDecl = 1;
}

def Plx_SpectrumRecipe
    : Plx_UnaryRecipe<"SpectrumRecipe", "spectrum", (ins "int64_t":$points)> {
  let summary = "what a convolution multiplies with the spectra of tiles of `points` samples, in f64";
  let description = [{
    The last axis [K] becomes [points], H = points / 2 complex numbers, real parts first:
    `y[j] = 1 / H sum_k w[k] r_j^-k` for the H roots r_j of x^H = i, in the order of
    `runtime/io/Spectrum.h`. A tile x of `points` real samples has the spectrum
    `sum_{n < H} (x[n] + i x[n + H]) r_j^n`; the products' way back is `sum_k w[k] x[n + k]` for all n
    whose window ends in the tile. `points` is a power of 2, at least 32 and at least K.
  }];
  let assemblyFormat = "`<` $points `,` $value `>`";
  let genVerifyDecl = 1;
}

def Plx_EinsumRecipe
    : Plx_JoinRecipe<"EinsumRecipe", "einsum", (ins StringRefParameter<"letters of the axes">:$axes)> {
  let summary = "sum of products over named axes, in f64";
  let description = [{
    `#plx.einsum<"ofc,fk->ock", [a, b]>`: a letter for each axis of each part, a comma between parts, the
    result's letters after the arrow; letters that are not there are summed over. The value is f32.
  }];
  let assemblyFormat = "`<` $axes `,` `[` $parts `]` `>`";
}

def Plx_SumRecipe : Plx_JoinRecipe<"SumRecipe", "sum", (ins)> {
  let summary = "elementwise sum of parts of one shape";
  let assemblyFormat = "`<` `[` $parts `]` `>`";
}

def Plx_UnsortRecipe : Plx_JoinRecipe<"UnsortRecipe", "unsort", (ins)> {
  let summary = "a matrix whose columns are stored in another order";
  let description = [{
    `y[n, order[k]] = w[n, k]` of `#plx.unsort<[order, w]>`, order a permutation of K indices. This is what
    a checkpoint holds that was quantized in the order of activations; plx-reorder-inputs makes products
    read `w` itself.
  }];
  let assemblyFormat = "`<` `[` $parts `]` `>`";
}

def Plx_WhitenRecipe
    : Plx_JoinRecipe<"WhitenRecipe", "whiten", (ins StringRefParameter<"which result">:$result)> {
  let summary = "what a covariance matrix R = L L^T (Cholesky) makes of measurements, in f64";
  let description = [{
    `#plx.whiten<"inverse", [R]>` is L^-1, `"log_determinant", [R]` is log det L as one number,
    `"readout", [R, C]` is (L^-1 C)^T and `"information", [R, C]` is C^T R^-1 C. An axis of 2 stands in
    front: each number rounded to f32, and the rest, so that both together hold 48 bits. A matrix that is
    not positive definite is an error of the packer.
  }];
  let assemblyFormat = "`<` $result `,` `[` $parts `]` `>`";
}

def Plx_RenormRecipe : Plx_UnaryRecipe<"RenormRecipe", "renorm", (ins "::mlir::FloatAttr":$number)> {
  let summary = "rows (of axis 0) whose L2 norm is above a number, scaled down to it";
  let assemblyFormat = "`<` $number `,` $value `>`";
}

def Plx_RsqrtRecipe : Plx_ElementwiseRecipe<"RsqrtRecipe", "rsqrt"> {
  let summary = "1 / sqrt(x + number) of each element";
}

def Plx_ExpRecipe : Plx_UnaryRecipe<"ExpRecipe", "exp", (ins)> {
  let summary = "e^x of each element, f32 whatever the value's type";
  let assemblyFormat = "`<` $value `>`";
}

def Plx_ScaleRecipe : Plx_ElementwiseRecipe<"ScaleRecipe", "scale"> {
  let summary = "each element times a number";
}

def Plx_OffsetRecipe : Plx_ElementwiseRecipe<"OffsetRecipe", "offset"> {
  let summary = "each element plus a number";
}

#endif // PLEXUS_DIALECTS_PLX_PLXATTRS_TD
