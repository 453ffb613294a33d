// The structure of a model: segments, schedules, weights, states, taps.
#ifndef PLEXUS_DIALECTS_PLX_PLXSTRUCTURE_TD
#define PLEXUS_DIALECTS_PLX_PLXSTRUCTURE_TD

include "dialects/plx/PlxAttrs.td"
include "dialects/plx/PlxTypes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===--- Containers --------------------------------------------------------------------------------===//

def Plx_ModelOp : Plx_Op<"model", [IsolatedFromAbove, NoTerminator, NoRegionArguments, SingleBlock,
                                   Symbol, SymbolTable]> {
  let summary = "a model: weights, states, segments and schedules";
  let description = [{
    A symbol table that holds all of a model. What products need to know of it (task, family, ...) are
    attributes.

    ```mlir
    plx.model @llama attributes {task = "causal-lm"} { ... }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name)>];
}

class Plx_Function<string mnemonic> : Plx_Op<mnemonic, [
    IsolatedFromAbove, FunctionOpInterface, HasParent<"ModelOp">, SingleBlock]> {
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
                       OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let skipDefaultBuilders = 1;
  // Creates the entry block with an argument for each input.
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type)>];
  code functionMethods = [{
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
  }];
}

def Plx_SegmentOp : Plx_Function<"segment"> {
  let summary = "a function over tensors that is compiled once";
  let description = [{
    A part of a model: the embedding, the attention part of a kind of block, the head. Nothing fuses
    across its border. Its weights are the `plx.param`s of its body in order of first appearance, its
    states the `plx.get_state`s. Arguments over the token axis may say with `plx.rows = "T"|"S"|"R"`
    which size their leading dimension is (default T, tokens; S sequences; R wanted rows).

    ```mlir
    plx.segment @norm(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
      %g = plx.param @g : tensor<64xf32>
      %0 = plx.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
      plx.return %0 : tensor<?x64xf32>
    }
    ```
  }];
  let extraClassDeclaration = functionMethods;
  let hasRegionVerifier = 1;
}

def Plx_ScheduleOp : Plx_Function<"schedule"> {
  let summary = "how the segments of a model run";
  let description = [{
    Straight-line data for the executor: runs of segments, each with its layer and scalars, then the
    outputs by name. The executor runs only what the wanted outputs need.

    ```mlir
    plx.schedule @forward(%ids: tensor<?xi32>, %batch: !plx.batch) {
      %0 = plx.run @embed(%ids, %batch) : (tensor<?xi32>, !plx.batch) -> tensor<?x64xf32>
      plx.outputs "last_hidden_state" = %0 : tensor<?x64xf32>
    }
    ```
  }];
  let extraClassDeclaration = functionMethods;
  let hasRegionVerifier = 1;
}

def Plx_RunOp : Plx_Op<"run", [HasParent<"ScheduleOp">,
                               DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one run of a segment";
  let description = [{
    `layer` fills the `{layer}` hole of the names of the segment's weights and picks the layer of its
    states; `scalars` are what the segment's `plx.scalar`s read.

    ```mlir
    %1 = plx.run @attn layer 3 scalars [0.5] (%0, %batch) : (tensor<?x64xf32>, !plx.batch) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$segment, Variadic<AnyType>:$inputs,
                       OptionalAttr<I64Attr>:$layer, OptionalAttr<DenseF32ArrayAttr>:$scalars);
  let results = (outs Variadic<AnyType>:$outputs);
  let assemblyFormat = [{
    $segment (`layer` $layer^ ` `)? (`scalars` $scalars^ ` `)? `(` $inputs `)` attr-dict `:`
    functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::plx::SegmentOp":$segment, "::mlir::ValueRange":$inputs,
                                 CArg<"std::optional<int64_t>", "std::nullopt">:$layer,
                                 CArg<"::llvm::ArrayRef<float>", "{}">:$scalars)>];
  let hasVerifier = 1;
}

def Plx_OutputsOp : Plx_Op<"outputs", [HasParent<"ScheduleOp">, Pure, Terminator]> {
  let summary = "the outputs of a schedule, by name";
  let description = [{
    `hidden_states.<i>` are the block boundaries; the other names are the reference library's.

    ```mlir
    plx.outputs "logits" = %n, "last_hidden_state" = %m : tensor<?x128xf32>, tensor<?x64xf32>
    ```
  }];
  let arguments = (ins StrArrayAttr:$names, Variadic<AnyType>:$values);
  let assemblyFormat = "custom<NamedValues>($names, $values, type($values)) attr-dict";
  let hasVerifier = 1;
}

def Plx_ReturnOp : Plx_Op<"return", [HasParent<"SegmentOp">, Pure, Terminator]> {
  let summary = "the results of a segment";
  let description = "```mlir\nplx.return %y : tensor<?x64xf32>\n```";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
  let hasVerifier = 1;
}

//===--- Weights and states ------------------------------------------------------------------------===//

def Plx_WeightOp : Plx_Op<"weight", [HasParent<"ModelOp">, Symbol]> {
  let summary = "a declared weight: name, type and recipe";
  let description = [{
    The bytes stay in the source file until the packer evaluates the recipe. `{layer}` in a source's name
    is filled in by the layer of a run; a weight without the hole is shared by all layers.

    ```mlir
    plx.weight @qk : tensor<96x64xbf16, #plx.packed<bf16>> =
        #plx.concat<0, [#plx.source<"l.{layer}.q" : tensor<64x64xbf16>>, #plx.source<"l.{layer}.k" : tensor<32x64xbf16>>]>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Plx_Parameter>:$type, AnyAttr:$recipe);
  let assemblyFormat = "$sym_name `:` $type `=` $recipe attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The declared type, with its encoding.
    ::mlir::RankedTensorType getWeightType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
    /// Whether a source's name has the `{layer}` hole: one weight for each layer.
    bool isPerLayer();
  }];
}

def Plx_ParamOp : Plx_Op<"param", [Pure, Plx_AcceptsPacked,
                                   DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a declared weight as a value";
  let description = "```mlir\n%w = plx.param @q : tensor<64x64xbf16>\n```";
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Plx_Parameter:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
  let builders = [OpBuilder<(ins "::mlir::plx::WeightOp":$weight), [{
    build($_builder, $_state, weight.getWeightType(), weight.getSymName());
  }]>];
}

def Plx_StateOp : Plx_Op<"state", [HasParent<"ModelOp">, Symbol]> {
  let summary = "a declared state: what survives between steps, for each layer";
  let description = [{
    `kind = kv` appends a slot a token; `kind = ring` keeps at least the last `window` of them;
    `kind = replace` is overwritten by every token.

    ```mlir
    plx.state @kv kind = kv : !attn.kv<4 x 64 x 64>
    plx.state @local kind = ring window = 4096 : !attn.kv<4 x 64 x 64>
    plx.state @scan kind = replace : !plx.carry<1536 x 16>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Plx_StateKindAttr:$kind,
                       OptionalAttr<I64Attr>:$window, TypeAttr:$type);
  let assemblyFormat = [{
    $sym_name `kind` `=` `` $kind (`window` `=` $window^)? `:` $type attr-dict
  }];
  let hasVerifier = 1;
}

def Plx_GetStateOp : Plx_Op<"get_state", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a declared state of the run's layer as a value";
  let description = "```mlir\n%kv = plx.get_state @kv : !attn.kv<4 x 64 x 64>\n```";
  let arguments = (ins FlatSymbolRefAttr:$state);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$state attr-dict `:` type($result)";
  let builders = [OpBuilder<(ins "::mlir::plx::StateOp":$state), [{
    build($_builder, $_state, state.getType(), state.getSymName());
  }]>];
}

def Plx_ScalarOp : Plx_Op<"scalar", [Pure]> {
  let summary = "a scalar of the run";
  let description = [{
    Entry `index` of the run's `scalars`.

    ```mlir
    %s = plx.scalar 0 : f32
    ```
  }];
  let arguments = (ins ConfinedAttr<I64Attr, [IntNonNegative]>:$index);
  let results = (outs F32:$result);
  let assemblyFormat = "$index attr-dict `:` type($result)";
}

//===--- Taps --------------------------------------------------------------------------------------===//

def Plx_TapOp : Plx_Op<"tap", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
                               AllTypesMatch<["input", "result"]>]> {
  let summary = "a named place where a hook may read or replace a value";
  let description = [{
    The identity. Plain variants have their taps erased; in a tapped variant it is a barrier that
    canonicalization leaves alone, and one more output after the segment's own.

    ```mlir
    %y = plx.tap %x "mlp.out" : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, StrAttr:$name);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input $name attr-dict `:` type($input)";
}

#endif // PLEXUS_DIALECTS_PLX_PLXSTRUCTURE_TD
