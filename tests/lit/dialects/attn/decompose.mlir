// Rope and attention as upstream ops over views of the state and fields of the batch.
// RUN: plexus-opt --test-plx-decompose -split-input-file %s | FileCheck %s

#rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>

// CHECK-LABEL: func.func @rope
// CHECK: %[[P:.*]] = plx.batch_field position
// CHECK: %[[ANGLES:.*]] = linalg.generic
// CHECK: arith.sitofp
// CHECK: linalg.generic
// CHECK: tensor.extract %[[ANGLES]]
// CHECK: math.cos
// CHECK: math.sin
// CHECK-NOT: tensor.insert_slice
func.func @rope(%x: tensor<?x2x4xf32>, %batch: !plx.batch) -> tensor<?x2x4xf32> {
  %0 = attn.rope %x, %batch {rope = #rope} : tensor<?x2x4xf32>
  return %0 : tensor<?x2x4xf32>
}

// -----

// Only the leading entries of each head turn.
// CHECK-LABEL: func.func @partial
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 0] [%{{.*}}, 2, 4] [1, 1, 1]
// CHECK: tensor.insert_slice
func.func @partial(%x: tensor<?x2x8xf32>, %batch: !plx.batch) -> tensor<?x2x8xf32> {
  %0 = attn.rope %x, %batch {rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>, interleaved = true>} : tensor<?x2x8xf32>
  return %0 : tensor<?x2x8xf32>
}

// -----

// Two tables: the sequence's largest position picks.
// CHECK-LABEL: func.func @longrope
// CHECK: plx.batch_field sequence
// CHECK: arith.maximumf
// CHECK: arith.constant 3.200000e+01 : f64
// CHECK: arith.cmpf oge
// CHECK: arith.select
func.func @longrope(%x: tensor<?x2x4xf32>, %batch: !plx.batch) -> tensor<?x2x4xf32> {
  %0 = attn.rope %x, %batch {rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>, attention_scaling = 1.5 : f32, long_inv_freq = dense<[0.5, 0.001]> : tensor<2xf32>, original_context = 32>} : tensor<?x2x4xf32>
  return %0 : tensor<?x2x4xf32>
}

// -----

// CHECK-LABEL: func.func @over_state
// CHECK: %[[K:.*]] = attn.kv_keys %{{.*}}, %{{.*}} : !attn.kv<2 x 8 x 16> -> tensor<?x?x2x8xf32>
// CHECK: %[[V:.*]] = attn.kv_values %{{.*}}, %{{.*}} : !attn.kv<2 x 8 x 16> -> tensor<?x?x2x16xf32>
// CHECK: %[[M:.*]] = attn.visible %{{.*}} {causal, window = 5 : i64} : tensor<?x?xi1>
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK: tensor.extract %[[K]]
// CHECK: linalg.generic {{.*}}%[[M]]
// CHECK: math.tanh
// CHECK: arith.select
// CHECK: math.exp
// CHECK: tensor.extract %[[V]]
// CHECK-NOT: attn.
func.func @over_state(%q: tensor<?x4x8xf32>, %kv: !attn.kv<2 x 8 x 16>, %batch: !plx.batch) -> tensor<?x4x16xf32> {
  %0 = attn.attention %q, %kv, %batch {scale = 0.25 : f32, causal, window = 5, softcap = 30.0 : f32} : (tensor<?x4x8xf32>, !attn.kv<2 x 8 x 16>, !plx.batch) -> tensor<?x4x16xf32>
  return %0 : tensor<?x4x16xf32>
}

// -----

// CHECK-LABEL: func.func @over_tokens
// CHECK: plx.batch_field sequence
// CHECK: plx.batch_field index
// CHECK: arith.cmpi eq
// CHECK: arith.cmpi slt
// CHECK: arith.cmpi slt
// CHECK: math.exp
// CHECK-NOT: attn.
func.func @over_tokens(%q: tensor<?x4x8xf32>, %k: tensor<?x2x8xf32>, %v: tensor<?x2x8xf32>, %batch: !plx.batch) -> tensor<?x4x8xf32> {
  %0 = attn.attention %q, %k, %v, %batch {scale = 0.25 : f32, window = 3} : (tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, !plx.batch) -> tensor<?x4x8xf32>
  return %0 : tensor<?x4x8xf32>
}

// -----

#rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>

// Rope inside of a write and of attention comes out first; the plain write stays.
// CHECK-LABEL: func.func @fused_rope
// CHECK: math.cos
// CHECK: attn.kv_write %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2x4xf32>, tensor<?x2x4xf32>, !attn.kv<2 x 4 x 4>
// CHECK: math.cos
// CHECK: attn.kv_keys
func.func @fused_rope(%q: tensor<?x4x4xf32>, %k: tensor<?x2x4xf32>, %kv: !attn.kv<2 x 4 x 4>, %batch: !plx.batch) -> tensor<?x4x4xf32> {
  attn.kv_write %k, %k, %kv, %batch {rope = #rope} : tensor<?x2x4xf32>, tensor<?x2x4xf32>, !attn.kv<2 x 4 x 4>
  %0 = attn.attention %q, %kv, %batch {scale = 0.5 : f32, causal, rope = #rope} : (tensor<?x4x4xf32>, !attn.kv<2 x 4 x 4>, !plx.batch) -> tensor<?x4x4xf32>
  return %0 : tensor<?x4x4xf32>
}

// -----

#rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>

// A state that keeps keys before rope turns them itself: writing to it is an accessor.
// CHECK-LABEL: func.func @kept_before_rope
// CHECK-NOT: math.cos
// CHECK: attn.kv_write %{{.*}} {rope = #{{.*}}}
func.func @kept_before_rope(%k: tensor<?x2x4xf32>, %kv: !attn.kv<2 x 4 x 4, int4, #rope>, %batch: !plx.batch) {
  attn.kv_write %k, %k, %kv, %batch {rope = #rope} : tensor<?x2x4xf32>, tensor<?x2x4xf32>, !attn.kv<2 x 4 x 4, int4, #rope>
  return
}
