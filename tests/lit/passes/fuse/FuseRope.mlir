// RUN: plexus-opt %s --plx-fuse-rope | FileCheck %s

#rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.1]> : tensor<2xf32>>
#other = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.5]> : tensor<2xf32>>

plx.model @m {
  plx.state @kv kind = kv : !attn.kv<2 x 4 x 4>

  // Keys turn on their way into the state, queries on their way out.
  // CHECK-LABEL: plx.segment @state(
  // CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x4xf32>, %[[K:[^:]*]]: tensor<?x2x4xf32>
  // CHECK-NOT: attn.rope %
  // CHECK: attn.kv_write %[[K]], %{{.*}} {rope = #[[$ROPE:.*]]}
  // CHECK: attn.attention %[[Q]], %{{.*}}rope = #[[$ROPE]]
  plx.segment @state(%q: tensor<?x4x4xf32>, %k: tensor<?x2x4xf32>, %batch: !plx.batch) -> tensor<?x4x4xf32> {
    %kv = plx.get_state @kv : !attn.kv<2 x 4 x 4>
    %qr = attn.rope %q, %batch {rope = #rope} : tensor<?x4x4xf32>
    %kr = attn.rope %k, %batch {rope = #rope} : tensor<?x2x4xf32>
    attn.kv_write %kr, %k, %kv, %batch : tensor<?x2x4xf32>, tensor<?x2x4xf32>, !attn.kv<2 x 4 x 4>
    %a = attn.attention %qr, %kv, %batch {scale = 0.5 : f32, causal} : (tensor<?x4x4xf32>, !attn.kv<2 x 4 x 4>, !plx.batch) -> tensor<?x4x4xf32>
    plx.return %a : tensor<?x4x4xf32>
  }

  // CHECK-LABEL: plx.segment @operands(
  // CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x4xf32>, %[[K:[^:]*]]: tensor<?x2x4xf32>
  // CHECK-NOT: attn.rope %
  // CHECK: attn.attention %[[Q]], %[[K]], %[[K]], %{{.*}}rope = #[[$ROPE]]
  plx.segment @operands(%q: tensor<?x4x4xf32>, %k: tensor<?x2x4xf32>, %batch: !plx.batch) -> tensor<?x4x4xf32> {
    %qr = attn.rope %q, %batch {rope = #rope} : tensor<?x4x4xf32>
    %kr = attn.rope %k, %batch {rope = #rope} : tensor<?x2x4xf32>
    %a = attn.attention %qr, %kr, %k, %batch {scale = 0.5 : f32} : (tensor<?x4x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>, !plx.batch) -> tensor<?x4x4xf32>
    plx.return %a : tensor<?x4x4xf32>
  }

  // One attribute cannot say that only the queries turn, or that the two turn differently.
  // CHECK-LABEL: plx.segment @unlike(
  // CHECK: attn.rope
  // CHECK-NEXT: attn.attention
  // CHECK: attn.rope
  // CHECK-NEXT: attn.rope
  // CHECK-NEXT: attn.attention
  plx.segment @unlike(%q: tensor<?x4x4xf32>, %k: tensor<?x2x4xf32>, %batch: !plx.batch) -> (tensor<?x4x4xf32>, tensor<?x4x4xf32>) {
    %qr = attn.rope %q, %batch {rope = #rope} : tensor<?x4x4xf32>
    %a = attn.attention %qr, %k, %k, %batch {scale = 0.5 : f32} : (tensor<?x4x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>, !plx.batch) -> tensor<?x4x4xf32>
    %qs = attn.rope %q, %batch {rope = #rope} : tensor<?x4x4xf32>
    %ks = attn.rope %k, %batch {rope = #other} : tensor<?x2x4xf32>
    %b = attn.attention %qs, %ks, %k, %batch {scale = 0.5 : f32} : (tensor<?x4x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>, !plx.batch) -> tensor<?x4x4xf32>
    plx.return %a, %b : tensor<?x4x4xf32>, tensor<?x4x4xf32>
  }

  // What others read, or see through a tap, stays.
  // CHECK-LABEL: plx.segment @seen(
  // CHECK-COUNT-2: attn.rope %
  // CHECK: attn.kv_write %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} :
  plx.segment @seen(%q: tensor<?x4x4xf32>, %k: tensor<?x2x4xf32>, %batch: !plx.batch) -> (tensor<?x4x4xf32>, tensor<?x2x4xf32>) {
    %kv = plx.get_state @kv : !attn.kv<2 x 4 x 4>
    %qr = attn.rope %q, %batch {rope = #rope} : tensor<?x4x4xf32>
    %qt = plx.tap %qr "attn.query" : tensor<?x4x4xf32>
    %kr = attn.rope %k, %batch {rope = #rope} : tensor<?x2x4xf32>
    attn.kv_write %kr, %k, %kv, %batch : tensor<?x2x4xf32>, tensor<?x2x4xf32>, !attn.kv<2 x 4 x 4>
    %a = attn.attention %qt, %kv, %batch {scale = 0.5 : f32, causal} : (tensor<?x4x4xf32>, !attn.kv<2 x 4 x 4>, !plx.batch) -> tensor<?x4x4xf32>
    plx.return %a, %kr : tensor<?x4x4xf32>, tensor<?x2x4xf32>
  }
}
