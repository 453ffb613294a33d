// Products of many rows that the host computes: panels of columns, decoded where the weight is quantized.
// RUN: plexus-opt %s --plx-number-parameters --plx-decompose --plx-lower-segments=isa=avx512 --split-input-file | FileCheck %s

// Up to 16 rows are generated code. Above, rows are rounded to bf16 once; for each panel the call's
// struct is filled on the stack, and a status that is not 0 is kept.
// CHECK-LABEL: func.func private @pairs(
// CHECK: memref.alloca() : memref<i32>
// CHECK: memref.alloc(%{{.*}}) : memref<?x128xf32>
// CHECK: memref.alloc(%{{.*}}) : memref<?x64xbf16>
// CHECK: scf.if
// CHECK: arith.truncf {{.*}} to vector<16xbf16>
// CHECK: %[[CALL:.*]] = llvm.alloca %{{.*}} x !llvm.struct<(i64, i64, i64, ptr, i64, ptr, i32, i32, ptr, i64, ptr)>
// CHECK: llvm.call %{{.*}}(%{{.*}}, %[[CALL]]) : !llvm.ptr, (!llvm.ptr, !llvm.ptr) -> i32
// CHECK: scf.parallel
// CHECK: } else {
// CHECK: dpbf16ps
plx.model @pairs {
  plx.weight @w : tensor<128x64xbf16, #plx.packed<bf16>> = #plx.source<"w">
  plx.segment @pairs(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x128xf32> {
    %w = plx.param @w : tensor<128x64xbf16, #plx.packed<bf16>>
    %y = plx.fused_linear %x, %w : (tensor<?x64xf32>, tensor<128x64xbf16, #plx.packed<bf16>>) -> tensor<?x128xf32> {
    ^bb0(%acc: f32):
      plx.yield %acc : f32
    }
    plx.return %y : tensor<?x128xf32>
  }
}

// -----

// A panel of the weight as pairs of bf16, made by all threads ahead of its call; the epilogue takes
// the sums up.
// CHECK-LABEL: func.func private @decoded(
// CHECK: memref.alloc(%{{.*}}) : memref<?x128xf32>
// CHECK: memref.alloc() : memref<16384xi8>
// CHECK: scf.if
// CHECK: scf.parallel
// CHECK: scf.parallel
// CHECK: arith.sitofp {{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: arith.truncf {{.*}} to vector<16xbf16>
// CHECK: llvm.call {{.*}} -> i32
// CHECK: scf.parallel
// CHECK: math.absf {{.*}} : vector<16xf32>
// CHECK: } else {
plx.model @decoded {
  plx.weight @w : tensor<128x64xf32, #plx.packed<q8, group = 32>> = #plx.source<"w">
  plx.segment @decoded(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x128xf32> {
    %w = plx.param @w : tensor<128x64xf32, #plx.packed<q8, group = 32>>
    %y = plx.fused_linear %x, %w : (tensor<?x64xf32>, tensor<128x64xf32, #plx.packed<q8, group = 32>>) -> tensor<?x128xf32> {
    ^bb0(%acc: f32):
      %0 = math.absf %acc : f32
      plx.yield %0 : f32
    }
    plx.return %y : tensor<?x128xf32>
  }
}
