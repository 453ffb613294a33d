// Tokenizers: nearest codes.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINQUANTIZE_TD
#define PLEXUS_DIALECTS_BRAIN_BRAINQUANTIZE_TD

include "dialects/brain/BrainBase.td"

def Brain_Vectors
    : Type<And<[Plx_IsDenseFloat, CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).getRank() >= 2">]>,
           "float tensor [T, ..., D]", "::mlir::RankedTensorType">;

def Brain_VectorQuantizeOp : Brain_Op<"vector_quantize"> {
  let summary = "the nearest codes of each row, in a cascade";
  let description = [{
    With codebooks `[Q, K, D]`, for each vector of `[T, ..., D]`: `r_0 = x`, `i_q = argmin_k |r_q - z_q[k]|^2` (of equal ones the first),
    `r_{q+1} = r_q - z_q[i_q]`. Results: the sum of the chosen codes and their numbers `[T, ..., Q]`. One
    codebook is vector quantisation (van den Oord et al., 2017), several are residual quantisation
    (Zeghidour et al., 2021). `cosine`: the nearest by angle, `argmax_k r . z[k] / max(|z[k]|, 1e-12)`, as
    LaBraM's tokenizer does (Jiang et al., 2024). A row of NaN gets code 0.

    ```mlir
    %y, %i = brain.vector_quantize %x, %codes : tensor<?x64xf32>, tensor<2x1024x64xf32> -> tensor<?x64xf32>, tensor<?x2xi32>
    %z, %j = brain.vector_quantize %x, %code {cosine} : tensor<?x32xf32>, tensor<1x8192x32xf32> -> tensor<?x32xf32>, tensor<?x1xi32>
    ```
  }];
  let arguments = (ins Brain_Vectors:$input, Brain_Matrices:$codebooks, UnitAttr:$cosine);
  let results = (outs Brain_Vectors:$result, AnyRankedTensor:$codes);
  let assemblyFormat = [{
    $input `,` $codebooks attr-dict `:` type($input) `,` type($codebooks) `->` type($result) `,` type($codes)
  }];
}

#endif // PLEXUS_DIALECTS_BRAIN_BRAINQUANTIZE_TD
