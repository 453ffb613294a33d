// RUN: plexus-opt %s --plx-decompose | FileCheck %s
// RUN: plexus-opt %s --plx-decompose=all | FileCheck %s --check-prefix=ALL

// What an emitter takes stays, unless everything is asked for.
plx.model @m {
  plx.weight @w : tensor<64x64xf32, #plx.packed<f32>> = #plx.source<"w">
  // The report keeps what is gone.
  // CHECK: plx.segment @s(
  // CHECK-SAME: op = "plx.activation", target = "generated", why = "decomposed: loops over rows
  // ALL: plx.segment @s(
  // ALL-SAME: op = "plx.fused_linear", target = "generated", why = "decomposed, as all ops were asked to be"
  plx.segment @s(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %w = plx.param @w : tensor<64x64xf32, #plx.packed<f32>>
    // CHECK: plx.fused_linear
    // ALL-NOT: plx.fused_linear
    %0 = plx.fused_linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32, #plx.packed<f32>>) -> tensor<?x64xf32> {
    ^bb0(%acc: f32):
      plx.yield %acc : f32
    }
    // CHECK-NOT: plx.activation relu
    // CHECK: linalg.generic
    %1 = plx.activation relu %0 : tensor<?x64xf32>
    plx.return %1 : tensor<?x64xf32>
  }
}
