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
  I32EnumAttrCase<"Selu", 16, "selu">]>;
def Plx_ActivationAttr : EnumAttr<Plx_Dialect, Plx_ActivationKind, "activation_kind">;

def Plx_PoolMode : Plx_Enum<"PoolMode", "how the rows of a sequence become one", [
  I32EnumAttrCase<"Mean", 0, "mean">, I32EnumAttrCase<"Cls", 1, "cls">,
  I32EnumAttrCase<"Max", 2, "max">, I32EnumAttrCase<"Last", 3, "last">]>;
def Plx_PoolModeAttr : EnumAttr<Plx_Dialect, Plx_PoolMode, "pool_mode">;

def Plx_StateKind : Plx_Enum<"StateKind", "how a state is kept", [
  I32EnumAttrCase<"KV", 0, "kv">, I32EnumAttrCase<"Ring", 1, "ring">]>;
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
    Says that a `[N, K]` weight of `y = x W^T` is stored in the blocked layout of `storage`
    (`runtime/abi/Call.h`): `#plx.packed<bf16>`, also `f32` and `f16`. The tensor's element type is the
    storage's. Only ops with the trait `AcceptsPacked` take such tensors.
  }];
  let parameters = (ins "::mlir::Type":$storage);
  let assemblyFormat = "`<` $storage `>`";
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

def Plx_Concat : Plx_Recipe<"Concat", "concat"> {
  let summary = "parts one after another along an axis";
  let parameters = (ins "int64_t":$axis, ArrayRefParameter<"::mlir::Attribute">:$parts);
  let assemblyFormat = "`<` $axis `,` `[` $parts `]` `>`";
  let genVerifyDecl = 1;
}

def Plx_Interleave : Plx_Recipe<"Interleave", "interleave"> {
  let summary = "blocks of the parts in turn along an axis";
  let description = [{
    `#plx.interleave<0, 32, [a, b]>`: rows 0..31 of a, rows 0..31 of b, rows 32..63 of a, and so on. The
    parts have one shape, whose size along the axis is a multiple of the block.
  }];
  let parameters = (ins "int64_t":$axis, "int64_t":$block,
                        ArrayRefParameter<"::mlir::Attribute">:$parts);
  let assemblyFormat = "`<` $axis `,` $block `,` `[` $parts `]` `>`";
  let genVerifyDecl = 1;
}

def Plx_SliceRecipe : Plx_Recipe<"SliceRecipe", "slice"> {
  let summary = "`size` consecutive entries from `begin` along an axis";
  let parameters = (ins "int64_t":$axis, "int64_t":$begin, "int64_t":$size,
                        "::mlir::Attribute":$value);
  let assemblyFormat = "`<` $axis `,` $begin `,` $size `,` $value `>`";
  let genVerifyDecl = 1;
}

def Plx_TransposeRecipe : Plx_Recipe<"TransposeRecipe", "transpose"> {
  let summary = "axes permuted: axis i of the result is axis `permutation[i]` of the value";
  let parameters = (ins ArrayRefParameter<"int64_t">:$permutation, "::mlir::Attribute":$value);
  let assemblyFormat = "`<` `[` $permutation `]` `,` $value `>`";
  let genVerifyDecl = 1;
}

def Plx_ReshapeRecipe : Plx_Recipe<"ReshapeRecipe", "reshape"> {
  let summary = "the same elements in row-major order under another shape";
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Attribute":$value);
  let assemblyFormat = "`<` `[` $shape `]` `,` $value `>`";
  let genVerifyDecl = 1;
}

def Plx_ScaleRecipe : Plx_Recipe<"ScaleRecipe", "scale"> {
  let summary = "each element times a number";
  let parameters = (ins "::mlir::FloatAttr":$factor, "::mlir::Attribute":$value);
  let assemblyFormat = "`<` $factor `,` $value `>`";
  let genVerifyDecl = 1;
}

def Plx_OffsetRecipe : Plx_Recipe<"OffsetRecipe", "offset"> {
  let summary = "each element plus a number";
  let parameters = (ins "::mlir::FloatAttr":$offset, "::mlir::Attribute":$value);
  let assemblyFormat = "`<` $offset `,` $value `>`";
  let genVerifyDecl = 1;
}

#endif // PLEXUS_DIALECTS_PLX_PLXATTRS_TD
