// Convolutions in bytes: the input as bytes, then as words of four of them, what sums begin with, and
// dot products of quads. Products take the integers of a fixed range; what others read is decomposed.
// RUN: plexus-opt --plx-model --plx-number-parameters --plx-decompose --plx-lower-segments=isa=avx512 %s | FileCheck %s

plx.model @m {
  plx.weight @w : tensor<16x20xf32, #plx.packed<q8, group = channel>> = #plx.source<"w">
  plx.weight @p : tensor<64x64xf32, #plx.packed<q8, group = channel>> = #plx.source<"p">
  plx.weight @r : tensor<2xf32> = #plx.source<"r">
  // CHECK-LABEL: func.func private @conv
  // CHECK: scf.parallel
  // CHECK: arith.trunci {{.*}} vector<16xi32> to vector<16xi8>
  // CHECK: scf.parallel
  // CHECK: arith.ori
  // CHECK: scf.parallel
  // CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
  // CHECK: arith.muli {{.*}} vector<16xi32>
  // CHECK: scf.parallel
  // CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
  // CHECK: arith.sitofp
  plx.segment @conv(%x: tensor<?x4x100xf32>, %batch: !plx.batch) -> tensor<?x16x96xf32> {
    %w = plx.param @w : tensor<16x20xf32, #plx.packed<q8, group = channel>>
    %r = plx.param @r : tensor<2xf32>
    %0 = plx.quantized_conv %x, %w by %r {kernel = array<i64: 16, 4, 5>, quad_axis = 1}
      : (tensor<?x4x100xf32>, tensor<16x20xf32, #plx.packed<q8, group = channel>>, tensor<2xf32>) -> tensor<?x16x96xf32>
    plx.return %0 : tensor<?x16x96xf32>
  }
  // CHECK-LABEL: func.func private @product
  // CHECK-NOT: math.roundeven
  // CHECK: arith.maxnumf {{.*}} vector<16xf32>
  // CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
  plx.segment @product(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %p = plx.param @p : tensor<64x64xf32, #plx.packed<q8, group = channel>>
    %r = plx.param @r : tensor<2xf32>
    %q = plx.fake_quantize %x by %r : tensor<?x64xf32>, tensor<2xf32>
    %0 = plx.linear %q, %p : (tensor<?x64xf32>, tensor<64x64xf32, #plx.packed<q8, group = channel>>) -> tensor<?x64xf32>
    plx.return %0 : tensor<?x64xf32>
  }
  // CHECK-LABEL: func.func private @alone
  // CHECK: math.roundeven
  plx.segment @alone(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %r = plx.param @r : tensor<2xf32>
    %q = plx.fake_quantize %x by %r : tensor<?x64xf32>, tensor<2xf32>
    plx.return %q : tensor<?x64xf32>
  }
}
