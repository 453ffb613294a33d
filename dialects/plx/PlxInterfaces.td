// What ops, attributes and types say of themselves to passes: decompositions, recipes, states.
#ifndef PLEXUS_DIALECTS_PLX_PLXINTERFACES_TD
#define PLEXUS_DIALECTS_PLX_PLXINTERFACES_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def DecomposeOpInterface : OpInterface<"DecomposeOpInterface"> {
  let cppNamespace = "::mlir::plx";
  let description = [{
    An op whose meaning is given by upstream ops (linalg, tensor, arith, math) on tensors, and by the
    accessors of batches and states. Every target gets every op through it, and a fast path is tested
    against it.
  }];
  let methods = [InterfaceMethod<[{
      Builds the op's meaning at the builder's insertion point and returns a value for each result, of
      the result's type. Leaves the op itself alone. Fails, having built nothing, on an op that is as
      plain as it gets.
    }], "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "decompose",
    (ins "::mlir::OpBuilder &":$builder)>];
}

def ProductWeightsOpInterface : OpInterface<"ProductWeightsOpInterface"> {
  let cppNamespace = "::mlir::plx";
  let description = [{
    An op that multiplies by weights `[N, K]` which it can read in a packed form (`#plx.packed`).
  }];
  let methods = [InterfaceMethod<"Numbers of the operands that are such weights.",
    "::llvm::SmallVector<unsigned>", "getProductWeights", (ins)>];
}

def ResultRowsOpInterface : OpInterface<"ResultRowsOpInterface"> {
  let cppNamespace = "::mlir::plx";
  let description = [{
    An op some of whose results have other rows than its operands, such as one row for each sequence.
  }];
  let methods = [InterfaceMethod<[{
      What the dynamic leading dimension of a result counts.
    }], "::mlir::plx::SizeSymbol", "getResultRows", (ins "unsigned":$result)>];
}

def RecipeAttrInterface : AttrInterface<"RecipeAttrInterface"> {
  let cppNamespace = "::mlir::plx";
  let description = [{
    A weight's recipe: an expression over tensors of the source file, evaluated by the packer in f32 and
    rounded once to the weight's element type. Element types are converted implicitly, shapes never.
  }];
  let methods = [
    InterfaceMethod<[{
      Returns the type of the recipe's value. `expected` is the type that the user of the value asks for,
      null where unknown; a source without a type of its own takes it.
    }], "::mlir::FailureOr<::mlir::RankedTensorType>", "inferType",
    (ins "::mlir::RankedTensorType":$expected,
         "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError)>,
    InterfaceMethod<"The recipes that this one is made of, in order.",
    "::llvm::SmallVector<::mlir::Attribute>", "getNested", (ins), "", "return {};">,
    InterfaceMethod<[{
      The type that a recipe made of one other asks of it when its own value shall have type `expected`;
      null where that does not follow.
    }], "::mlir::RankedTensorType", "getNestedType", (ins "::mlir::RankedTensorType":$expected), "",
    "return {};">
  ];
}

def StateTypeInterface : TypeInterface<"StateTypeInterface"> {
  let cppNamespace = "::mlir::plx";
  let description = "A type that `plx.state` may declare: what survives between steps.";
  let methods = [InterfaceMethod<[{
      Whether a state of this type can be kept the given way.
    }], "bool", "supportsKind", (ins "::mlir::plx::StateKind":$kind)>];
}

#endif // PLEXUS_DIALECTS_PLX_PLXINTERFACES_TD
