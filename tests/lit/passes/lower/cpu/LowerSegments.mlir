// RUN: plexus-opt %s --plx-number-parameters --plx-decompose --plx-lower-segments | FileCheck %s
// RUN: plexus-opt %s --plx-number-parameters --plx-decompose --plx-lower-segments=isa=avx512 | FileCheck %s --check-prefix=AVX512
// RUN: not plexus-opt %s --plx-lower-segments=isa=z80 2>&1 | FileCheck %s --check-prefix=BAD
// BAD: unknown option of plx-lower-segments: isa=z80

// Arguments are parts of the call; the weight is bytes; the result is the output's memory.
// CHECK-LABEL: func.func private @product(
// CHECK-SAME: %[[T:[^:]*]]: index {plexus.abi = "tokens"
// CHECK-SAME: %[[X:[^:]*]]: memref<?x64xf32> {plexus.abi = "input", plexus.index = 0 : i64, plexus.rows = "T"}
// CHECK-SAME: %[[Y:[^:]*]]: memref<?x64xf32> {plexus.abi = "output", plexus.index = 0 : i64, plexus.rows = "T"}
// CHECK-SAME: memref<?xi8> {plexus.abi = "weight", plexus.index = 0 : i64}
// CHECK-SAME: plexus.entry = "plx_product"
// CHECK-SAME: target = "generated"
// CHECK: scf.parallel
// Many rows go to oneDNN where it runs the layout.
// AVX512-LABEL: func.func private @product(
// AVX512-SAME: target = "generated, oneDNN above 16 rows"
// AVX512: llvm.call
plx.model @m {
  plx.weight @w : tensor<64x64xbf16, #plx.packed<bf16>> = #plx.source<"w">
  plx.segment @product(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %w = plx.param @w : tensor<64x64xbf16, #plx.packed<bf16>>
    %y = plx.fused_linear %x, %w, %x : (tensor<?x64xf32>, tensor<64x64xbf16, #plx.packed<bf16>>, tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%acc: f32, %r: f32):
      %0 = arith.addf %acc, %r : f32
      plx.yield %0 : f32
    }
    plx.return %y : tensor<?x64xf32>
  }
}

// Quantized weights: few rows multiply bytes, with the instructions of the level.
// CHECK-LABEL: func.func private @quantized(
// CHECK-SAME: 8-bit products of few rows, else f32, weights q4m rounded
// CHECK-DAG: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK-DAG: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// Many rows decode panels of bf16 pairs for oneDNN.
// AVX512-LABEL: func.func private @quantized(
// AVX512-SAME: oneDNN on panels decoded to bf16
// AVX512: scf.if
// AVX512: vector.interleave {{.*}} : vector<16xbf16>
// AVX512: llvm.call
// AVX512: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
plx.model @q {
  plx.weight @w : tensor<64x64xf32, #plx.packed<q4, zeros = min>> = #plx.source<"w">
  plx.segment @quantized(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %w = plx.param @w : tensor<64x64xf32, #plx.packed<q4, zeros = min>>
    %y = plx.fused_linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32, #plx.packed<q4, zeros = min>>) -> tensor<?x64xf32> {
    ^bb0(%acc: f32):
      plx.yield %acc : f32
    }
    plx.return %y : tensor<?x64xf32>
  }
}
