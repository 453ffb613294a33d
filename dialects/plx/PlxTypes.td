// The types of plx.
#ifndef PLEXUS_DIALECTS_PLX_PLXTYPES_TD
#define PLEXUS_DIALECTS_PLX_PLXTYPES_TD

include "dialects/plx/PlxBase.td"
include "dialects/plx/PlxInterfaces.td"

def Plx_Batch : TypeDef<Plx_Dialect, "Batch"> {
  let mnemonic = "batch";
  let summary = "which rows run, where they belong and what they see";
  let description = [{
    For each of the T tokens of a batch: its sequence, its position, its parent in a draft tree, and
    whether its outputs are wanted. Tokens of a sequence are contiguous, parents first. Opaque: ops that
    need a part of it read it with `plx.batch_field` and `attn.visible`.
  }];
}

def Plx_Carry : TypeDef<Plx_Dialect, "Carry", [DeclareTypeInterfaceMethods<StateTypeInterface>]> {
  let mnemonic = "carry";
  let summary = "what a recurrence carries from token to token of each sequence";
  let description = [{
    One dense f32 tensor of this shape for each sequence and layer: the state of a scan, the last inputs
    of a causal convolution, the delays of a filter. Every token replaces it; a fresh sequence's is zeros.
    A token starts from the state behind its parent, so that draft trees branch.

    ```mlir
    !plx.carry<1536 x 16>
    ```
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Elements of one sequence's state in one layer.
    int64_t getNumElements() const;
  }];
}

#endif // PLEXUS_DIALECTS_PLX_PLXTYPES_TD
