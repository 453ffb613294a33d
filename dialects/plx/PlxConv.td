// Convolutions, pooling over windows, and what stands between them, on maps `[rows, channels, ...]`.
#ifndef PLEXUS_DIALECTS_PLX_PLXCONV_TD
#define PLEXUS_DIALECTS_PLX_PLXCONV_TD

include "dialects/plx/PlxNN.td"

def Plx_ConvOp : Plx_ComputeOp<"conv", [InferTypeOpAdaptor]> {
  let summary = "convolution of maps, with an activation";
  let description = [{
    Cross-correlation over one or more spatial axes of `x [N, C, S...]` with `w [O, C / groups, K...]`:

    `y[n, o, s] = f(b[o] + sum_{c, k} w[o, c, k] x[n, g(o) C / groups + c, s * stride + k * dilation - begin])`

    where `g(o) = o div (O / groups)` and x is zero outside of its sizes, which `pads_begin` and `pads_end`
    extend. Absent `strides` and `dilations` are ones, absent pads zeros. `f` is an activation.

    `blocked = [O, C / groups, K...]`: the weight is a flat vector in the order in which the CPU reads it,
    made by `plx-block-convolutions`: the filters of a group in blocks of at most 8 of nearly equal size,
    in each block filters innermost.

    `points = N` (with `blocked`, one group, stride and dilation 1 along the last axis): the weight is
    spectra of N points (`#plx.spectrum`) for products with the spectra of tiles of the input's lines, made
    by `plx-spectral-convolutions`: `[O, N / 32, C and K but the last, 2, 16]`, 16 real parts, then the
    imaginary ones. What is computed is the same, in another order: the rounding of a result is relative to
    the largest sample of its tile, and a NaN makes all results of its tile NaN.

    ```mlir
    %y = plx.conv %x, %w bias %b {pads_begin = array<i64: 0, 32>, pads_end = array<i64: 0, 32>}
      : (tensor<?x1x22x1000xf32>, tensor<8x1x1x64xf32>, tensor<8xf32>) -> tensor<?x8x22x1001xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Tensor:$weight, Optional<Plx_Vector>:$bias,
                       OptionalAttr<DenseI64ArrayAttr>:$strides,
                       OptionalAttr<DenseI64ArrayAttr>:$dilations,
                       OptionalAttr<DenseI64ArrayAttr>:$pads_begin,
                       OptionalAttr<DenseI64ArrayAttr>:$pads_end,
                       DefaultValuedAttr<I64Attr, "1">:$groups,
                       OptionalAttr<Plx_ActivationAttr>:$activation,
                       OptionalAttr<DenseI64ArrayAttr>:$blocked, OptionalAttr<I64Attr>:$points);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Sizes, strides, dilations and pads along each spatial axis, defaults filled in.
    ::mlir::plx::WindowAxes getAxes();
    /// `[O, C / groups, K...]`, whatever the weight's order.
    ::llvm::SmallVector<int64_t> getKernelShape();
    ::mlir::plx::ActivationKind getKind() {
      return getActivation().value_or(::mlir::plx::ActivationKind::Identity);
    }
  }];
}

def Plx_PoolWindowOp : Plx_ComputeOp<"pool_window", [InferTypeOpAdaptor]> {
  let summary = "mean or maximum over windows of maps";
  let description = [{
    `y[n, c, s] = mode over k of x[n, c, s * stride + k * dilation - begin]` for windows of the sizes
    `kernel`. Places outside of x do not count: neither for the maximum nor for the mean, which divides by
    the number of places inside; with `count_pads` it divides by the window's size.

    ```mlir
    %y = plx.pool_window mean %x {kernel = array<i64: 1, 4>, strides = array<i64: 1, 4>}
      : tensor<?x16x1x1001xf32> -> tensor<?x16x1x250xf32>
    ```
  }];
  let arguments = (ins Plx_WindowModeAttr:$mode, Plx_Tensor:$input, DenseI64ArrayAttr:$kernel,
                       OptionalAttr<DenseI64ArrayAttr>:$strides,
                       OptionalAttr<DenseI64ArrayAttr>:$dilations,
                       OptionalAttr<DenseI64ArrayAttr>:$pads_begin,
                       OptionalAttr<DenseI64ArrayAttr>:$pads_end, UnitAttr:$count_pads);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "`` $mode $input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = "::mlir::plx::WindowAxes getAxes();";
}

def Plx_ChannelAffineOp : Plx_ComputeOp<"channel_affine", [AllTypesMatch<["input", "result"]>]> {
  let summary = "a factor and an addend for each channel of a map";
  let description = [{
    `y[n, c, ...] = scale[c] x[n, c, ...] + shift[c]`: batch norm of inference, whose factor and addend
    are recipes. `plx-merge-linear-maps` folds it into the convolution beside it.

    ```mlir
    %y = plx.channel_affine %x, %s, %t : tensor<?x16x1x1000xf32>, tensor<16xf32>, tensor<16xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Vector:$scale, Plx_Vector:$shift);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input `,` $scale `,` $shift attr-dict `:` type($input) `,` type($scale) `,` type($shift)";
  let hasVerifier = 1;
}

def Plx_PermuteOp : Plx_ComputeOp<"permute", [InferTypeOpAdaptor]> {
  let summary = "axes in another order; the row axis stays";
  let description = [{
    Axis i of the result is axis `order[i]` of the input, with `order[0] = 0`.

    ```mlir
    %y = plx.permute %x {order = array<i64: 0, 2, 1>} : tensor<?x40x61xf32> -> tensor<?x61x40xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, DenseI64ArrayAttr:$order);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Plx_MatmulOp : Plx_ComputeOp<"matmul", [InferTypeOpAdaptor]> {
  let summary = "products of matrices that are both computed, for each row";
  let description = [{
    `y[..., m, n] = sum_k a[..., m, k] b[..., k, n]`, or `b[..., n, k]` with `transposed`. The leading axes
    are the same, the row axis among them.

    ```mlir
    %s = plx.matmul %q, %k transposed
      : (tensor<?x4x61x10xf32>, tensor<?x4x61x10xf32>) -> tensor<?x4x61x61xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$lhs, Plx_Tensor:$rhs, UnitAttr:$transposed);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`transposed` $transposed^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Plx_LogOp : Plx_ComputeOp<"log", [AllTypesMatch<["input", "result"]>]> {
  let summary = "natural logarithm of what is at least `min`";
  let description = [{
    `y = log(max(x, min))`. NaN stays NaN.

    ```mlir
    %y = plx.log %x {min = 1.0e-6 : f32} : tensor<?x40x61xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, F32Attr:$min);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

#endif // PLEXUS_DIALECTS_PLX_PLXCONV_TD
