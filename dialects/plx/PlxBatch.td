// Ops that read the batch.
#ifndef PLEXUS_DIALECTS_PLX_PLXBATCH_TD
#define PLEXUS_DIALECTS_PLX_PLXBATCH_TD

include "dialects/plx/PlxNN.td"

def Plx_SelectRowsOp : Plx_ComputeOp<"select_rows", [AllTypesMatch<["input", "result"]>]> {
  let summary = "the rows whose outputs are wanted";
  let description = [{
    `y[r, :] = x[output_row[r], :]`: from T rows to R rows.

    ```mlir
    %r = plx.select_rows %x, %batch : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Batch:$batch);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input `,` $batch attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Plx_PoolOp : Plx_ComputeOp<"pool", [AllTypesMatch<["input", "result"]>]> {
  let summary = "one row for each sequence";
  let description = [{
    From T rows to S rows: over the batch's tokens t of sequence s, the `mean` or the `max` of x[t, :],
    or the row of the first (`cls`) or of the `last` token. A sequence without tokens gives zeros.

    ```mlir
    %p = plx.pool mean %x, %batch : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Plx_PoolModeAttr:$mode, Plx_Tensor:$input, Plx_Batch:$batch);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "`` $mode $input `,` $batch attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Plx_PositionsOp : Plx_ComputeOp<"positions", [InferTypeOpAdaptor]> {
  let summary = "position of each token";
  let description = [{
    `p[t] = position[t] + offset`: indices for a learned position table.

    ```mlir
    %p = plx.positions %batch {offset = 2} : tensor<?xi32>
    ```
  }];
  let arguments = (ins Plx_Batch:$batch, DefaultValuedAttr<I64Attr, "0">:$offset);
  let results = (outs Plx_Indices:$result);
  let assemblyFormat = "$batch attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Plx_TokenTypesOp
    : Plx_ComputeOp<"token_types", [InferTypeOpAdaptor]> {
  let summary = "token type of each token";
  let description = [{
    0 where the batch gives none.

    ```mlir
    %t = plx.token_types %batch : tensor<?xi32>
    ```
  }];
  let arguments = (ins Plx_Batch:$batch);
  let results = (outs Plx_Indices:$result);
  let assemblyFormat = "$batch attr-dict `:` type($result)";
}

def Plx_BatchFieldOp : Plx_Op<"batch_field", [Pure, InferTypeOpAdaptor]> {
  let summary = "an array of the batch";
  let description = [{
    As in `plx_batch` of `runtime/abi/Call.h`: `sequence`, `position`, `index`, `slot`, `token_type`
    (zeros where absent) are [T]; `past` is [S], `token_begin` [S+1], `output_row` [R]. An accessor:
    decompositions end in it.

    ```mlir
    %s = plx.batch_field sequence %batch : tensor<?xi32>
    ```
  }];
  let arguments = (ins Plx_BatchFieldAttr:$field, Plx_Batch:$batch);
  let results = (outs Plx_Indices:$result);
  let assemblyFormat = "`` $field $batch attr-dict `:` type($result)";
}

#endif // PLEXUS_DIALECTS_PLX_PLXBATCH_TD
