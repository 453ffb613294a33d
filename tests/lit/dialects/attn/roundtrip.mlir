// Every op of attn prints as it reads, and parses again.
// RUN: plexus-opt %s | plexus-opt | FileCheck %s
// RUN: plexus-opt --mlir-print-op-generic %s | plexus-opt | FileCheck %s

// CHECK-DAG: #[[ROPE:.*]] = #attn.rope<dims = 4, inv_freq = dense<[1.000000e+00, 1.000000e-01]> : tensor<2xf32>>
#rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.1]> : tensor<2xf32>>
// CHECK-DAG: #[[LONG:.*]] = #attn.rope<dims = 4, inv_freq = dense<{{.*}}> : tensor<2xf32>, interleaved = true, attention_scaling = 1.250000e+00 : f32, long_inv_freq = dense<{{.*}}> : tensor<2xf32>, original_context = 4096>
// CHECK-DAG: #[[NTK:.*]] = #attn.rope<dims = 4, inv_freq = dense<{{.*}}> : tensor<2xf32>, original_context = 4096, ntk_factor = 2.000000e+00 : f32>
#ntk = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.1]> : tensor<2xf32>, original_context = 4096, ntk_factor = 2.0 : f32>
#long = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.1]> : tensor<2xf32>, interleaved = true, attention_scaling = 1.25 : f32, long_inv_freq = dense<[0.5, 0.05]> : tensor<2xf32>, original_context = 4096>

// CHECK: func.func private @kept(!attn.kv<2 x 8 x 16, int8>, !attn.kv<2 x 8 x 16, int4, #[[ROPE]]>)
func.func private @kept(!attn.kv<2 x 8 x 16, int8>, !attn.kv<2 x 8 x 16, int4, #rope>)

// CHECK-LABEL: func.func @all
// CHECK-SAME: %[[Q:.*]]: tensor<?x4x8xf32>, %[[K:.*]]: tensor<?x2x8xf32>, %[[V:.*]]: tensor<?x2x16xf32>, %[[KV:.*]]: !attn.kv<2 x 8 x 16>, %[[B:.*]]: !plx.batch
func.func @all(%q: tensor<?x4x8xf32>, %k: tensor<?x2x8xf32>, %v: tensor<?x2x16xf32>, %kv: !attn.kv<2 x 8 x 16>, %batch: !plx.batch) {
  // CHECK: attn.rope %[[Q]], %[[B]] {rope = #[[ROPE]]} : tensor<?x4x8xf32>
  %0 = attn.rope %q, %batch {rope = #rope} : tensor<?x4x8xf32>
  // CHECK: attn.rope %[[K]], %[[B]] {rope = #[[LONG]]} : tensor<?x2x8xf32>
  %1 = attn.rope %k, %batch {rope = #long} : tensor<?x2x8xf32>
  // CHECK: attn.rope %[[K]], %[[B]] {rope = #[[NTK]]} : tensor<?x2x8xf32>
  %ntk = attn.rope %k, %batch {rope = #ntk} : tensor<?x2x8xf32>
  // CHECK: attn.kv_write %{{.*}}, %[[V]], %[[KV]], %[[B]] {rope = #[[ROPE]]} : tensor<?x2x8xf32>, tensor<?x2x16xf32>, !attn.kv<2 x 8 x 16>
  attn.kv_write %1, %v, %kv, %batch {rope = #rope} : tensor<?x2x8xf32>, tensor<?x2x16xf32>, !attn.kv<2 x 8 x 16>
  // CHECK: attn.attention %{{.*}}, %[[KV]], %[[B]] {causal, scale = 1.250000e-01 : f32, softcap = 5.000000e+01 : f32, window = 32 : i64} : (tensor<?x4x8xf32>, !attn.kv<2 x 8 x 16>, !plx.batch) -> tensor<?x4x16xf32>
  %2 = attn.attention %0, %kv, %batch {scale = 0.125 : f32, causal, window = 32, softcap = 50.0 : f32} : (tensor<?x4x8xf32>, !attn.kv<2 x 8 x 16>, !plx.batch) -> tensor<?x4x16xf32>
  // CHECK: attn.attention %{{.*}}, %{{.*}}, %[[V]], %[[B]] {scale = 1.250000e-01 : f32} : (tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x16xf32>, !plx.batch) -> tensor<?x4x16xf32>
  %3 = attn.attention %0, %1, %v, %batch {scale = 0.125 : f32} : (tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x16xf32>, !plx.batch) -> tensor<?x4x16xf32>
  // CHECK: attn.kv_keys %[[KV]], %[[B]] : !attn.kv<2 x 8 x 16> -> tensor<?x?x2x8xf32>
  %4 = attn.kv_keys %kv, %batch : !attn.kv<2 x 8 x 16> -> tensor<?x?x2x8xf32>
  // CHECK: attn.kv_values %[[KV]], %[[B]] : !attn.kv<2 x 8 x 16> -> tensor<?x?x2x16xf32>
  %5 = attn.kv_values %kv, %batch : !attn.kv<2 x 8 x 16> -> tensor<?x?x2x16xf32>
  // CHECK: attn.visible %[[B]] {causal} : tensor<?x?xi1>
  %6 = attn.visible %batch {causal} : tensor<?x?xi1>
  return
}
