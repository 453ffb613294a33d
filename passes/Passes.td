//===- Passes.td - the passes of Plexus, each with its IR before and after ---*- tablegen -*-===//
#ifndef PLEXUS_PASSES_PASSES_TD
#define PLEXUS_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

//===-----------------------------------------------------------------------------------------===//
// raise
//===-----------------------------------------------------------------------------------------===//

def SplitTaps : Pass<"plx-split-taps", "mlir::ModuleOp"> {
  let summary = "Give each segment with taps a plain and a tapped variant";
  let description = [{
    The tapped variant `<segment>__tapped` returns each tapped value after the segment's own results,
    in order of appearance; there the taps stay, as barriers. The plain one loses its taps. Schedules
    name the plain one; the executor picks the variant for each run.

    Before:
    ```mlir
    plx.segment @mlp(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %0 = plx.activation relu %x : tensor<?x64xf32>
      %1 = plx.tap %0 "mlp.act" : tensor<?x64xf32>
      plx.return %1 : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    plx.segment @mlp(...) -> tensor<?x64xf32> { ... plx.return %0 }
    plx.segment @mlp__tapped(...) -> (tensor<?x64xf32>, tensor<?x64xf32>) { ... plx.return %1, %1 }
    ```
  }];
}

def ChooseScanForms : Pass<"plx-choose-scan-forms", "mlir::ModuleOp"> {
  let summary = "Choose how linear recurrences are computed, by length and cost";
  let description = [{
    The operations of a token are counted for each form that an op has, and the cheapest one is taken from
    the length on where its start is paid for; shorter sequences of a batch, and draft trees, stay recurrent
    at run time. `--products generated` keeps what has a state recurrent.

    Before (64 modes a channel; 12 complex rows; 128 entries of state):
    ```mlir
    %0 = ssm.diagonal log zoh %u, %re, %im, %batch step %dt readout %cr, %ci : (...)
    %1 = ssm.diagonal polar dirac %v, %nu, %theta, %batch : (...)
    %2 = ssm.diagonal log zoh %u, %re, %im, %batch step %dt readout %cr, %ci state %s : (...)
    %3 = ssm.ssd %x, %d, %a, %b, %c, %batch state %h : (...)
    ```
    After:
    ```mlir
    %0 = ssm.diagonal log zoh %u, %re, %im, %batch step %dt readout %cr, %ci form convolution from 64 : (...)
    %1 = ssm.diagonal polar dirac %v, %nu, %theta, %batch form scan from 64 : (...)
    %2 = ssm.diagonal log zoh %u, %re, %im, %batch step %dt readout %cr, %ci state %s form recurrent : (...)
    %3 = ssm.ssd %x, %d, %a, %b, %c, %batch state %h form chunked from 16 : (...)
    ```
  }];
}

def SpectralConvolutions : Pass<"plx-spectral-convolutions", "mlir::ModuleOp"> {
  let summary = "Compute convolutions with many channels or long kernels by transforms";
  let description = [{
    Tiles of the input's lines are transformed once for each channel, multiplied with the weight's spectra,
    summed over the channels there, and transformed back once for each filter. For O filters over I lines
    of a window (channels times the kernel's other axes), K taps and n results, tiles of N points:

    | | vector operations (16 lanes) |
    | --- | --- |
    | direct | `O I K ceil(n / 16)` |
    | by spectra | `4 O I T N / 32` with `T = ceil(n / (N - K + 1))` tiles, and about `N (log2 N + 3) / 8` for each transform: T for each line, T for each filter |
    | reading | spectra have N / K times the weight's bytes, which come from the last level cache at about 24 bytes a cycle |

    The cheapest of the direct form and of N = 32, 64, 128 is taken, the direct one unless a quarter is
    saved, and where a model's spectra would have more than 16 MB, which do not stay in that cache. ShallowFBCSPNet's merged convolution (40 filters, 22 lines, 25 taps, 976 results) has 1.34 million
    operations directly and 0.24 million with N = 128; Deep4Net's last (200 filters, 100 lines, 10 taps, 23
    results) 0.4 million and 0.09 million, but there 2.6 MB are read. Against f64 the error is that of the
    direct form in f32 (a few units in the last place of the largest result of a tile), which minimal
    filtering (Winograd, Cook and Toom) with as few products has not: tiles for 10 and 25 taps need more than
    8 points.

    Before:
    ```mlir
    plx.weight @w : tensor<40x22x25xf32> = #plx.source<"w" : tensor<40x22x25xf32>>
    %0 = plx.conv %x, %w : (tensor<?x22x1000xf32>, tensor<40x22x25xf32>) -> tensor<?x40x976xf32>
    ```
    After:
    ```mlir
    plx.weight @w_0 : tensor<112640xf32> = #plx.reshape<[112640], #plx.transpose<[0, 3, 1, 2, 4], #plx.reshape<[40, 22, 2, 4, 16], #plx.spectrum<128, #plx.reshape<[40, 22, 25], #plx.source<"w" : tensor<40x22x25xf32>>>>>>>
    %0 = plx.conv %x, %w_0 {blocked = array<i64: 40, 22, 25>, points = 128} : (tensor<?x22x1000xf32>, tensor<112640xf32>) -> tensor<?x40x976xf32>
    ```
  }];
}

def BlockConvolutions : Pass<"plx-block-convolutions", "mlir::ModuleOp"> {
  let summary = "Store weights of convolutions in the order in which they are read";
  let description = [{
    Before:
    ```mlir
    plx.weight @w : tensor<16x4x5xf32> = #plx.source<"w" : tensor<16x4x5xf32>>
    %0 = plx.conv %x, %w : (tensor<?x4x100xf32>, tensor<16x4x5xf32>) -> tensor<?x16x96xf32>
    ```
    After (two blocks of 8 filters, filters innermost):
    ```mlir
    plx.weight @w : tensor<320xf32> = #plx.reshape<[320], #plx.transpose<[0, 2, 1], #plx.reshape<[2, 8, 20], #plx.source<"w" : tensor<16x4x5xf32>>>>>
    %0 = plx.conv %x, %w {blocked = array<i64: 16, 4, 5>} : (tensor<?x4x100xf32>, tensor<320xf32>) -> tensor<?x16x96xf32>
    ```
  }];
}

def AssignEncodings : Pass<"plx-assign-encodings", "mlir::ModuleOp"> {
  let summary = "Choose how each weight is stored";
  let description = [{
    A matrix that a product reads is stored packed (`#plx.packed`) in the form that the `weights` option
    asks for, as `PackedForm` spells it; `source` keeps bf16, f16 and the blocks of quantized files
    (where the recipe only moves rows) and makes everything else f32. `keep` has exceptions,
    `pattern=form` with commas between: the first pattern that matches the name of the weight or of one
    of its source tensors decides. An embedding whose table is
    also a product's weight reads the packed form; other tables stay dense in their stored type.
    Vectors are stored as f32. Recipes do not change.

    Where no exception says otherwise, forms of fewer than 8 bits leave the products that give the
    "logits", and tables tied to them, at `q8`; and blocks of a quantized file that have no more bits
    than asked for are kept, since rounding them to another grid could only lose.

    Before:
    ```mlir
    plx.weight @o : tensor<64x64xbf16> = #plx.source<"o">
    plx.weight @g : tensor<64xbf16> = #plx.source<"g">
    ```
    After:
    ```mlir
    plx.weight @o : tensor<64x64xbf16, #plx.packed<bf16>> = #plx.source<"o">
    plx.weight @g : tensor<64xf32> = #plx.source<"g">
    ```
    After, with `weights=q4`:
    ```mlir
    plx.weight @o : tensor<64x64xf32, #plx.packed<q4, group = 32>> = #plx.source<"o">
    ```
  }];
  let options = [Option<"weights", "weights", "std::string", "\"source\"",
                        "Form of packed weights: source, f32, bf16, f16, q8, q4:64, ...">,
                 Option<"keep", "keep", "std::string", "\"\"",
                        "Exceptions: pattern=form,pattern@layers=form">,
                 Option<"chosen", "chosen", "std::string", "\"\"",
                        "Forms that a search has found, spelled likewise; exceptions go before them">];
}

//===-----------------------------------------------------------------------------------------===//
// quantize
//===-----------------------------------------------------------------------------------------===//

def SplitLayers : Pass<"plx-split-layers", "mlir::ModuleOp"> {
  let summary = "A weight and a segment for each mixture of forms";
  let description = [{
    Layers share a segment, whose code knows the form of each weight. Where rules (`keep` and `chosen` of
    plx-assign-encodings, which follows) give the layers of one weight different forms, the weight is
    declared once for each of them, and segments (their tapped variants too) are cloned as often as their
    layers have different weights. The largest group keeps the names. Each weight notes its layers in
    `plexus.layers`, until encodings are assigned. Without a rule that names layers nothing changes.

    Before, with `keep=w@0=q8`:
    ```mlir
    plx.weight @w : tensor<64x64xf32> = #plx.source<"{layer}.w">
    %1 = plx.run @s layer 0 (%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %2 = plx.run @s layer 1 (%1) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %3 = plx.run @s layer 2 (%2) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
    After, where @s_1 is @s with @"w@0":
    ```mlir
    plx.weight @w : tensor<64x64xf32> = #plx.source<"{layer}.w"> {plexus.layers = array<i64: 1, 2>}
    plx.weight @"w@0" : tensor<64x64xf32> = #plx.source<"{layer}.w"> {plexus.layers = array<i64: 0>}
    %1 = plx.run @s_1 layer 0 (%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %2 = plx.run @s layer 1 (%1) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %3 = plx.run @s layer 2 (%2) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let options = [Option<"keep", "keep", "std::string", "\"\"", "Rules of plx-assign-encodings">,
                 Option<"chosen", "chosen", "std::string", "\"\"", "Rules behind those">];
}

def ProbeProducts : Pass<"plx-probe-products", "mlir::ModuleOp"> {
  let summary = "Taps on what products read, for calibration";
  let description = [{
    What each product or convolution of a weight reads goes through a tap named after the weight, `input.` before it.
    Runs behind the merging of projections, so that weights have their final names, and only in the
    model that calibration runs.

    Before:
    ```mlir
    %y = plx.linear %h, %w : ...
    ```
    After:
    ```mlir
    %t = plx.tap %h "input.up" : tensor<?x64xf32>
    %y = plx.linear %t, %w : ...
    ```
  }];
}

def QuantizeActivations : Pass<"plx-quantize-activations", "mlir::ModuleOp"> {
  let summary = "Fixed 8-bit ranges for what products and convolutions read";
  let description = [{
    Where calibration has measured what a weight is multiplied with (`measured`, by name), products with
    an integer weight of at most 8 bits read it rounded to one scale (`plx.fake_quantize`), and
    convolutions whose weight `weights` and `keep` want in 8-bit integers become `plx.quantized_conv`,
    with one scale for each filter. Ranges are weights: one for each layer where the weight is that,
    `plexus.range.` before its name; those of products are symmetric.

    Before:
    ```mlir
    plx.weight @up : tensor<96x64xf32, #plx.packed<q8, group = channel>> = #plx.source<"{layer}.up">
    %y = plx.fused_linear %x, %w : ...
    ```
    After, with `measured=up`:
    ```mlir
    plx.weight @range.up : tensor<2xf32> = #plx.source<"plexus.range.symmetric.up.{layer}">
    %r = plx.param @range.up : tensor<2xf32>
    %q = plx.fake_quantize %x by %r : tensor<?x64xf32>, tensor<2xf32>
    %y = plx.fused_linear %q, %w : ...
    ```
  }];
  let options = [ListOption<"measured", "measured", "std::string",
                            "Names of the weights whose inputs have a range">,
                 Option<"weights", "weights", "std::string", "\"source\"",
                        "Form of weights, as plx-assign-encodings has it">,
                 Option<"keep", "keep", "std::string", "\"\"", "Exceptions, likewise">];
}

def EncodeStates : Pass<"plx-encode-states", "mlir::ModuleOp"> {
  let summary = "Choose how keys and values are kept";
  let description = [{
    Gives every state of keys and values the form of the `kv` option: `f32`, `bf16`, `int8` or `int4`
    (runtime/state/KvForm.h). `auto` is `bf16` where some packed weight has fewer than 32 bits, and
    `f32` elsewhere: whoever asks for f32 activations too says `f32`. With `int4`, a state whose keys are
    all turned by one rope keeps them before it.

    Before:
    ```mlir
    plx.state @kv kind = kv : !attn.kv<2 x 64 x 64>
    ```
    After, with `kv=int8`:
    ```mlir
    plx.state @kv kind = kv : !attn.kv<2 x 64 x 64, int8>
    ```
  }];
  let options = [Option<"kv", "kv", "std::string", "\"auto\"", "auto, f32, bf16, int8, int4">];
}

//===-----------------------------------------------------------------------------------------===//
// fuse
//===-----------------------------------------------------------------------------------------===//

def MergeProjections : Pass<"plx-merge-projections", "mlir::ModuleOp"> {
  let summary = "One product in place of several with the same input";
  let description = [{
    Products of one value with weights of their own (query, key and value) become one with a weight
    whose recipe concatenates theirs, and slices of its result. A gated unit over two products becomes
    one gated product whose weight interleaves gate and up in blocks of 32 rows, with the activation in
    its epilogue. Weights that other ops use too are left alone: nothing is stored twice.

    Before:
    ```mlir
    %q = plx.linear %h, %wq : (tensor<?x64xf32>, tensor<64x64xbf16>) -> tensor<?x64xf32>
    %k = plx.linear %h, %wk : (tensor<?x64xf32>, tensor<32x64xbf16>) -> tensor<?x32xf32>
    ```
    After:
    ```mlir
    plx.weight @q_k : tensor<96x64xbf16> = #plx.concat<0, [#plx.source<"q">, #plx.source<"k">]>
    %qk = plx.linear %h, %w : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32>
    %q = plx.slice %qk from 0 size 64 : tensor<?x96xf32> -> tensor<?x64xf32>
    %k = plx.slice %qk from 64 size 32 : tensor<?x96xf32> -> tensor<?x32xf32>
    ```
  }];
}

def MergeLinearMaps : Pass<"plx-merge-linear-maps", "mlir::ModuleOp"> {
  let summary = "Merge or reorder convolutions, batch norm and mean pooling that are one linear map";
  let description = [{
    As one orders a chain of matrix products: neighbours without a nonlinearity between them are written
    in the order that takes the fewest multiplications. Weights are recipes, so that only they are
    rewritten. A convolution takes in the `plx.channel_affine` behind it, always. A mean over windows
    behind it, where one longer window with the pool's stride costs less. Two convolutions whose windows
    lie on different axes (a temporal and a spatial filter) become one dense convolution, or change places
    where each filter of the second one reads one channel of the first. A convolution over all of what is
    left of a map becomes a product, and a `plx.channel_affine` of rows becomes part of the `plx.linear` before
    or behind it.

    Before (8 filters along 1000 samples of 22 channels, then 2 spatial filters for each):
    ```mlir
    %a = plx.conv %x, %t {pads_begin = array<i64: 0, 32>, pads_end = array<i64: 0, 31>} : (tensor<?x1x22x1000xf32>, tensor<8x1x1x64xf32>) -> tensor<?x8x22x1000xf32>
    %b = plx.conv %a, %s {groups = 8 : i64} : (tensor<?x8x22x1000xf32>, tensor<16x1x22x1xf32>) -> tensor<?x16x1x1000xf32>
    ```
    After (1.4 instead of 11.6 million multiplications):
    ```mlir
    %a = plx.conv %x, %s : (tensor<?x1x22x1000xf32>, tensor<16x1x22x1xf32>) -> tensor<?x16x1x1000xf32>
    %b = plx.conv %a, %t2 {groups = 16 : i64, pads_begin = ...} : (tensor<?x16x1x1000xf32>, tensor<16x1x1x64xf32>) -> tensor<?x16x1x1000xf32>
    ```
  }];
}

def FoldChannelMixes : Pass<"plx-fold-channel-mixes", "mlir::ModuleOp"> {
  let summary = "Fold references and spatial filters into the product or convolution that reads them";
  let description = [{
    A linear map over channels (a re-reference, a spatial filter, pairs of electrodes) whose result only
    one product reads, or one convolution whose window covers all channels, becomes part of its weight
    where that takes fewer multiplications, and not so many while packing that a model would take long to
    compile. Runs behind plx-merge-linear-maps, which brings spatial filters to where they read all
    channels.

    Before (average reference of 22 channels, then 16 spatial filters):
    ```mlir
    %r = plx.conv %x, %m : (tensor<?x22x1x1000xf32>, tensor<22x22x1x1xf32>) -> tensor<?x22x1x1000xf32>
    %l = plx.reshape %r : tensor<?x22x1x1000xf32> -> tensor<?x1x22x1000xf32>
    %y = plx.conv %l, %s : (tensor<?x1x22x1000xf32>, tensor<16x1x22x1xf32>) -> tensor<?x16x1x1000xf32>
    ```
    After:
    ```mlir
    %l = plx.reshape %x : tensor<?x22x1x1000xf32> -> tensor<?x1x22x1000xf32>
    %y = plx.conv %l, %sm : (tensor<?x1x22x1000xf32>, tensor<16x1x22x1xf32>) -> tensor<?x16x1x1000xf32>
    ```
  }];
}

def MergeBanks : Pass<"plx-merge-banks", "mlir::ModuleOp"> {
  let summary = "Merge layers of subjects, sessions or days into one switched product";
  let description = [{
    Products of one input of which `brain.choose` keeps one for each row become a bank, of which only the
    row's own layer is multiplied; so do matrices that `plx.embedding` gathers for each row (`plx.matmul` of
    `[T, 1, K]` with `[T, K, N]`), which are then not copied. A `plx.linear` before or behind a bank becomes part of its matrices
    where that takes no more multiplications and no more memory. Weights are recipes, so that only they
    are rewritten.

    Before:
    ```mlir
    %a = plx.linear %x, %w0 : (tensor<?x16xf32>, tensor<20x16xf32>) -> tensor<?x20xf32>
    %b = plx.linear %x, %w1 : (tensor<?x16xf32>, tensor<20x16xf32>) -> tensor<?x20xf32>
    %y = brain.choose %s of %a, %b : tensor<?xi32>, tensor<?x20xf32>, tensor<?x20xf32>
    ```
    After (each part padded to a multiple of 64 rows, which are not read):
    ```mlir
    %y = brain.switched_linear %x, %s, %w {parts = 2, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<128x16xf32>) -> tensor<?x20xf32>
    ```
  }];
}

def ReorderInputs : Pass<"plx-reorder-inputs", "mlir::ModuleOp"> {
  let summary = "Multiply by weights in the order in which their columns are stored";
  let description = [{
    Checkpoints that were quantized in the order of activations (GPTQ's desc_act) have groups of columns
    that are not neighbours. Their products read the input's columns in that order instead, so that the
    weight is kept as it is stored. Orders that several weights share are one weight.

    Before:
    ```mlir
    plx.weight @w : tensor<32x64xf16> = #plx.unsort<[#plx.source<"w.order" : tensor<64xf32>>, #plx.source<"w.stored" : tensor<32x64xi8, #plx.packed<q4:32>>>]>
    ...
    %y = plx.linear %x, %w : (tensor<?x64xf32>, tensor<32x64xf16>) -> tensor<?x32xf32>
    ```
    After:
    ```mlir
    %0 = plx.reorder %x by %order : tensor<?x64xf32>, tensor<64xf32>
    %y = plx.linear %0, %stored : (tensor<?x64xf32>, tensor<32x64xf16>) -> tensor<?x32xf32>
    ```
  }];
}

def FuseMapActivation : Pass<"plx-fuse-map-activation", "mlir::ModuleOp"> {
  let summary = "Compute activations on a convolution's sums";
  let description = [{
    Before:
    ```mlir
    %0 = plx.conv %x, %w : (tensor<?x4x100xf32>, tensor<8x4x5xf32>) -> tensor<?x8x96xf32>
    %1 = plx.activation elu %0 : tensor<?x8x96xf32>
    ```
    After:
    ```mlir
    %1 = plx.conv %x, %w {activation = #plx<activation_kind elu>} : ...
    ```
    A map times itself is the activation `square`.
  }];
}

def FuseEpilogue : Pass<"plx-fuse-epilogue", "mlir::ModuleOp"> {
  let summary = "Compute what follows a product while its sums are in registers";
  let description = [{
    Every `plx.linear` becomes a `plx.fused_linear`; bias, activations, scales, soft caps, gated units,
    sums and products with rows or vectors that are the only users of a product join its epilogue.

    Before:
    ```mlir
    %0 = plx.linear %h, %w : (tensor<?x64xf32>, tensor<64x64xbf16>) -> tensor<?x64xf32>
    %1 = plx.add %x, %0 : tensor<?x64xf32>, tensor<?x64xf32>
    ```
    After:
    ```mlir
    %1 = plx.fused_linear %h, %w, %x : (...) -> tensor<?x64xf32> {
    ^bb0(%acc: f32, %e0: f32):
      %2 = arith.addf %e0, %acc : f32
      plx.yield %2 : f32
    }
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::math::MathDialect"];
}

def FuseRope : Pass<"plx-fuse-rope", "mlir::ModuleOp"> {
  let summary = "Turn queries and keys where they are read anyway";
  let description = [{
    An `attn.rope` whose only user is a KV write (as its key) or an attention (as its query; over
    operands, both query and key by the same rope) becomes that op's `rope` attribute: heads turn in
    registers on their way into a page or a tile, and need no pass over memory of their own.

    Before:
    ```mlir
    %qr = attn.rope %q, %batch {rope = #rope} : tensor<?x6x16xf32>
    %kr = attn.rope %k, %batch {rope = #rope} : tensor<?x2x16xf32>
    attn.kv_write %kr, %v, %kv, %batch : ...
    %a = attn.attention %qr, %kv, %batch {scale = 0.25 : f32, causal} : ...
    ```
    After:
    ```mlir
    attn.kv_write %k, %v, %kv, %batch {rope = #rope} : ...
    %a = attn.attention %q, %kv, %batch {rope = #rope, scale = 0.25 : f32, causal} : ...
    ```
  }];
}

//===-----------------------------------------------------------------------------------------===//
// lower/cpu
//===-----------------------------------------------------------------------------------------===//

def NumberParameters : Pass<"plx-number-parameters", "mlir::ModuleOp"> {
  let summary = "Note each weight's and state's place in its segment's tables";
  let description = [{
    A segment's weight table lists its `plx.param`s by first appearance, its state table the
    `plx.get_state`s. The numbers are noted on the ops, so that later passes may move or erase them; what
    the leading dimension of each result counts is noted on the `plx.return`.

    Before:
    ```mlir
    %w = plx.param @q : tensor<64x64xf32>
    ```
    After:
    ```mlir
    %w = plx.param @q {plexus.index = 0 : i64} : tensor<64x64xf32>
    ```
  }];
}

def Decompose : Pass<"plx-decompose", "mlir::ModuleOp"> {
  let summary = "Replace ops that have no CPU form of their own by their meaning";
  let description = [{
    Ops of plx and attn that no emitter takes become linalg, tensor, arith and math ops, through
    `DecomposeOpInterface`, until none is left. With `all`, emitters are passed over too: what the fast
    forms are tested against.

    Before:
    ```mlir
    %y = plx.activation relu %x : tensor<?x64xf32>
    ```
    After:
    ```mlir
    %y = linalg.generic ... ins(%x) { arith.maximumf %in, %c0 }
    ```
  }];
  let options = [Option<"all", "all", "bool", "false", "Decompose ops that have an emitter too">];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::linalg::LinalgDialect",
                           "mlir::math::MathDialect", "mlir::tensor::TensorDialect"];
}

def LowerSegments : Pass<"plx-lower-segments", "mlir::ModuleOp"> {
  let summary = "Turn segments into functions over buffers, specialised for an ISA";
  let description = [{
    Each `plx.segment` becomes a `func.func` whose arguments are the parts of a call that it uses.
    Every tensor gets one buffer; reshapes and slices are views. Products, attention and embeddings go
    to the emitters of `emit/`; linalg ops stay, on buffers. `plexus.report` notes the decisions. What
    else is in a `plx.model` (weights, states, schedules) is data of the program and is dropped here.

    Before:
    ```mlir
    plx.segment @relu(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = linalg.generic ... ins(%x) outs(%empty)
      plx.return %y : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    func.func private @relu(%x: memref<?x64xf32> {plexus.abi = "input", ...},
                            %y: memref<?x64xf32> {plexus.abi = "output", ...}, ...) -> i32 {
      linalg.generic ... ins(%x) outs(%y)
    ```
  }];
  let options = [
    Option<"isa", "isa", "std::string", "\"x86-64-v3\"", "Instruction set level (emit/Isa.h)">,
    Option<"products", "products", "std::string", "\"auto\"",
           "Products of many rows: auto, generated, onednn">,
    Option<"compute", "compute", "std::string", "\"auto\"",
           "How activations enter products: auto, f32, bf16">];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::func::FuncDialect",
                           "mlir::linalg::LinalgDialect", "mlir::LLVM::LLVMDialect",
                           "mlir::math::MathDialect", "mlir::memref::MemRefDialect",
                           "mlir::scf::SCFDialect", "mlir::vector::VectorDialect",
                           "mlir::affine::AffineDialect"];
}

def ExpandMath : Pass<"plx-expand-math", "mlir::func::FuncOp"> {
  let summary = "Replace transcendental functions by polynomial code without calls";
  let description = [{
    `math.exp`, `tanh`, `erf` and their kin on f32, scalars and vectors alike, become arithmetic that
    LLVM vectorizes for every ISA.

    Before:
    ```mlir
    %y = math.exp %x : f32
    ```
    After: range reduction and a polynomial in `math.fma`.
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::math::MathDialect",
                           "mlir::vector::VectorDialect"];
}

def RowLoops : Pass<"plx-row-loops", "mlir::func::FuncOp"> {
  let summary = "Turn runs of linalg ops on buffers into one parallel loop over rows";
  let description = [{
    Consecutive linalg ops that are parallel over the same leading dimension, and touch only their own
    row of what the others write, share one `scf.parallel` over the rows. A buffer that lives within
    the run shrinks to one row. Innermost loops of static size run in vectors of `lanes` elements, of
    any width (the rest of a row is one shorter vector); reductions keep several vectors in flight and
    fold them in a fixed order, so that a row's arithmetic is fixed by its length alone. What gathers,
    or is wider than it is known, stays a scalar loop.

    Before:
    ```mlir
    linalg.generic {[T, D] -> [T]} ins(%x) outs(%sum)       // sum of squares
    linalg.generic {[T, D]} ins(%x, %sum, %w) outs(%y)       // x * rsqrt(sum / D + eps) * w
    ```
    After:
    ```mlir
    scf.parallel (%t) = (%c0) to (%T) step (%c1) {
      %sums:4 = scf.for %d ... iter_args { ... arith.addf fastmath<contract> : vector<8xf32> }
      ... // sum of the lanes, then what is the same for all of the row: rsqrt(sum / D + eps)
      scf.for %d ... step %c8 { ... vector.store %y[%t, %d] }
    } {plexus.work = 256}
    ```
  }];
  let options = [Option<"lanes", "lanes", "int64_t", "8", "Elements of a vector, a power of two">];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::memref::MemRefDialect",
                           "mlir::scf::SCFDialect", "mlir::vector::VectorDialect"];
}

def LabelOps : Pass<"plx-label-ops", "mlir::ModuleOp"> {
  let summary = "Note in each op's location what it is and moves, for profiling code";
  let description = [{
    Runs only for code that is profiled (`plexus bench --profile`), after plx-number-parameters. The
    location carries the op's name, its places in the segment's weight and state tables, the
    tensors it reads and writes with their bytes a row, and its multiplications a row. What the op
    is lowered to inherits it.

    Before:
    ```mlir
    %1 = plx.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32> loc("in")
    ```
    After:
    ```mlir
    %1 = plx.rms_norm ... loc(fused<{plexus.op = "plx.rms_norm", weights = array<i64: 0>,
           reads = array<i64: 0, 0, 256>, writes = array<i64: 1, 0, 256>}>["in"])
    ```
  }];
}

def MarkOps : Pass<"plx-mark-ops", "mlir::ModuleOp"> {
  let summary = "Tell the host which op begins, in profiling code";
  let description = [{
    Ahead of each loop or call at the top of a segment, or of one of its branches, whose label
    (plx-label-ops) differs from that of the one before, `plx_host::mark` is called with the label
    as text. Loops that fusion made of several ops have one mark; a tensor that stays within them is
    not counted as moved.

    Before:
    ```mlir
    scf.parallel (%t) = (%c0) to (%T) step (%c1) { ... } loc(fused<{plexus.op = "plx.rms_norm", ...}>)
    ```
    After:
    ```mlir
    llvm.mlir.global internal constant @attn_mark_0("plx.rms_norm w0 bT512\00")
    llvm.call %mark(%self, %text) : !llvm.ptr, (!llvm.ptr, !llvm.ptr) -> ()
    scf.parallel ...
    ```
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect"];
}

def PlanScratch : Pass<"plx-plan-scratch", "mlir::ModuleOp"> {
  let summary = "Place a segment's buffers in its call's scratch by lifetime";
  let description = [{
    Every `memref.alloc` outside parallel bodies becomes a view of the segment's scratch argument.
    Buffers whose lifetimes do not overlap share a slot; a slot is as large as its largest buffer,
    and slots lie one after another at multiples of 64 bytes. Sizes are arithmetic of the size
    symbols (T, S, R, context), so offsets are computed once, at the function's entry.
    A function `<segment>_scratch(T, S, R, context) -> i64` states the bytes needed.
    Small buffers of static shape inside parallel bodies become stack allocations.

    Before:
    ```mlir
    func.func private @ffn(%T: index {plexus.abi = "tokens"}, %s: memref<?xi8> {plexus.abi = "scratch"}) {
      %a = memref.alloc(%T) : memref<?x64xf32>
      "use"(%a)
      %b = memref.alloc(%T) : memref<?x32xf32>
      "use"(%b)
    ```
    After (both share slot 0):
    ```mlir
      %a = memref.view %s[%c0][%T] : memref<?xi8> to memref<?x64xf32>
      "use"(%a)
      %b = memref.view %s[%c0][%T] : memref<?xi8> to memref<?x32xf32>
      "use"(%b)
    func.func @plx_ffn_scratch(%T: i64, %S: i64, %R: i64, %context: i64) -> i64
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::memref::MemRefDialect"];
}

def OutlineParallel : Pass<"plx-outline-parallel", "mlir::ModuleOp"> {
  let summary = "Outline top-level scf.parallel loops into bodies run by the host's parallel_for";
  let description = [{
    The values that a body uses are stored into a struct on the caller's stack; the body is a
    function over a range of the linearised iteration space. The grain is the number of iterations
    that make a piece worth handing to a thread: a loop's `plexus.work` attribute says how many
    elementary operations one iteration makes. A loop whose whole work is small and static stays
    in the function. Parallel loops inside a body run in order there.

    Before:
    ```mlir
    func.func private @ffn(%x: memref<?x64xf32>, %host: !llvm.ptr {plexus.abi = "host"}) {
      scf.parallel (%i) = (%c0) to (%T) step (%c1) { memref.store %v, %x[%i, %c0] ... }
    ```
    After:
    ```mlir
    func.func private @ffn(...) {
      %ctx = llvm.alloca %c1 x !llvm.struct<(...)>
      llvm.store ..., %ctx
      llvm.call %parallel_for(%self, %body, %ctx, %n, %grain)
    func.func private @ffn_parallel_0(%ctx: !llvm.ptr, %begin: i64, %end: i64) {
      scf.for %i = %begin to %end step %c1 { memref.store ... }
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
                           "mlir::scf::SCFDialect", "mlir::memref::MemRefDialect"];
}

def SegmentAbi : Pass<"plx-segment-abi", "mlir::ModuleOp"> {
  let summary = "Wrap each segment function in an entry point that takes a plx_call";
  let description = [{
    A segment function's arguments say with `plexus.abi` (and `plexus.index`) which part of the call they
    are. The entry point `plx_<segment>` reads the parts from the `plx_call` of `runtime/abi/Call.h`
    and calls the function, which is private and is inlined.

    Before:
    ```mlir
    func.func private @ffn(%x: memref<?x64xf32> {plexus.abi = "input", plexus.index = 0, plexus.rows = "T"},
                           ...) -> i32
    ```
    After:
    ```mlir
    func.func @plx_ffn(%call: !llvm.ptr) -> i32 {
      %inputs = llvm.load ...
      %0 = call @ffn(%x, ...)
      return %0 : i32
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect"];
}

#endif // PLEXUS_PASSES_PASSES_TD
