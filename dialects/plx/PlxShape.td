// Ops that move elements without changing them.
#ifndef PLEXUS_DIALECTS_PLX_PLXSHAPE_TD
#define PLEXUS_DIALECTS_PLX_PLXSHAPE_TD

include "dialects/plx/PlxNN.td"

def Plx_ReshapeOp : Plx_ComputeOp<"reshape"> {
  let summary = "the same elements in row-major order under another shape";
  let description = [{
    At most one dimension is dynamic on either side, and the static ones have the same product on both.

    ```mlir
    %q3 = plx.reshape %q : tensor<?x96xf32> -> tensor<?x6x16xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Plx_SliceOp : Plx_ComputeOp<"slice", [InferTypeOpAdaptor]> {
  let summary = "columns of the last axis";
  let description = [{
    `y[..., i] = x[..., begin + i]` for i in 0..size.

    ```mlir
    %q = plx.slice %qkv from 0 size 64 : tensor<?x96xf32> -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, I64Attr:$begin, I64Attr:$size);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input `from` $begin `size` $size attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Plx_ReorderOp : Plx_ComputeOp<"reorder", [AllTypesMatch<["input", "result"]>]> {
  let summary = "columns of the last axis in another order";
  let description = [{
    `y[..., i] = x[..., order[i]]`. Indices are whole numbers as f32 (which holds them up to 2^24), since
    they are a weight; those outside of the columns are taken as the nearest one.

    ```mlir
    %y = plx.reorder %x by %order : tensor<?x64xf32>, tensor<64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Vector:$order);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input `by` $order attr-dict `:` type($input) `,` type($order)";
  let hasVerifier = 1;
}

def Plx_ConcatOp : Plx_ComputeOp<"concat", [InferTypeOpAdaptor]> {
  let summary = "concatenation along the last axis";
  let description = [{
    ```mlir
    %y = plx.concat %a, %b : (tensor<?x64xf32>, tensor<?x32xf32>) -> tensor<?x96xf32>
    ```
  }];
  let arguments = (ins Variadic<Plx_Tensor>:$inputs);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // PLEXUS_DIALECTS_PLX_PLXSHAPE_TD
