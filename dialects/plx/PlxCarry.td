// Accessors of recurrent states: what decompositions of ops that carry something end in.
#ifndef PLEXUS_DIALECTS_PLX_PLXCARRY_TD
#define PLEXUS_DIALECTS_PLX_PLXCARRY_TD

include "dialects/plx/PlxNN.td"
include "dialects/plx/PlxTypes.td"

def Plx_CarryReadOp : Plx_Op<"carry_read", [
    AllTypesMatch<["last", "result"]>, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "what a token's recurrence starts from";
  let description = [{
    The state behind the token's parent: with a state operand what the batch's `carry_from` holds, or,
    where that is nothing, `last`, which the token before left. Without one, zeros at the first token of a
    sequence (with `reverse`: at its last one), otherwise `last`. With both a state and `reverse`, a sequence
    whole in one batch starts at its last token, from what `carry_from` of its first token holds. An
    accessor: decompositions end in it.

    ```mlir
    %h = plx.carry_read %last, %batch[%t] of %scan : !plx.carry<16 x 64> : tensor<16x64xf32>
    %z = plx.carry_read %last, %batch[%t] {reverse} : tensor<16x64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$last, Plx_Batch:$batch, Index:$token, Optional<Plx_Carry>:$state,
                       UnitAttr:$reverse);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = [{
    $last `,` $batch `[` $token `]` (`of` $state^ `:` qualified(type($state)))? attr-dict `:` type($last)
  }];
  let hasVerifier = 1;
}

def Plx_CarryWriteOp : Plx_Op<"carry_write", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "what a token leaves behind";
  let description = [{
    Stores `value` where the batch's `carry_to` says for the token; nothing where it names no place. With
    `reverse` a sequence's first token leaves its value where `carry_to` says for the last one, and no
    other token leaves any. An accessor: decompositions end in it.

    ```mlir
    plx.carry_write %h, %batch[%t] to %scan : tensor<16x64xf32>, !plx.carry<16 x 64>
    ```
  }];
  let arguments = (ins Plx_Tensor:$value, Plx_Batch:$batch, Index:$token, Plx_Carry:$state,
                       UnitAttr:$reverse);
  let assemblyFormat = [{
    $value `,` $batch `[` $token `]` `to` $state attr-dict `:` type($value) `,` qualified(type($state))
  }];
  let hasVerifier = 1;
}

#endif // PLEXUS_DIALECTS_PLX_PLXCARRY_TD
