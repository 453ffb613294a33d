// The types of plx.
#ifndef PLEXUS_DIALECTS_PLX_PLXTYPES_TD
#define PLEXUS_DIALECTS_PLX_PLXTYPES_TD

include "dialects/plx/PlxBase.td"

def Plx_Batch : TypeDef<Plx_Dialect, "Batch"> {
  let mnemonic = "batch";
  let summary = "which rows run, where they belong and what they see";
  let description = [{
    For each of the T tokens of a batch: its sequence, its position, its parent in a draft tree, and
    whether its outputs are wanted. Tokens of a sequence are contiguous, parents first. Opaque: ops that
    need a part of it read it with `plx.batch_field` and `attn.visible`.
  }];
}

#endif // PLEXUS_DIALECTS_PLX_PLXTYPES_TD
