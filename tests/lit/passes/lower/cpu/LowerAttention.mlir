// RUN: plexus-opt %s --plx-number-parameters --plx-decompose --plx-lower-segments | FileCheck %s
// RUN: plexus-opt %s --plx-number-parameters --plx-decompose=all --canonicalize --cse --plx-lower-segments | FileCheck %s --check-prefix=ALL

#rope = #attn.rope<dims = 8, inv_freq = dense<[1.0, 0.1, 0.01, 0.001]> : tensor<4xf32>>

// The table of rotations is made once; keys turn as they are written, queries as they are read.
// CHECK: memref.global "private" constant @constant_state_{{[0-9]+}} : memref<4xf32>
// CHECK-LABEL: func.func private @state(
// CHECK-SAME: !llvm.ptr {plexus.abi = "state"
// CHECK-SAME: op = "attn.kv_write", target = "generated", why = "keys turn and are transposed on their way into the pages"
// CHECK-SAME: op = "attn.attention", target = "generated", why = "online softmax over pages
// CHECK: %[[TABLE:.*]] = memref.alloc(%{{.*}}) : memref<?x8xf32>
// CHECK: scf.parallel
// CHECK: vector.store %{{.*}}, %[[TABLE]]
// CHECK: scf.parallel
// CHECK: vector.load %[[TABLE]]
// CHECK: llvm.store
// CHECK: scf.parallel
// CHECK: vector.load %[[TABLE]]
// CHECK-NOT: math.exp
// CHECK: return

// Decomposed, the state is read as a dense tensor and scores are a tensor too.
// ALL-LABEL: func.func private @state(
// ALL-SAME: op = "attn.attention", target = "generated", why = "decomposed
// ALL: memref.alloc(%[[S:.*]], %[[C:.*]]) : memref<?x?x2x8xf32>
// ALL: memref.alloc(%{{.*}}, %[[C]]) : memref<?x?xi1>
// ALL: memref.alloc(%{{.*}}, %[[C]]) : memref<?x4x?xf32>
// ALL: linalg.generic

// A window that looks ahead has no emitter.
// CHECK-LABEL: func.func private @around(
// CHECK-SAME: op = "attn.attention", target = "generated", why = "decomposed
// CHECK: linalg.generic
plx.model @m {
  plx.state @kv kind = kv : !attn.kv<2 x 8 x 8>
  plx.segment @state(%q: tensor<?x4x8xf32>, %k: tensor<?x2x8xf32>, %batch: !plx.batch) -> tensor<?x4x8xf32> {
    %kv = plx.get_state @kv : !attn.kv<2 x 8 x 8>
    attn.kv_write %k, %k, %kv, %batch {rope = #rope} : tensor<?x2x8xf32>, tensor<?x2x8xf32>, !attn.kv<2 x 8 x 8>
    %a = attn.attention %q, %kv, %batch {scale = 0.5 : f32, causal, rope = #rope} : (tensor<?x4x8xf32>, !attn.kv<2 x 8 x 8>, !plx.batch) -> tensor<?x4x8xf32>
    plx.return %a : tensor<?x4x8xf32>
  }
  plx.segment @around(%q: tensor<?x4x8xf32>, %k: tensor<?x2x8xf32>, %batch: !plx.batch) -> tensor<?x4x8xf32> {
    %kv = plx.get_state @kv : !attn.kv<2 x 8 x 8>
    %a = attn.attention %q, %kv, %batch {scale = 0.5 : f32, window = 3} : (tensor<?x4x8xf32>, !attn.kv<2 x 8 x 8>, !plx.batch) -> tensor<?x4x8xf32>
    plx.return %a : tensor<?x4x8xf32>
  }
  // Alone, a rope turns heads in place where nobody else reads them, otherwise into a buffer.
  // CHECK-LABEL: func.func private @rope(
  // CHECK-SAME: op = "attn.rope", target = "generated", why = "a pass of its own over the heads"
  // CHECK-SAME: op = "attn.rope", target = "generated", why = "a pass of its own over the heads, in place"
  plx.segment @rope(%x: tensor<?x2x8xf32>, %batch: !plx.batch) -> (tensor<?x2x8xf32>, tensor<?x2x8xf32>) {
    %0 = attn.rope %x, %batch {rope = #rope} : tensor<?x2x8xf32>
    %1 = plx.add %x, %x : tensor<?x2x8xf32>, tensor<?x2x8xf32>
    %2 = attn.rope %1, %batch {rope = #rope} : tensor<?x2x8xf32>
    plx.return %0, %2 : tensor<?x2x8xf32>, tensor<?x2x8xf32>
  }
}
