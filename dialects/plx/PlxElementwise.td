// Elementwise ops.
#ifndef PLEXUS_DIALECTS_PLX_PLXELEMENTWISE_TD
#define PLEXUS_DIALECTS_PLX_PLXELEMENTWISE_TD

include "dialects/plx/PlxNN.td"

def Plx_ActivationOp : Plx_ComputeOp<"activation", [AllTypesMatch<["input", "result"]>]> {
  let summary = "elementwise nonlinearity";
  let description = [{
    `y = f(x)`, with f one of: `identity`; `silu` x/(1+e^-x); `gelu` x/2 (1+erf(x/sqrt 2)); `gelu_tanh`
    x/2 (1+tanh(sqrt(2/pi)(x+0.044715 x^3))); `gelu_quick` x/(1+e^(-1.702x)); `relu`; `relu2` relu(x)^2;
    `relu6` min(relu(x), 6); `tanh`; `sigmoid`; `softplus` log(1+e^x); `mish` x tanh(softplus(x)); `elu`
    x or e^x-1 below 0; `leaky_relu` x or 0.01x; `hard_swish` x relu6(x+3)/6; `hard_sigmoid`
    relu6(x+3)/6; `selu`; `square` x^2; `softsign` x/(1+|x|).

    ```mlir
    %y = plx.activation silu %x : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Plx_ActivationAttr:$kind, Plx_Tensor:$input);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "`` $kind $input attr-dict `:` type($input)";
  let hasFolder = 1;
}

def Plx_GluOp : Plx_ComputeOp<"glu", [AllTypesMatch<["gate", "up", "result"]>]> {
  let summary = "gated linear unit (arXiv:2002.05202)";
  let description = [{
    `y = f(gate) * up` with an activation f.

    ```mlir
    %y = plx.glu silu %gate, %up : tensor<?x128xf32>
    ```
  }];
  let arguments = (ins Plx_ActivationAttr:$kind, Plx_Tensor:$gate, Plx_Tensor:$up);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "`` $kind $gate `,` $up attr-dict `:` type($gate)";
}

class Plx_BinaryOp<string mnemonic, string formula>
    : Plx_ComputeOp<mnemonic, [AllTypesMatch<["lhs", "result"]>]> {
  let summary = "elementwise " # formula;
  let description = "`y = " # formula # [{`. The right operand has the left one's shape, or its trailing part (a vector
    `[D]` is the same for every row).

    ```mlir
    %y = plx.}] # mnemonic # [{ %x, %v : tensor<?x64xf32>, tensor<64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$lhs, Plx_Tensor:$rhs);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs)";
  let hasVerifier = 1;
}
def Plx_AddOp : Plx_BinaryOp<"add", "lhs + rhs">;
def Plx_SubOp : Plx_BinaryOp<"sub", "lhs - rhs">;
def Plx_MulOp : Plx_BinaryOp<"mul", "lhs * rhs">;

def Plx_ScaleOp : Plx_ComputeOp<"scale", [AllTypesMatch<["input", "result"]>]> {
  let summary = "multiplication by a number";
  let description = [{
    `y = s x`, with s a constant or a scalar of the run.

    ```mlir
    %y = plx.scale %x by 8.0 : tensor<?x64xf32>
    %s = plx.scalar 0 : f32
    %z = plx.scale %x by %s : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Optional<F32>:$scalar, OptionalAttr<F32Attr>:$factor);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input `by` ($scalar^):($factor)? attr-dict `:` type($input)";
  let builders = [
    OpBuilder<(ins "::mlir::Value":$input, "float":$factor), [{
      build($_builder, $_state, input.getType(), input, ::mlir::Value(),
            $_builder.getF32FloatAttr(factor));
    }]>,
    OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$scalar), [{
      build($_builder, $_state, input.getType(), input, scalar, ::mlir::FloatAttr());
    }]>];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Plx_SoftcapOp : Plx_ComputeOp<"softcap", [AllTypesMatch<["input", "result"]>]> {
  let summary = "soft limit of magnitudes";
  let description = [{
    `y = cap tanh(x / cap)`.

    ```mlir
    %y = plx.softcap %x at 30.0 : tensor<?x128xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, F32Attr:$cap);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input `at` $cap attr-dict `:` type($input)";
  let hasVerifier = 1;
}

#endif // PLEXUS_DIALECTS_PLX_PLXELEMENTWISE_TD
