// The ops of kan.
#ifndef PLEXUS_DIALECTS_KAN_KANOPS_TD
#define PLEXUS_DIALECTS_KAN_KANOPS_TD

include "dialects/kan/KanBase.td"

//===--- Layers of basis functions -----------------------------------------------------------------===//

def Kan_BSplineOp : Kan_Op<"bspline", [AttrSizedOperandSegments]> {
  let summary = "layer of B-spline edges (Kolmogorov-Arnold network, arXiv:2404.19756)";
  let description = [{
    `y[.., o] = sum_ij coef[i, j, o] B_j(x[.., i]) + sum_i base[i, o] f(x[.., i]) + bias[o]`. B_j are the
    B-splines of degree `order` k over the knots t = grid[:, i] of input i, n + k + 1 of them, which do
    not decrease (Cox-de Boor): degree 0 is 1 on [t_j, t_j+1); degree p is
    `(x - t_j) / (t_j+p - t_j) B_j + (t_j+p+1 - x) / (t_j+p+1 - t_j+1) B_j+1`, where a term with a zero
    denominator is 0. Outside of [t_0, t_last) all B_j are 0. f is the activation `base_function`. `uniform` says
    that the knots of an input have equal steps, of which the first and the last `order` may be 0: an
    interval is then found by a division instead of a search.

    ```mlir
    %y = kan.bspline %x, %t, %c base %w {order = 3 : i64} : (tensor<?x5xf32>, tensor<12x5xf32>, tensor<5x8x7xf32>, tensor<5x7xf32>) -> tensor<?x7xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Kan_Matrix:$grid, Kan_Coefficients:$coef,
                       Optional<Kan_Matrix>:$base, Optional<Plx_Vector>:$bias, I64Attr:$order,
                       DefaultValuedAttr<Plx_ActivationAttr,
                           "::mlir::plx::ActivationKind::Silu">:$base_function,
                       UnitAttr:$uniform);
  let assemblyFormat = [{
    $input `,` $grid `,` $coef (`base` $base^)? (`bias` $bias^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Kan_RbfOp : Kan_Op<"rbf"> {
  let summary = "layer of Gaussian edges (FastKAN, arXiv:2405.06721)";
  let description = [{
    `y[.., o] = sum_ij coef[i, j, o] exp(-((x[.., i] - centers[j]) / width)^2) + bias[o]`.

    ```mlir
    %y = kan.rbf %x, %t, %c {width = 0.5 : f32} : (tensor<?x5xf32>, tensor<8xf32>, tensor<5x8x7xf32>) -> tensor<?x7xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Vector:$centers, Kan_Coefficients:$coef,
                       Optional<Plx_Vector>:$bias, F32Attr:$width);
  let assemblyFormat = [{
    $input `,` $centers `,` $coef (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Kan_ChebyshevOp : Kan_Op<"chebyshev"> {
  let summary = "layer of Chebyshev edges (arXiv:2405.07200)";
  let description = [{
    `y[.., o] = sum_ij coef[i, j, o] T_j(tanh x[.., i]) + bias[o]` with T_0 = 1, T_1 = u and
    `T_j = 2 u T_j-1 - T_j-2`.

    ```mlir
    %y = kan.chebyshev %x, %c : (tensor<?x5xf32>, tensor<5x4x7xf32>) -> tensor<?x7xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Kan_Coefficients:$coef, Optional<Plx_Vector>:$bias);
  let assemblyFormat = [{
    $input `,` $coef (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Kan_FourierOp : Kan_Op<"fourier"> {
  let summary = "layer of Fourier edges (arXiv:2406.01034)";
  let description = [{
    `y[.., o] = sum_i,k coef[i, k - 1, o] cos(k x[.., i]) + coef[i, K + k - 1, o] sin(k x[.., i]) +
    bias[o]`, k = 1..K: the functions of an input are K cosines, then K sines.

    ```mlir
    %y = kan.fourier %x, %c bias %b : (tensor<?x5xf32>, tensor<5x6x7xf32>, tensor<7xf32>) -> tensor<?x7xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Kan_Coefficients:$coef, Optional<Plx_Vector>:$bias);
  let assemblyFormat = [{
    $input `,` $coef (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}

//===--- Layers whose edges have shapes of their own ------------------------------------------------===//

def Kan_WaveletAttr : EnumAttr<Kan_Dialect, Kan_WaveletKind, "wavelet_kind">;

def Kan_WaveletOp : Kan_Op<"wavelet", [AttrSizedOperandSegments]> {
  let summary = "layer of wavelet edges (Wav-KAN, arXiv:2405.12832)";
  let description = [{
    `y[.., o] = sum_i weight[i, o] psi((x[.., i] - translation[i, o]) / scale[i, o]) + base[i, o] x[.., i]
    + bias[o]`. psi(z): `mexican_hat` 2 / (sqrt 3 pi^(1/4)) (z^2 - 1) exp(-z^2 / 2), `morlet` cos(5z)
    exp(-z^2 / 2), `dog` -z exp(-z^2 / 2).

    ```mlir
    %y = kan.wavelet morlet %x, %t, %s, %w : (tensor<?x5xf32>, tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<?x7xf32>
    ```
  }];
  let arguments = (ins Kan_WaveletAttr:$kind, Plx_Tensor:$input, Kan_Matrix:$translation,
                       Kan_Matrix:$scale, Kan_Matrix:$weight, Optional<Kan_Matrix>:$base,
                       Optional<Plx_Vector>:$bias);
  let assemblyFormat = [{
    `` $kind $input `,` $translation `,` $scale `,` $weight (`base` $base^)? (`bias` $bias^)? attr-dict
    `:` functional-type(operands, results)
  }];
}

def Kan_SymbolicOp : Kan_Op<"symbolic"> {
  let summary = "edges that are known functions";
  let description = [{
    `y[.., o] = sum over edges e into o of a2 f_e(a0 x[.., i_e] + a1) + a3` with (a0, a1, a2, a3) =
    affine[e, :], i_e = inputs[e], o = outputs[e], and f_e by the names of pykan's library: `x x^2 x^3
    x^4 x^5 1/x 1/x^2 1/x^3 1/x^4 1/x^5 sqrt x^0.5 x^1.5 1/sqrt(x) 1/x^0.5 exp log abs sin cos tan tanh
    sgn arcsin arccos arctan arctanh 0 gaussian`. Where f is not defined y is NaN or infinite.

    ```mlir
    %y = kan.symbolic %x, %a {inputs = array<i64: 0, 2>, outputs = array<i64: 0, 1>, functions = ["sin", "x^2"], size = 7 : i64} : (tensor<?x5xf32>, tensor<2x4xf32>) -> tensor<?x7xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Kan_Matrix:$affine, DenseI64ArrayAttr:$inputs,
                       DenseI64ArrayAttr:$outputs, StrArrayAttr:$functions, I64Attr:$size);
  let assemblyFormat = [{
    $input `,` $affine attr-dict `:` functional-type(operands, results)
  }];
}

//===--- Functions on nodes -------------------------------------------------------------------------===//

def Kan_RationalOp : Kan_Op<"rational"> {
  let summary = "rational functions of groups of channels (GR-KAN, arXiv:2409.10594)";
  let description = [{
    `y = (sum_m n[g, m] x^m) / (1 + |sum_m d[g, m - 1] x^m|)`, m = 0.. in the numerator and 1.. in the
    denominator. Group g is one of the equal runs of channels that the denominator [groups, :] has rows
    for; the numerator has as many rows, or one for all.

    ```mlir
    %y = kan.rational %x, %n, %d : (tensor<?x8xf32>, tensor<1x6xf32>, tensor<4x4xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Kan_Matrix:$numerator, Kan_Matrix:$denominator);
  let assemblyFormat = [{
    $input `,` $numerator `,` $denominator attr-dict `:` functional-type(operands, results)
  }];
}

def Kan_SelectOp : Kan_Op<"select"> {
  let summary = "a function of its own for each node (S-KAN, arXiv:2408.08338)";
  let description = [{
    `y[.., c] = f_c(x[.., c])`, f_c = functions[c]: one of those of `kan.symbolic` or an activation of
    `plx.activation`.

    ```mlir
    %y = kan.select %x {functions = ["silu", "sin", "silu"]} : tensor<?x3xf32> -> tensor<?x3xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, StrArrayAttr:$functions);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Kan_MultiplyOp : Kan_Op<"multiply"> {
  let summary = "multiplication nodes (KAN 2.0, arXiv:2408.10205)";
  let description = [{
    The first `sums` channels pass; the rest, in runs of `arity`, are multiplied into one channel each.

    ```mlir
    %y = kan.multiply %x {sums = 3 : i64, arity = 2 : i64} : tensor<?x7xf32> -> tensor<?x5xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, I64Attr:$sums, I64Attr:$arity);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Kan_PickOp : Kan_Op<"pick"> {
  let summary = "some of the channels, in an order";
  let description = [{
    `y[.., c] = x[.., columns[c]]`.

    ```mlir
    %y = kan.pick %x {columns = array<i64: 4, 0>} : tensor<?x5xf32> -> tensor<?x2xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, DenseI64ArrayAttr:$columns);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Kan_PatchesOp : Kan_Op<"patches"> {
  let summary = "windows of an image as rows: what a convolutional KAN layer applies its edges to";
  let description = [{
    `y[b, p Wo + q, (c Kh + u) Kw + v] = x[b, c, p Sh + u Dh - Ph, q Sw + v Dw - Pw]`, 0 outside of the
    image: input `[B, C, H, W]`, result `[B, Ho Wo, C Kh Kw]` (torch's unfold, transposed). With
    `channels_last` the input is `[B, H, W, C]`; the result is the same.

    ```mlir
    %y = kan.patches %x {kernel = array<i64: 3, 3>, stride = array<i64: 1, 1>, padding = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : tensor<?x2x8x8xf32> -> tensor<?x64x18xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$stride,
                       DenseI64ArrayAttr:$padding, DenseI64ArrayAttr:$dilation,
                       UnitAttr:$channels_last);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Kan_SwapOp : Kan_Op<"swap"> {
  let summary = "the last two axes exchanged";
  let description = [{
    `y[.., j, i] = x[.., i, j]`: positions before channels become channels before positions.

    ```mlir
    %y = kan.swap %x : tensor<?x64x5xf32> -> tensor<?x5x64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

#endif // PLEXUS_DIALECTS_KAN_KANOPS_TD
