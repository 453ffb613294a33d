// The brain dialect, and what its ops share.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINBASE_TD
#define PLEXUS_DIALECTS_BRAIN_BRAINBASE_TD

include "dialects/brain/BrainEnums.td"
include "dialects/plx/PlxTypes.td"
include "dialects/plx/PlxAttrs.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Brain_Dialect : Dialect {
  let name = "brain";
  let cppNamespace = "::mlir::brain";
  let summary = "Decoding of brain signals: filters, normalisation, features, sensors, retrieval";
  let description = "See docs/dialects/brain.md for why these ops are ops of their own.";
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::plx::PlxDialect", "::mlir::scf::SCFDialect"];
}

class Brain_Rank<int rank, string summary>
    : Type<And<[Plx_IsDenseFloat,
                CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).getRank() == " # rank>]>,
           summary, "::mlir::RankedTensorType">;
def Brain_Channels : Brain_Rank<2, "float tensor [T, channels]">;
def Brain_Matrix : Brain_Rank<2, "float matrix without an encoding">;
def Brain_Matrices : Brain_Rank<3, "float tensor [rows, m, n]">;

// A pure op with one result that follows from its operands.
class Brain_Op<string mnemonic, list<Trait> traits = []>
    : Op<Brain_Dialect, mnemonic, !listconcat(traits, [
          Pure, InferTypeOpAdaptor, DeclareOpInterfaceMethods<DecomposeOpInterface>])> {
  let hasVerifier = 1;
}

// A recurrence over the samples of each sequence. With an operand `state` it goes on from what the batch
// says and leaves its state behind; without one each sequence of the batch starts afresh.
class Brain_Recurrence<string mnemonic, list<Trait> traits = []>
    : Op<Brain_Dialect, mnemonic, !listconcat(traits, [
          InferTypeOpAdaptor, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
          DeclareOpInterfaceMethods<DecomposeOpInterface>])> {
  let hasVerifier = 1;
  let extraClassDefinition = [{
    void $cppClass::getEffects(
        ::llvm::SmallVectorImpl<::mlir::MemoryEffects::EffectInstance> &effects) {
      if (!getState())
        return;
      effects.emplace_back(::mlir::MemoryEffects::Read::get(), &getStateMutable()[0]);
      effects.emplace_back(::mlir::MemoryEffects::Write::get(), &getStateMutable()[0]);
    }
  }];
}

#endif // PLEXUS_DIALECTS_BRAIN_BRAINBASE_TD
