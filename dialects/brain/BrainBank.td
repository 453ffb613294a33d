// Layers of which each row picks one: subjects, sessions, days.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINBANK_TD
#define PLEXUS_DIALECTS_BRAIN_BRAINBANK_TD

include "dialects/brain/BrainBase.td"

def Brain_SwitchedLinearOp : Brain_Op<"switched_linear", [
    Plx_AcceptsPacked, DeclareOpInterfaceMethods<ProductWeightsOpInterface>]> {
  let summary = "product with one weight of a bank, picked by each row";
  let description = [{
    `y[t, ..., n] = sum_k x[t, ..., k] W_s[n, k] + b_s[n]` with s = index[t]: a layer for each subject,
    session or day, switched at run time. The bank is `[parts * R, K]`: part s has its rows at `s R`, R
    being N or more (what is behind N is not read; packed parts need a multiple of 64). Columns of the
    result: N = `columns`. The bias is `[parts, N]`. An index outside of the bank is clamped to it, as in
    `plx.embedding`; a family's option names those that there are and refuses others.

    ```mlir
    %y = brain.switched_linear %x, %s, %w bias %b {parts = 4, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<256x16xf32>, tensor<4x20xf32>) -> tensor<?x20xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Indices:$index, Plx_WeightMatrix:$weight,
                       Optional<Brain_Matrix>:$bias, I64Attr:$parts, I64Attr:$columns);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $index `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Rows that a part of `columns` columns takes in a bank.
    static int64_t paddedRows(int64_t columns) { return (columns + 63) / 64 * 64; }
  }];
}

def Brain_ChooseOp : Brain_Op<"choose"> {
  let summary = "each row from one of several tensors";
  let description = [{
    `y[t] = values[index[t]][t]`; an index outside of 0 .. count-1 is clamped. What a graph writes that
    applies every subject's layer and keeps one; `brain-merge-banks` makes such a thing one product.

    ```mlir
    %y = brain.choose %s of %a, %b : tensor<?xi32>, tensor<?x20xf32>, tensor<?x20xf32>
    ```
  }];
  let arguments = (ins Plx_Indices:$index, Variadic<Plx_Tensor>:$values);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$index `of` $values attr-dict `:` type($index) `,` type($values)";
}

def Brain_OfSequenceOp : Brain_Op<"of_sequence", [
    DeclareOpInterfaceMethods<ResultRowsOpInterface>]> {
  let summary = "what belongs to a sequence, for each of its tokens";
  let description = [{
    From S rows to T rows: `y[t] = x[sequence[t]]`, such as the subject of each recording for its samples.

    ```mlir
    %t = brain.of_sequence %s, %batch : tensor<?xi32>
    ```
  }];
  let arguments = (ins AnyTypeOf<[Plx_Indices, Plx_Tensor]>:$input, Plx_Batch:$batch);
  let results = (outs AnyTypeOf<[Plx_Indices, Plx_Tensor]>:$result);
  let assemblyFormat = "$input `,` $batch attr-dict `:` type($input)";
}

#endif // PLEXUS_DIALECTS_BRAIN_BRAINBANK_TD
