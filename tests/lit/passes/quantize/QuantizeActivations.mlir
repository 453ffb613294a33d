// Products with integer weights read fixed ranges where they were measured; convolutions whose weight
// is to be 8 bits multiply bytes, in quads of the axis that needs the fewest zeros.
// RUN: plexus-opt %s --plx-quantize-activations="measured=up,conv,depthwise,other weights=q8" | FileCheck %s
// RUN: plexus-opt %s --plx-quantize-activations="measured=up,conv weights=q8 keep=conv=f32" | FileCheck %s --check-prefix=KEEP

plx.model @m {
  // CHECK-DAG: plx.weight @range.up : tensor<2xf32> = #plx.source<"plexus.range.symmetric.up.{layer}">
  // CHECK-DAG: plx.weight @up : tensor<96x64xf32, #plx.packed<q8, group = channel>>
  plx.weight @up : tensor<96x64xf32, #plx.packed<q8, group = channel>> = #plx.source<"{layer}.up">
  plx.weight @down : tensor<64x96xf32, #plx.packed<q8, group = channel>> = #plx.source<"{layer}.down">
  plx.weight @other : tensor<64x64xf32, #plx.packed<f32>> = #plx.source<"other">
  // CHECK-DAG: plx.weight @range.conv : tensor<2xf32> = #plx.source<"plexus.range.affine.conv">
  // CHECK-DAG: plx.weight @int8.conv : tensor<8x20xf32, #plx.packed<q8, group = channel>> = #plx.reshape<[8, 20], #plx.reshape<[8, 5, 4], #plx.transpose<[0, 2, 3, 1], #plx.source<"conv" : tensor<8x4x1x5xf32>>>>>
  // KEEP: plx.weight @conv
  plx.weight @conv : tensor<8x4x1x5xf32> = #plx.source<"conv" : tensor<8x4x1x5xf32>>
  // CHECK-DAG: plx.weight @int8.depthwise : tensor<8x16xf32, #plx.packed<q8, group = channel>> = #plx.reshape<[8, 16], #plx.reshape<[8, 2, 8], #plx.transpose<[0, 1, 3, 2], #plx.source<"depthwise"
  plx.weight @depthwise : tensor<8x1x8x2xf32> = #plx.source<"depthwise" : tensor<8x1x8x2xf32>>

  // CHECK-LABEL: plx.segment @products
  // CHECK: %[[R:.*]] = plx.param @range.up : tensor<2xf32>
  // CHECK: %[[Q:.*]] = plx.fake_quantize %{{.*}} by %[[R]] : tensor<?x64xf32>, tensor<2xf32>
  // CHECK: plx.fused_linear %[[Q]],
  // CHECK-NOT: plx.fake_quantize
  plx.segment @products(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %u = plx.param @up : tensor<96x64xf32, #plx.packed<q8, group = channel>>
    %d = plx.param @down : tensor<64x96xf32, #plx.packed<q8, group = channel>>
    %o = plx.param @other : tensor<64x64xf32, #plx.packed<f32>>
    %0 = plx.fused_linear %x, %u : (tensor<?x64xf32>, tensor<96x64xf32, #plx.packed<q8, group = channel>>) -> tensor<?x96xf32> {
    ^bb0(%acc: f32):
      plx.yield %acc : f32
    }
    %1 = plx.fused_linear %0, %d : (tensor<?x96xf32>, tensor<64x96xf32, #plx.packed<q8, group = channel>>) -> tensor<?x64xf32> {
    ^bb0(%acc: f32):
      plx.yield %acc : f32
    }
    %2 = plx.fused_linear %1, %o : (tensor<?x64xf32>, tensor<64x64xf32, #plx.packed<f32>>) -> tensor<?x64xf32> {
    ^bb0(%acc: f32):
      plx.yield %acc : f32
    }
    plx.return %2 : tensor<?x64xf32>
  }

  // CHECK-LABEL: plx.segment @convolutions
  // CHECK: plx.quantized_conv %{{.*}}, %{{.*}} by %{{.*}} {kernel = array<i64: 8, 4, 1, 5>, quad_axis = 1 : i64}
  // CHECK: plx.quantized_conv %{{.*}}, %{{.*}} by %{{.*}} {activation = #plx<activation_kind elu>, groups = 8 : i64, kernel = array<i64: 8, 1, 8, 2>, quad_axis = 2 : i64}
  // KEEP: plx.conv
  // KEEP: plx.conv
  plx.segment @convolutions(%x: tensor<?x4x10x20xf32>, %batch: !plx.batch) -> tensor<?x8x3x15xf32> {
    %w = plx.param @conv : tensor<8x4x1x5xf32>
    %v = plx.param @depthwise : tensor<8x1x8x2xf32>
    %0 = plx.conv %x, %w : (tensor<?x4x10x20xf32>, tensor<8x4x1x5xf32>) -> tensor<?x8x10x16xf32>
    %1 = plx.conv %0, %v {groups = 8 : i64, activation = #plx<activation_kind elu>} : (tensor<?x8x10x16xf32>, tensor<8x1x8x2xf32>) -> tensor<?x8x3x15xf32>
    plx.return %1 : tensor<?x8x3x15xf32>
  }
}
