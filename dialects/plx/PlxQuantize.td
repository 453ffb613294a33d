// Activations as integers of 8 bits with one scale, and convolutions of such.
#ifndef PLEXUS_DIALECTS_PLX_PLXQUANTIZE_TD
#define PLEXUS_DIALECTS_PLX_PLXQUANTIZE_TD

include "dialects/plx/PlxConv.td"

def Plx_FakeQuantizeOp : Plx_ComputeOp<"fake_quantize", [AllTypesMatch<["input", "result"]>]> {
  let summary = "the nearest values of an integer grid of 8 bits (arXiv:1712.05877)";
  let description = [{
    With `range = [s, z]`, a scale above 0 and an integer zero point:

    `q = clamp(round(x / s) + z, -127, 127)`, `y = s (q - z)`

    where halves are rounded to even. What is not a number becomes the least value. Made by
    `plx-quantize-activations`; where a product with an integer weight reads y, q enters it, and y is
    never made.

    ```mlir
    %y = plx.fake_quantize %x by %range : tensor<?x64xf32>, tensor<2xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Vector:$range);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input `by` $range attr-dict `:` type($input) `,` type($range)";
  let hasVerifier = 1;
}

def Plx_QuantizedConvOp : Plx_ComputeOp<"quantized_conv", [Plx_AcceptsPacked, InferTypeOpAdaptor]> {
  let summary = "convolution of maps in integers of 8 bits (arXiv:1712.05877)";
  let description = [{
    `plx.conv` of `plx.fake_quantize(x)` by `range`, with a scale for each filter: sums of products of
    bytes are exact integers, and the zero point is folded into the bias. Made by
    `plx-quantize-activations`.

    `kernel = [O, C / groups, K...]` is the weight's shape. The weight itself is a matrix `[O, D]` in the
    order in which bytes are multiplied: the axes behind the first one with axis `quad_axis` of `kernel`
    moved to the end, and padded there to a multiple of 4 with zeros.

    ```mlir
    %y = plx.quantized_conv %x, %w by %range bias %b
      {kernel = array<i64: 8, 1, 1, 64>, quad_axis = 3, pads_end = array<i64: 0, 63>}
      : (tensor<?x1x22x1000xf32>, tensor<8x64xf32, #plx.packed<q8, group = channel>>, tensor<2xf32>, tensor<8xf32>)
      -> tensor<?x8x22x1000xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_WeightMatrix:$weight, Plx_Vector:$range,
                       Optional<Plx_Vector>:$bias, DenseI64ArrayAttr:$kernel, I64Attr:$quad_axis,
                       OptionalAttr<DenseI64ArrayAttr>:$strides,
                       OptionalAttr<DenseI64ArrayAttr>:$dilations,
                       OptionalAttr<DenseI64ArrayAttr>:$pads_begin,
                       OptionalAttr<DenseI64ArrayAttr>:$pads_end,
                       DefaultValuedAttr<I64Attr, "1">:$groups,
                       OptionalAttr<Plx_ActivationAttr>:$activation);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $weight `by` $range (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Sizes, strides, dilations and pads along each spatial axis, defaults filled in.
    ::mlir::plx::WindowAxes getAxes();
    ::mlir::plx::ActivationKind getKind() {
      return getActivation().value_or(::mlir::plx::ActivationKind::Identity);
    }
  }];
}

#endif // PLEXUS_DIALECTS_PLX_PLXQUANTIZE_TD
