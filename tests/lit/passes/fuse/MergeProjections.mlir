// RUN: plexus-opt %s --plx-merge-projections | FileCheck %s

// Query, key and value become one product; a gated unit one gated product.
plx.model @merged {
  // CHECK: plx.weight @q_k : tensor<96x64xbf16> = #plx.concat<0, [#plx.source<"q" : tensor<64x64xbf16>>, #plx.source<"k" : tensor<32x64xbf16>>]>
  plx.weight @q : tensor<64x64xbf16> = #plx.source<"q">
  plx.weight @k : tensor<32x64xbf16> = #plx.source<"k">
  // CHECK: plx.weight @gate_up : tensor<64x64xbf16> = #plx.interleave<0, 32, [#plx.source<"gate" : tensor<32x64xbf16>>, #plx.source<"up" : tensor<32x64xbf16>>]>
  plx.weight @gate : tensor<32x64xbf16> = #plx.source<"gate">
  plx.weight @up : tensor<32x64xbf16> = #plx.source<"up">
  // CHECK-LABEL: plx.segment @projections
  plx.segment @projections(%h: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x64xf32>, tensor<?x32xf32>) {
    %wq = plx.param @q : tensor<64x64xbf16>
    %wk = plx.param @k : tensor<32x64xbf16>
    // CHECK: %[[W:.*]] = plx.param @q_k
    // CHECK: %[[QK:.*]] = plx.linear %{{.*}}, %[[W]] : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32>
    // CHECK: plx.slice %[[QK]] from 0 size 64
    // CHECK: plx.slice %[[QK]] from 64 size 32
    %q = plx.linear %h, %wq : (tensor<?x64xf32>, tensor<64x64xbf16>) -> tensor<?x64xf32>
    %k = plx.linear %h, %wk : (tensor<?x64xf32>, tensor<32x64xbf16>) -> tensor<?x32xf32>
    plx.return %q, %k : tensor<?x64xf32>, tensor<?x32xf32>
  }
  // CHECK-LABEL: plx.segment @unit
  plx.segment @unit(%h: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x32xf32> {
    %wg = plx.param @gate : tensor<32x64xbf16>
    %wu = plx.param @up : tensor<32x64xbf16>
    %g = plx.linear %h, %wg : (tensor<?x64xf32>, tensor<32x64xbf16>) -> tensor<?x32xf32>
    %u = plx.linear %h, %wu : (tensor<?x64xf32>, tensor<32x64xbf16>) -> tensor<?x32xf32>
    // CHECK: plx.fused_linear gated %{{.*}}, %{{.*}} : (tensor<?x64xf32>, tensor<64x64xbf16>) -> tensor<?x32xf32>
    // CHECK-NEXT: ^bb0(%[[GATE:.*]]: f32, %[[UP:.*]]: f32):
    // CHECK: %[[Y:.*]] = arith.mulf %{{.*}}, %[[UP]]
    // CHECK: plx.yield %[[Y]]
    %y = plx.glu silu %g, %u : tensor<?x32xf32>
    plx.return %y : tensor<?x32xf32>
  }
}

// A weight that another segment reads too stays whole: nothing is stored twice.
// CHECK-LABEL: plx.model @shared
plx.model @shared {
  plx.weight @a : tensor<32x64xf32> = #plx.source<"a">
  plx.weight @b : tensor<32x64xf32> = #plx.source<"b">
  // CHECK-NOT: plx.weight @a_b
  plx.segment @first(%h: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
    %wa = plx.param @a : tensor<32x64xf32>
    %wb = plx.param @b : tensor<32x64xf32>
    %0 = plx.linear %h, %wa : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    %1 = plx.linear %h, %wb : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    plx.return %0, %1 : tensor<?x32xf32>, tensor<?x32xf32>
  }
  plx.segment @second(%h: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x32xf32> {
    %wa = plx.param @a : tensor<32x64xf32>
    %0 = plx.linear %h, %wa : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    plx.return %0 : tensor<?x32xf32>
  }
}

// Sources that are quantized alike merge, others do not: one weight could not keep both.
// CHECK-LABEL: plx.model @blocks
plx.model @blocks {
  // CHECK: plx.weight @{{.*}} : tensor<96x64xf16> = #plx.concat<0, [#plx.source<"q" : tensor<64x64xf32, #plx.packed<q4, group = 32>>>, #plx.source<"k" : tensor<32x64xf32, #plx.packed<q4, group = 32>>>]>
  // CHECK: plx.weight @v : tensor<32x64xf16>
  plx.weight @q : tensor<64x64xf16> = #plx.source<"q" : tensor<64x64xf32, #plx.packed<q4>>>
  plx.weight @k : tensor<32x64xf16> = #plx.source<"k" : tensor<32x64xf32, #plx.packed<q4>>>
  plx.weight @v : tensor<32x64xf16> = #plx.source<"v" : tensor<32x64xf32, #plx.packed<q8>>>
  plx.segment @like(%x: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x64xf32>, tensor<?x32xf32>) {
    %q = plx.param @q : tensor<64x64xf16>
    %k = plx.param @k : tensor<32x64xf16>
    %0 = plx.linear %x, %q : (tensor<?x64xf32>, tensor<64x64xf16>) -> tensor<?x64xf32>
    %1 = plx.linear %x, %k : (tensor<?x64xf32>, tensor<32x64xf16>) -> tensor<?x32xf32>
    plx.return %0, %1 : tensor<?x64xf32>, tensor<?x32xf32>
  }
  plx.weight @o : tensor<32x64xf16> = #plx.source<"o" : tensor<32x64xf32, #plx.packed<q4>>>
  plx.segment @unlike(%x: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
    %v = plx.param @v : tensor<32x64xf16>
    %o = plx.param @o : tensor<32x64xf16>
    // CHECK: plx.param @v
    // CHECK: plx.param @o
    %0 = plx.linear %x, %v : (tensor<?x64xf32>, tensor<32x64xf16>) -> tensor<?x32xf32>
    %1 = plx.linear %x, %o : (tensor<?x64xf32>, tensor<32x64xf16>) -> tensor<?x32xf32>
    plx.return %0, %1 : tensor<?x32xf32>, tensor<?x32xf32>
  }
}
