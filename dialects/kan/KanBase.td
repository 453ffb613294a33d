// The kan dialect, and the classes and constraints that its ops share.
#ifndef PLEXUS_DIALECTS_KAN_KANBASE_TD
#define PLEXUS_DIALECTS_KAN_KANBASE_TD

include "dialects/kan/KanEnums.td"
include "dialects/plx/PlxAttrs.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kan_Dialect : Dialect {
  let name = "kan";
  let cppNamespace = "::mlir::kan";
  let summary = "Kolmogorov-Arnold layers: learned functions on the edges of a network";
  let description = "See docs/dialects/kan.md for why these ops are ops of their own.";
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::plx::PlxDialect"];
}

class Kan_Rank<int rank, string summary>
    : Type<And<[Plx_IsDenseFloat,
                CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).getRank() == " # rank>]>,
           summary, "::mlir::RankedTensorType">;
def Kan_Matrix : Kan_Rank<2, "float matrix without an encoding">;
def Kan_Coefficients : Kan_Rank<3, "float tensor [in, functions, out] without an encoding">;

class Kan_Op<string mnemonic, list<Trait> traits = []>
    : Op<Kan_Dialect, mnemonic, !listconcat(traits, [
          Pure, InferTypeOpAdaptor, DeclareOpInterfaceMethods<DecomposeOpInterface>])> {
  let results = (outs Plx_Tensor:$result);
  let hasVerifier = 1;
}

#endif // PLEXUS_DIALECTS_KAN_KANBASE_TD
