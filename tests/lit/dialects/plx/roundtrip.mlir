// Every op of plx prints as it reads, and parses again.
// RUN: plexus-opt %s | plexus-opt | FileCheck %s
// RUN: plexus-opt --mlir-print-op-generic %s | plexus-opt | FileCheck %s

plx.model @ops {
  // CHECK: plx.weight @q8 : tensor<64x64xf32, #plx.packed<q8, group = channel>> = #plx.source<"w">
  // CHECK: plx.weight @q4 : tensor<64x64xf32, #plx.packed<q4, group = 32, zeros = min, superblock = 256>> = #plx.source<"w">
  plx.weight @q8 : tensor<64x64xf32, #plx.packed<q8, group = channel>> = #plx.source<"w">
  plx.weight @q4 : tensor<64x64xf32, #plx.packed<q4, superblock = 256, zeros = min>> = #plx.source<"w">
  // CHECK: plx.weight @packed : tensor<64x64xbf16, #plx.packed<bf16>> = #plx.source<"w">
  plx.weight @packed : tensor<64x64xbf16, #plx.packed<bf16>> = #plx.source<"w">
  // CHECK: plx.weight @qkv : tensor<96x64xbf16> = #plx.concat<0, [#plx.source<"q" : tensor<64x64xbf16>>, #plx.source<"k" : tensor<32x64xf32>>]>
  plx.weight @qkv : tensor<96x64xbf16> = #plx.concat<0, [#plx.source<"q" : tensor<64x64xbf16>>, #plx.source<"k" : tensor<32x64xf32>>]>
  // CHECK: plx.weight @gate_up : tensor<128x64xf32> = #plx.interleave<0, 32, [#plx.source<"g" : tensor<64x64xf32>>, #plx.source<"u" : tensor<64x64xf32>>]>
  plx.weight @gate_up : tensor<128x64xf32> = #plx.interleave<0, 32, [#plx.source<"g" : tensor<64x64xf32>>, #plx.source<"u" : tensor<64x64xf32>>]>
  // CHECK: plx.weight @t : tensor<32x64xf32> = #plx.transpose<[1, 0], #plx.slice<1, 8, 32, #plx.source<"c" : tensor<64x96xf32>>>>
  plx.weight @t : tensor<32x64xf32> = #plx.transpose<[1, 0], #plx.slice<1, 8, 32, #plx.source<"c" : tensor<64x96xf32>>>>
  // CHECK: plx.weight @t2 : tensor<32x64xf32> = #plx.transpose<[1, 0], #plx.source<"c2">>
  plx.weight @t2 : tensor<32x64xf32> = #plx.transpose<[1, 0], #plx.source<"c2">>
  // CHECK: plx.weight @r : tensor<64x32xf32> = #plx.reshape<[64, 32], #plx.source<"r" : tensor<2048xf32>>>
  plx.weight @r : tensor<64x32xf32> = #plx.reshape<[64, 32], #plx.source<"r" : tensor<2048xf32>>>
  // CHECK: plx.weight @g : tensor<64xf32> = #plx.offset<1.000000e+00 : f32, #plx.scale<5.000000e-01 : f32, #plx.source<"g">>>
  plx.weight @g : tensor<64xf32> = #plx.offset<1.0 : f32, #plx.scale<0.5 : f32, #plx.source<"g">>>
  // CHECK: plx.state @kv kind = kv : !attn.kv<2 x 8 x 8>
  plx.state @kv kind = kv : !attn.kv<2 x 8 x 8>
  // CHECK: plx.state @local kind = ring window = 4096 : !attn.kv<2 x 8 x 8>
  plx.state @local kind = ring window = 4096 : !attn.kv<2 x 8 x 8>

  // CHECK: plx.segment @all(%[[IDS:.*]]: tensor<?xi32>, %[[B:.*]]: !plx.batch, %[[X:.*]]: tensor<?x64xf32> {plx.rows = "T"}, %[[R:.*]]: tensor<?x64xf32> {plx.rows = "R"})
  plx.segment @all(%ids: tensor<?xi32>, %batch: !plx.batch, %x: tensor<?x64xf32> {plx.rows = "T"}, %rows: tensor<?x64xf32> {plx.rows = "R"}) -> tensor<?x64xf32> {
    // CHECK: %[[P:.*]] = plx.param @packed : tensor<64x64xbf16, #plx.packed<bf16>>
    %p = plx.param @packed : tensor<64x64xbf16, #plx.packed<bf16>>
    %g = plx.param @g : tensor<64xf32>
    // CHECK: plx.get_state @local : !attn.kv<2 x 8 x 8>
    %s = plx.get_state @local : !attn.kv<2 x 8 x 8>
    // CHECK: plx.embedding %[[IDS]], %[[P]] : (tensor<?xi32>, tensor<64x64xbf16, #plx.packed<bf16>>) -> tensor<?x64xf32>
    %0 = plx.embedding %ids, %p : (tensor<?xi32>, tensor<64x64xbf16, #plx.packed<bf16>>) -> tensor<?x64xf32>
    // CHECK: plx.linear %{{.*}}, %[[P]] bias %{{.*}} : (tensor<?x64xf32>, tensor<64x64xbf16, #plx.packed<bf16>>, tensor<64xf32>) -> tensor<?x64xf32>
    %1 = plx.linear %0, %p bias %g : (tensor<?x64xf32>, tensor<64x64xbf16, #plx.packed<bf16>>, tensor<64xf32>) -> tensor<?x64xf32>
    // CHECK: plx.fused_linear %{{.*}}, %[[P]], %{{.*}} : (tensor<?x64xf32>, tensor<64x64xbf16, #plx.packed<bf16>>, tensor<64xf32>) -> tensor<?x64xf32> {
    // CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32):
    %2 = plx.fused_linear %1, %p, %g : (tensor<?x64xf32>, tensor<64x64xbf16, #plx.packed<bf16>>, tensor<64xf32>) -> tensor<?x64xf32> {
    ^bb0(%acc: f32, %bias: f32):
      %sum = arith.addf %acc, %bias : f32
      // CHECK: plx.yield %{{.*}} : f32
      plx.yield %sum : f32
    }
    // CHECK: plx.fused_linear gated %{{.*}}, %[[P]] : (
    %gated = plx.fused_linear gated %2, %p : (tensor<?x64xf32>, tensor<64x64xbf16, #plx.packed<bf16>>) -> tensor<?x32xf32> {
    ^bb0(%gate: f32, %up: f32):
      %product = arith.mulf %gate, %up : f32
      plx.yield %product : f32
    }
    // CHECK: plx.unpack %[[P]] : tensor<64x64xbf16, #plx.packed<bf16>> -> tensor<64x64xf32>
    %u = plx.unpack %p : tensor<64x64xbf16, #plx.packed<bf16>> -> tensor<64x64xf32>
    // CHECK: plx.rms_norm %{{.*}}, %{{.*}} {eps = {{.*}} : f32, unit_offset} : tensor<?x64xf32>, tensor<64xf32>
    %3 = plx.rms_norm %2, %g {eps = 1.0e-5 : f32, unit_offset} : tensor<?x64xf32>, tensor<64xf32>
    // CHECK: plx.layer_norm %{{.*}}, %{{.*}} bias %{{.*}} {eps = {{.*}} : f32} : tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>
    %4 = plx.layer_norm %3, %g bias %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>
    // CHECK: plx.layer_norm %{{.*}}, %{{.*}} {eps = {{.*}} : f32} : tensor<?x64xf32>, tensor<64xf32>
    %5 = plx.layer_norm %4, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    // CHECK: plx.l2_normalize %{{.*}} {eps = {{.*}} : f32} : tensor<?x64xf32>
    %6 = plx.l2_normalize %5 {eps = 1.0e-12 : f32} : tensor<?x64xf32>
    // CHECK: plx.softmax %{{.*}} : tensor<?x64xf32>
    %7 = plx.softmax %6 : tensor<?x64xf32>
    // CHECK: plx.activation gelu_tanh %{{.*}} : tensor<?x64xf32>
    %8 = plx.activation gelu_tanh %7 : tensor<?x64xf32>
    // CHECK: plx.glu silu %{{.*}}, %{{.*}} : tensor<?x64xf32>
    %9 = plx.glu silu %8, %x : tensor<?x64xf32>
    // CHECK: plx.add %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<64xf32>
    %10 = plx.add %9, %g : tensor<?x64xf32>, tensor<64xf32>
    // CHECK: plx.sub
    %11 = plx.sub %10, %x : tensor<?x64xf32>, tensor<?x64xf32>
    // CHECK: plx.mul
    %12 = plx.mul %11, %x : tensor<?x64xf32>, tensor<?x64xf32>
    // CHECK: %[[S:.*]] = plx.scalar 1 : f32
    %scalar = plx.scalar 1 : f32
    // CHECK: plx.scale %{{.*}} by %[[S]] : tensor<?x64xf32>
    %13 = plx.scale %12 by %scalar : tensor<?x64xf32>
    // CHECK: plx.scale %{{.*}} by 8.000000e+00 : tensor<?x64xf32>
    %14 = plx.scale %13 by 8.0 : tensor<?x64xf32>
    // CHECK: plx.softcap %{{.*}} at 3.000000e+01 : tensor<?x64xf32>
    %15 = plx.softcap %14 at 30.0 : tensor<?x64xf32>
    // CHECK: plx.reshape %{{.*}} : tensor<?x64xf32> -> tensor<?x8x8xf32>
    %16 = plx.reshape %15 : tensor<?x64xf32> -> tensor<?x8x8xf32>
    // CHECK: plx.slice %{{.*}} from 0 size 32 : tensor<?x64xf32> -> tensor<?x32xf32>
    %17 = plx.slice %15 from 0 size 32 : tensor<?x64xf32> -> tensor<?x32xf32>
    // CHECK: plx.concat %{{.*}}, %{{.*}} : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x64xf32>
    %18 = plx.concat %17, %17 : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x64xf32>
    // CHECK: plx.tap %{{.*}} "mlp.out" : tensor<?x64xf32>
    %19 = plx.tap %18 "mlp.out" : tensor<?x64xf32>
    // CHECK: plx.positions %[[B]] {offset = 2 : i64} : tensor<?xi32>
    %positions = plx.positions %batch {offset = 2} : tensor<?xi32>
    // CHECK: plx.token_types %[[B]] : tensor<?xi32>
    %types = plx.token_types %batch : tensor<?xi32>
    // CHECK: plx.batch_field token_begin %[[B]] : tensor<?xi32>
    %begin = plx.batch_field token_begin %batch : tensor<?xi32>
    // CHECK: plx.pool mean %{{.*}}, %[[B]] : tensor<?x64xf32>
    %20 = plx.pool mean %19, %batch : tensor<?x64xf32>
    // CHECK: plx.select_rows %{{.*}}, %[[B]] : tensor<?x64xf32>
    %21 = plx.select_rows %19, %batch : tensor<?x64xf32>
    plx.return %21 : tensor<?x64xf32>
  }
  // CHECK: plx.schedule @forward
  plx.schedule @forward(%ids: tensor<?xi32>, %batch: !plx.batch, %x: tensor<?x64xf32>, %r: tensor<?x64xf32>) {
    // CHECK: plx.run @all layer 3 scalars [1.000000e+00, 5.000000e-01] (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) : (
    %0 = plx.run @all layer 3 scalars [1.0, 0.5] (%ids, %batch, %x, %r) : (tensor<?xi32>, !plx.batch, tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    plx.outputs "x" = %0 : tensor<?x64xf32>
  }
}
