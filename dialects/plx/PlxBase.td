// The plx dialect itself, and the operand constraints that its ops share.
#ifndef PLEXUS_DIALECTS_PLX_PLXBASE_TD
#define PLEXUS_DIALECTS_PLX_PLXBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Plx_Dialect : Dialect {
  let name = "plx";
  let cppNamespace = "::mlir::plx";
  let summary = "Model structure and generic neural network ops over the ragged token axis";
  let description = [{
    A `plx.model` holds segments (functions over tensors), weights (recipes over source tensors), states
    and schedules. See docs/dialects/plx.md for why these are ops of their own.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasRegionArgAttrVerify = 1;
  // What decompositions are made of.
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

class Plx_Op<string mnemonic, list<Trait> traits = []> : Op<Plx_Dialect, mnemonic, traits>;

// A float tensor with its elements in row-major order: what every op but the weight readers takes.
def Plx_IsDenseFloat : CPred<"::mlir::plx::isDenseFloatTensor($_self)">;
def Plx_Tensor : Type<Plx_IsDenseFloat, "ranked float tensor without an encoding",
                      "::mlir::RankedTensorType">;
// A weight matrix as a product reads it: dense, or packed.
def Plx_WeightMatrix
    : Type<CPred<"::mlir::plx::isWeightMatrix($_self)">,
           "float matrix, dense or with a #plx.packed encoding", "::mlir::RankedTensorType">;
// Any type of a declared weight.
def Plx_Parameter
    : Type<CPred<"::mlir::plx::isParameterType($_self)">,
           "static ranked float tensor, dense or with a #plx.packed encoding",
           "::mlir::RankedTensorType">;
def Plx_Vector
    : Type<And<[Plx_IsDenseFloat,
                CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).getRank() == 1">]>,
           "float vector without an encoding", "::mlir::RankedTensorType">;
def Plx_Indices
    : Type<CPred<"::mlir::plx::isIndexVector($_self)">, "vector of i32 indices",
           "::mlir::RankedTensorType">;

// Ops with this trait may have operands and results with a #plx.packed encoding.
def Plx_AcceptsPacked : NativeOpTrait<"AcceptsPacked"> { let cppNamespace = "::mlir::plx"; }

#endif // PLEXUS_DIALECTS_PLX_PLXBASE_TD
