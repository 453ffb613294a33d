// RUN: plexus-opt %s --plx-model --plx-number-parameters --plx-decompose --plx-lower-segments | FileCheck %s

// Every op of a segment has a row, those that became part of another one too.
// CHECK-LABEL: func.func private @ffn(
// CHECK-SAME: location = "norm", op = "plx.rms_norm", target = "generated", why = "decomposed
// CHECK-SAME: location = "gate", op = "plx.fused_linear", target = "generated"
// CHECK-SAME: location = "up", op = "plx.linear", target = "in plx.fused_linear", why = "one product with the gate's"
// CHECK-SAME: location = "act", op = "plx.glu", target = "in plx.fused_linear", why = "computed while the products' sums are in registers"
// CHECK-SAME: location = "down", op = "plx.fused_linear"
// CHECK-SAME: location = "residual", op = "plx.add", target = "in plx.fused_linear", why = "computed while the product's sums are in registers"
plx.model @m {
  plx.weight @g : tensor<64xf32> = #plx.source<"g">
  plx.weight @gate : tensor<64x64xf32> = #plx.source<"gate">
  plx.weight @up : tensor<64x64xf32> = #plx.source<"up">
  plx.weight @down : tensor<64x64xf32> = #plx.source<"down">
  plx.segment @ffn(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %g = plx.param @g : tensor<64xf32>
    %wg = plx.param @gate : tensor<64x64xf32>
    %wu = plx.param @up : tensor<64x64xf32>
    %wd = plx.param @down : tensor<64x64xf32>
    %n = plx.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32> loc("norm")
    %a = plx.linear %n, %wg : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32> loc("gate")
    %b = plx.linear %n, %wu : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32> loc("up")
    %m = plx.glu silu %a, %b : tensor<?x64xf32> loc("act")
    %d = plx.linear %m, %wd : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32> loc("down")
    %y = plx.add %x, %d : tensor<?x64xf32>, tensor<?x64xf32> loc("residual")
    plx.return %y : tensor<?x64xf32>
  }
}
