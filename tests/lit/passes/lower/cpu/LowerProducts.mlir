// RUN: plexus-opt %s --plx-number-parameters --plx-decompose --plx-lower-segments | FileCheck %s
// RUN: plexus-opt %s --plx-number-parameters --plx-decompose --plx-lower-segments=isa=avx512 | FileCheck %s --check-prefix=AVX512

// Generated code does all rows; pairs of bf16 go to oneDNN where that has a matrix unit.
// CHECK-LABEL: func.func private @plain(
// CHECK-SAME: op = "plx.fused_linear", target = "generated", why = "oneDNN runs blocked layouts only with AVX-512
// CHECK: scf.parallel
// CHECK-NOT: llvm.call %
// AVX512-LABEL: func.func private @plain(
// AVX512-SAME: target = "generated", why = "pairs of bf16, by oneDNN where it has a matrix unit
// AVX512: %[[VECTORS:.*]] = arith.cmpi eq
// AVX512: scf.if %[[VECTORS]] {
// AVX512: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// AVX512: } else {
// AVX512: llvm.call %
plx.model @p {
  plx.weight @w : tensor<64x64xbf16, #plx.packed<bf16>> = #plx.source<"w">
  plx.segment @plain(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %w = plx.param @w : tensor<64x64xbf16, #plx.packed<bf16>>
    %y = plx.fused_linear %x, %w : (tensor<?x64xf32>, tensor<64x64xbf16, #plx.packed<bf16>>) -> tensor<?x64xf32> {
    ^bb0(%acc: f32):
      plx.yield %acc : f32
    }
    plx.return %y : tensor<?x64xf32>
  }
}

// A gated product's epilogue gets the gate's and the other sums, and makes half the columns.
// CHECK-LABEL: func.func private @gated(
// CHECK-SAME: memref<?x32xf32> {plexus.abi = "output"
// CHECK: scf.parallel
// CHECK: arith.mulf {{.*}} : vector<8xf32>
plx.model @g {
  plx.weight @w : tensor<64x64xbf16, #plx.packed<bf16>> = #plx.source<"w">
  plx.segment @gated(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x32xf32> {
    %w = plx.param @w : tensor<64x64xbf16, #plx.packed<bf16>>
    %y = plx.fused_linear gated %x, %w : (tensor<?x64xf32>, tensor<64x64xbf16, #plx.packed<bf16>>) -> tensor<?x32xf32> {
    ^bb0(%gate: f32, %up: f32):
      %0 = arith.mulf %gate, %up : f32
      plx.yield %0 : f32
    }
    plx.return %y : tensor<?x32xf32>
  }
}

// Rows of a packed head are gathered where they lie; ids are clamped to the table.
// CHECK-LABEL: func.func private @gathered(
// CHECK-SAME: op = "plx.embedding", target = "generated", why = "rows gathered from the packed weight"
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: memref.load
plx.model @e {
  plx.weight @w : tensor<64x64xbf16, #plx.packed<bf16>> = #plx.source<"w">
  plx.segment @gathered(%ids: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %w = plx.param @w : tensor<64x64xbf16, #plx.packed<bf16>>
    %y = plx.embedding %ids, %w : (tensor<?xi32>, tensor<64x64xbf16, #plx.packed<bf16>>) -> tensor<?x64xf32>
    plx.return %y : tensor<?x64xf32>
  }
}

// Quantized weights: few rows multiply bytes, with the instructions of the level.
// CHECK-LABEL: func.func private @quantized(
// CHECK-SAME: 8-bit products of few rows, else f32, weights q4m rounded
// CHECK-DAG: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK-DAG: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// Many rows decode panels of bf16 pairs, for generated code or oneDNN.
// AVX512-LABEL: func.func private @quantized(
// AVX512-SAME: pairs of bf16, by oneDNN where it has a matrix unit
// AVX512: llvm.call_intrinsic "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
// AVX512: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// AVX512: llvm.call_intrinsic "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
// AVX512: llvm.call %
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
