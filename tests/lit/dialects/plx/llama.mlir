// A model of the llama family in text: parses, verifies, prints and parses again.
// RUN: plexus-opt %s | plexus-opt | FileCheck %s
// RUN: plexus-opt --mlir-print-op-generic %s | plexus-opt | FileCheck %s

#rope = #attn.rope<dims = 8, inv_freq = dense<[1.0, 0.1, 0.01, 0.001]> : tensor<4xf32>>

// CHECK: #[[ROPE:.*]] = #attn.rope<dims = 8, inv_freq = dense<[{{.*}}]> : tensor<4xf32>>
// CHECK-LABEL: plx.model @llama attributes {task = "causal-lm"} {
plx.model @llama attributes {task = "causal-lm"} {
  // CHECK: plx.weight @embed_tokens : tensor<100x64xbf16> = #plx.source<"model.embed_tokens.weight">
  plx.weight @embed_tokens : tensor<100x64xbf16> = #plx.source<"model.embed_tokens.weight">
  plx.weight @input_norm : tensor<64xf32> = #plx.source<"model.layers.{layer}.input_layernorm.weight">
  plx.weight @q : tensor<64x64xbf16> = #plx.source<"model.layers.{layer}.self_attn.q_proj.weight">
  plx.weight @k : tensor<16x64xbf16> = #plx.source<"model.layers.{layer}.self_attn.k_proj.weight">
  plx.weight @v : tensor<16x64xbf16> = #plx.source<"model.layers.{layer}.self_attn.v_proj.weight">
  plx.weight @o : tensor<64x64xbf16> = #plx.source<"model.layers.{layer}.self_attn.o_proj.weight">
  plx.weight @gate : tensor<96x64xbf16> = #plx.source<"model.layers.{layer}.mlp.gate_proj.weight">
  plx.weight @up : tensor<96x64xbf16> = #plx.source<"model.layers.{layer}.mlp.up_proj.weight">
  plx.weight @down : tensor<64x96xbf16> = #plx.source<"model.layers.{layer}.mlp.down_proj.weight">
  plx.weight @final_norm : tensor<64xf32> = #plx.source<"model.norm.weight">
  // CHECK: plx.state @kv kind = kv : !attn.kv<2 x 8 x 8>
  plx.state @kv kind = kv : !attn.kv<2 x 8 x 8>

  // CHECK: plx.segment @embed(%{{.*}}: tensor<?xi32>, %{{.*}}: !plx.batch) -> tensor<?x64xf32> {
  plx.segment @embed(%ids: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %w = plx.param @embed_tokens : tensor<100x64xbf16>
    %0 = plx.embedding %ids, %w : (tensor<?xi32>, tensor<100x64xbf16>) -> tensor<?x64xf32>
    plx.return %0 : tensor<?x64xf32>
  }
  plx.segment @attn(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %g = plx.param @input_norm : tensor<64xf32>
    %wq = plx.param @q : tensor<64x64xbf16>
    %wk = plx.param @k : tensor<16x64xbf16>
    %wv = plx.param @v : tensor<16x64xbf16>
    %wo = plx.param @o : tensor<64x64xbf16>
    %kv = plx.get_state @kv : !attn.kv<2 x 8 x 8>
    // CHECK: plx.rms_norm %{{.*}}, %{{.*}} {eps = {{.*}} : f32} : tensor<?x64xf32>, tensor<64xf32>
    %h = plx.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %q = plx.linear %h, %wq : (tensor<?x64xf32>, tensor<64x64xbf16>) -> tensor<?x64xf32>
    %k = plx.linear %h, %wk : (tensor<?x64xf32>, tensor<16x64xbf16>) -> tensor<?x16xf32>
    %v = plx.linear %h, %wv : (tensor<?x64xf32>, tensor<16x64xbf16>) -> tensor<?x16xf32>
    %q3 = plx.reshape %q : tensor<?x64xf32> -> tensor<?x8x8xf32>
    %k3 = plx.reshape %k : tensor<?x16xf32> -> tensor<?x2x8xf32>
    %v3 = plx.reshape %v : tensor<?x16xf32> -> tensor<?x2x8xf32>
    // CHECK: attn.rope %{{.*}}, %{{.*}} {rope = #[[ROPE]]} : tensor<?x8x8xf32>
    %qr = attn.rope %q3, %batch {rope = #rope} : tensor<?x8x8xf32>
    %kr = attn.rope %k3, %batch {rope = #rope} : tensor<?x2x8xf32>
    // CHECK: attn.kv_write %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2x8xf32>, tensor<?x2x8xf32>, !attn.kv<2 x 8 x 8>
    attn.kv_write %kr, %v3, %kv, %batch : tensor<?x2x8xf32>, tensor<?x2x8xf32>, !attn.kv<2 x 8 x 8>
    // CHECK: attn.attention %{{.*}}, %{{.*}}, %{{.*}} {causal, scale = {{.*}} : f32} : (tensor<?x8x8xf32>, !attn.kv<2 x 8 x 8>, !plx.batch) -> tensor<?x8x8xf32>
    %a = attn.attention %qr, %kv, %batch {scale = 0.35355339 : f32, causal, window = 0} : (tensor<?x8x8xf32>, !attn.kv<2 x 8 x 8>, !plx.batch) -> tensor<?x8x8xf32>
    %a2 = plx.reshape %a : tensor<?x8x8xf32> -> tensor<?x64xf32>
    %o = plx.linear %a2, %wo : (tensor<?x64xf32>, tensor<64x64xbf16>) -> tensor<?x64xf32>
    // CHECK: plx.tap %{{.*}} "attn.out" : tensor<?x64xf32>
    %t = plx.tap %o "attn.out" : tensor<?x64xf32>
    %y = plx.add %x, %t : tensor<?x64xf32>, tensor<?x64xf32>
    plx.return %y : tensor<?x64xf32>
  }
  plx.segment @ffn(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %wg = plx.param @gate : tensor<96x64xbf16>
    %wu = plx.param @up : tensor<96x64xbf16>
    %wd = plx.param @down : tensor<64x96xbf16>
    %g = plx.linear %x, %wg : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32>
    %u = plx.linear %x, %wu : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32>
    // CHECK: plx.glu silu %{{.*}}, %{{.*}} : tensor<?x96xf32>
    %h = plx.glu silu %g, %u : tensor<?x96xf32>
    %d = plx.linear %h, %wd : (tensor<?x96xf32>, tensor<64x96xbf16>) -> tensor<?x64xf32>
    %s = plx.scalar 0 : f32
    %ds = plx.scale %d by %s : tensor<?x64xf32>
    %y = plx.add %x, %ds : tensor<?x64xf32>, tensor<?x64xf32>
    plx.return %y : tensor<?x64xf32>
  }
  plx.segment @head(%x: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x64xf32>, tensor<?x100xf32>) {
    %g = plx.param @final_norm : tensor<64xf32>
    %w = plx.param @embed_tokens : tensor<100x64xbf16>
    %h = plx.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %r = plx.select_rows %h, %batch : tensor<?x64xf32>
    %l = plx.linear %r, %w : (tensor<?x64xf32>, tensor<100x64xbf16>) -> tensor<?x100xf32>
    plx.return %h, %l : tensor<?x64xf32>, tensor<?x100xf32>
  }
  // CHECK: plx.schedule @forward(%[[IDS:.*]]: tensor<?xi32>, %[[BATCH:.*]]: !plx.batch) {
  plx.schedule @forward(%ids: tensor<?xi32>, %batch: !plx.batch) {
    // CHECK: %[[E:.*]] = plx.run @embed(%[[IDS]], %[[BATCH]]) : (tensor<?xi32>, !plx.batch) -> tensor<?x64xf32>
    %0 = plx.run @embed(%ids, %batch) : (tensor<?xi32>, !plx.batch) -> tensor<?x64xf32>
    // CHECK: %[[A:.*]] = plx.run @attn layer 0 (%[[E]], %[[BATCH]])
    %1 = plx.run @attn layer 0 (%0, %batch) : (tensor<?x64xf32>, !plx.batch) -> tensor<?x64xf32>
    // CHECK: plx.run @ffn layer 0 scalars [5.000000e-01] (%[[A]], %[[BATCH]])
    %2 = plx.run @ffn layer 0 scalars [0.5] (%1, %batch) : (tensor<?x64xf32>, !plx.batch) -> tensor<?x64xf32>
    %3:2 = plx.run @head(%2, %batch) : (tensor<?x64xf32>, !plx.batch) -> (tensor<?x64xf32>, tensor<?x100xf32>)
    // CHECK: plx.outputs "logits" = %{{.*}}#1, "last_hidden_state" = %{{.*}}#0 : tensor<?x100xf32>, tensor<?x64xf32>
    plx.outputs "logits" = %3#1, "last_hidden_state" = %3#0 : tensor<?x100xf32>, tensor<?x64xf32>
  }
}
