// The label of an op is in its location: what it reads whole, the tensors that it moves (number, size
// symbol, bytes of a row), what it multiplies. Parameters, states and reshapes have none: they do nothing.
// RUN: plexus-opt %s --plx-number-parameters --plx-label-ops --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// CHECK: plx.param @norm {{.*}} loc("
// CHECK: plx.rms_norm {{.*}} loc(fused<{plexus.op = "plx.rms_norm", reads = array<i64: 0, 0, 256>, weights = array<i64: 0>, writes = array<i64: 1, 0, 256>}>
// CHECK: loc(fused<{multiplies = array<i64: 0, 2048>, plexus.op = "plx.fused_linear", reads = array<i64: 1, 0, 256>, weights = array<i64: 1>, writes = array<i64: 2, 0, 128>}>
plx.model @m attributes {} {
  plx.weight @norm : tensor<64xf32> = #plx.source<"norm" : tensor<64xf32>>
  plx.weight @w : tensor<32x64xf32, #plx.packed<f32>> = #plx.source<"w" : tensor<32x64xf32>>
  plx.segment @ffn(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x32xf32> {
    %norm = plx.param @norm : tensor<64xf32>
    %w = plx.param @w : tensor<32x64xf32, #plx.packed<f32>>
    %0 = plx.rms_norm %x, %norm {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %1 = plx.fused_linear %0, %w : (tensor<?x64xf32>, tensor<32x64xf32, #plx.packed<f32>>) -> tensor<?x32xf32> {
    ^bb0(%sum: f32):
      plx.yield %sum : f32
    }
    %2 = plx.mul %1, %1 : tensor<?x32xf32>, tensor<?x32xf32>
    %3 = plx.add %2, %1 : tensor<?x32xf32>, tensor<?x32xf32>
    plx.return %3 : tensor<?x32xf32>
  }
}
