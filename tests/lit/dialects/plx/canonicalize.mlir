// Folds.
// RUN: plexus-opt --canonicalize %s | FileCheck %s

// CHECK-LABEL: func.func @identities
// CHECK-SAME: %[[X:.*]]: tensor<?x64xf32>
// CHECK-NEXT: return %[[X]]
func.func @identities(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = plx.scale %x by 1.0 : tensor<?x64xf32>
  %1 = plx.activation identity %0 : tensor<?x64xf32>
  %2 = plx.reshape %1 : tensor<?x64xf32> -> tensor<?x8x8xf32>
  %3 = plx.reshape %2 : tensor<?x8x8xf32> -> tensor<?x64xf32>
  %4 = plx.slice %3 from 0 size 64 : tensor<?x64xf32> -> tensor<?x64xf32>
  %5 = plx.concat %4 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %5 : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @reshapes
// CHECK-SAME: %[[X:.*]]: tensor<?x64xf32>
// CHECK-NEXT: %[[R:.*]] = plx.reshape %[[X]] : tensor<?x64xf32> -> tensor<?x4x16xf32>
// CHECK-NEXT: return %[[R]]
func.func @reshapes(%x: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  %0 = plx.reshape %x : tensor<?x64xf32> -> tensor<?x8x8xf32>
  %1 = plx.reshape %0 : tensor<?x8x8xf32> -> tensor<?x4x16xf32>
  return %1 : tensor<?x4x16xf32>
}

// A tap stays though nothing uses it, and two equal ones stay two.
// CHECK-LABEL: func.func @taps
// CHECK-COUNT-2: plx.tap
func.func @taps(%x: tensor<?x64xf32>) {
  %0 = plx.tap %x "a" : tensor<?x64xf32>
  %1 = plx.tap %x "a" : tensor<?x64xf32>
  return
}

// A write to a state stays.
// CHECK-LABEL: func.func @writes
// CHECK-NEXT: attn.kv_write
// CHECK-NEXT: return
func.func @writes(%k: tensor<?x2x8xf32>, %kv: !attn.kv<2 x 8 x 8>, %batch: !plx.batch) {
  attn.kv_write %k, %k, %kv, %batch : tensor<?x2x8xf32>, tensor<?x2x8xf32>, !attn.kv<2 x 8 x 8>
  %unused = attn.attention %k, %kv, %batch {scale = 1.0 : f32} : (tensor<?x2x8xf32>, !attn.kv<2 x 8 x 8>, !plx.batch) -> tensor<?x2x8xf32>
  return
}
