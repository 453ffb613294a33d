// Ends of decoders: retrieval, CTC, and what their encoders need of a sequence and its sensors.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINDECODE_TD
#define PLEXUS_DIALECTS_BRAIN_BRAINDECODE_TD

include "dialects/brain/BrainBase.td"

def Brain_RetrieveOp : Brain_Op<"retrieve"> {
  let summary = "cosine of each row with the rows of a gallery, and the best of them";
  let description = [{
    `cosine[t, g] = x[t] . z[g] / (max(|x[t]|, 1e-8) max(|z[g]|, 1e-8))`, and `top[t, j]`, the j-th best
    g by cosine; of equal ones the smaller g comes first. With `count`, only the gallery's first `count`
    rows are there: the others are not read, their cosines are 0, and where `top_k` is more than there are,
    top ends in -1. NaN is never among the best.

    ```mlir
    %cosine, %top = brain.retrieve %x, %gallery count %n {top_k = 5} : (tensor<?x32xf32>, tensor<4096x32xf32>, tensor<1xi32>) -> (tensor<?x4096xf32>, tensor<?x5xi32>)
    ```
  }];
  let arguments = (ins Brain_Matrix:$input, Brain_Matrix:$gallery, Optional<Plx_Indices>:$count,
                       I64Attr:$top_k);
  let results = (outs Brain_Matrix:$cosine, AnyRankedTensor:$top);
  let assemblyFormat = [{
    $input `,` $gallery (`count` $count^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Brain_TemperatureOp : Brain_Op<"temperature"> {
  let summary = "scores by a learned temperature";
  let description = [{
    `y = x exp(s)` with s `[1]`: the logits of contrastive models (Radford et al., 2021).

    ```mlir
    %y = brain.temperature %x, %s : tensor<?x200xf32>, tensor<1xf32>
    ```
  }];
  let arguments = (ins Plx_Tensor:$input, Plx_Vector:$scale);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$input `,` $scale attr-dict `:` type($input) `,` type($scale)";
}

def Brain_CtcCollapseOp : Brain_Recurrence<"ctc_collapse"> {
  let summary = "greedy decoding of connectionist temporal classification";
  let description = [{
    The best label of each token (of equal ones the first), repetitions made one, then `blank` dropped
    (Graves et al., 2006). The rows of a sequence hold its ids one after another, then -1. With a state,
    which keeps the last label of a sequence plus 1, its pieces give the ids of the whole: each piece
    those that begin in it.

    ```mlir
    %ids = brain.ctc_collapse %logits, %batch {blank = 0} : (tensor<?x41xf32>, !plx.batch) -> tensor<?xi32>
    ```
  }];
  let arguments = (ins Brain_Channels:$logits, Plx_Batch:$batch, Optional<Plx_Carry>:$state, I64Attr:$blank);
  let results = (outs Plx_Indices:$result);
  let assemblyFormat = [{
    $logits `,` $batch (`state` $state^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Brain_ContextOp : Brain_Op<"context"> {
  let summary = "tokens around each token, side by side";
  let description = [{
    `y[t, j C + c] = x[t - before + j dilation, c]` for j = 0 .. taps - 1; 0 where that is not a token of
    the same sequence in the batch. A convolution along the sequence is this and a product with its
    weight as `[out, taps * C]`; whole sequences only.

    ```mlir
    %y = brain.context %x, %batch {taps = 3, dilation = 4, before = 4} : (tensor<?x20xf32>, !plx.batch) -> tensor<?x60xf32>
    ```
  }];
  let arguments = (ins Brain_Channels:$input, Plx_Batch:$batch, I64Attr:$taps,
                       DefaultValuedAttr<I64Attr, "1">:$dilation, DefaultValuedAttr<I64Attr, "0">:$before);
  let results = (outs Brain_Channels:$result);
  let assemblyFormat = "$input `,` $batch attr-dict `:` functional-type(operands, results)";
}

def Brain_SensorAttentionOp : Brain_Op<"sensor_attention"> {
  let summary = "virtual channels by attention over the positions of sensors";
  let description = [{
    `a[j, c] = sum_{k, l} cos[k, l, j] cos(2 pi (k u_c + l v_c)) + sin[k, l, j] sin(2 pi (k u_c + l v_c))`
    for sensors at `positions[c] = (u_c, v_c)` in [0, 1], harmonics k, l = 0 .. K - 1, and
    `y[t, j] = sum_c softmax_c(a[j, :])[c] x[t, c]` (Défossez et al., 2023). With `count`, only the first
    `count` sensors are there; the others are not read. Their number is at least 1.

    ```mlir
    %y = brain.sensor_attention %x, %p, %cos, %sin count %n : (tensor<?x512xf32>, tensor<512x2xf32>, tensor<32x32x270xf32>, tensor<32x32x270xf32>, tensor<1xi32>) -> tensor<?x270xf32>
    ```
  }];
  let arguments = (ins Brain_Channels:$input, Brain_Matrix:$positions, Brain_Matrices:$cos,
                       Brain_Matrices:$sin, Optional<Plx_Indices>:$count);
  let results = (outs Brain_Channels:$result);
  let assemblyFormat = [{
    $input `,` $positions `,` $cos `,` $sin (`count` $count^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

#endif // PLEXUS_DIALECTS_BRAIN_BRAINDECODE_TD
