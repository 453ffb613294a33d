// RUN: plexus-opt %s --plx-number-parameters --plx-label-ops --plx-decompose --canonicalize --cse --linalg-fuse-elementwise-ops --plx-lower-segments=isa=avx512 --plx-row-loops --plx-mark-ops | FileCheck %s

// Texts, last first; each of a product's forms has a mark. A tensor that stays within a fused loop
// is not moved.
// CHECK: llvm.mlir.global internal constant @[[BOTH:.*]]("plx.add+plx.mul bT256\00")
// CHECK: llvm.mlir.global internal constant @[[MANY:.*]]("plx.fused_linear mT2048 w1 bT384\00")
// CHECK: llvm.mlir.global internal constant @[[FEW:.*]]("plx.fused_linear mT2048 w1 bT384\00")
// CHECK: llvm.mlir.global internal constant @[[NORM:.*]]("plx.rms_norm w0 bT512\00")
// CHECK: func.func private @ffn(
// CHECK: %[[TEXT:.*]] = llvm.mlir.addressof @[[NORM]]
// CHECK: llvm.call %{{.*}}(%{{.*}}, %[[TEXT]]) : !llvm.ptr, (!llvm.ptr, !llvm.ptr) -> ()
// CHECK: scf.parallel
// CHECK: scf.if
// CHECK: llvm.mlir.addressof @[[FEW]]
// CHECK: llvm.mlir.addressof @[[MANY]]
// CHECK: llvm.mlir.addressof @[[BOTH]]
// CHECK: scf.parallel
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
