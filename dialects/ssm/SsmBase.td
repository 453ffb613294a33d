// The ssm dialect, and what its ops share.
#ifndef PLEXUS_DIALECTS_SSM_SSMBASE_TD
#define PLEXUS_DIALECTS_SSM_SSMBASE_TD

include "dialects/plx/PlxTypes.td"
include "dialects/plx/PlxAttrs.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Ssm_Dialect : Dialect {
  let name = "ssm";
  let cppNamespace = "::mlir::ssm";
  let summary = "Recurrences over the tokens of each sequence: state spaces, convolutions with memory";
  let description = "See docs/dialects/ssm.md for why these ops are ops of their own.";
  let dependentDialects = ["::mlir::plx::PlxDialect", "::mlir::scf::SCFDialect"];
}

// A recurrence. With an operand `state` it goes on from what the batch says and leaves its state behind;
// without one each sequence starts from zeros and nothing is kept. An op that may hold a state names it
// `state`, and its effects are those of a read and a write of it.
class Ssm_StatefulOp<string mnemonic, list<Trait> traits = []>
    : Op<Ssm_Dialect, mnemonic, !listconcat(traits, [
          DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
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

// One with more optional operands than the state.
class Ssm_Recurrence<string mnemonic, list<Trait> traits = []>
    : Ssm_StatefulOp<mnemonic, !listconcat(traits, [AttrSizedOperandSegments])>;

class Ssm_Rows<int rank, string summary>
    : Type<And<[Plx_IsDenseFloat,
                CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).getRank() == " # rank>]>,
           summary, "::mlir::RankedTensorType">;
def Ssm_Channels : Ssm_Rows<2, "float tensor [T, channels]">;
def Ssm_Matrix : Ssm_Rows<2, "float matrix">;
def Ssm_Heads : Ssm_Rows<3, "float tensor [T, heads, width]">;

#endif // PLEXUS_DIALECTS_SSM_SSMBASE_TD
