// Convolutions in blocks become vector code; padded inputs and strided columns are copied first. Pools
// read their windows in vectors; those with padding are decomposed.
// RUN: plexus-opt --plx-model --plx-number-parameters --plx-decompose --plx-lower-segments=isa=avx512 %s | FileCheck %s

plx.model @m {
  plx.weight @w : tensor<16x4x5xf32> = #plx.source<"w" : tensor<16x4x5xf32>>
  // CHECK-LABEL: func.func private @plain
  // CHECK: scf.parallel
  // CHECK: vector.load {{.*}} vector<16xf32>
  // CHECK: math.fma
  // CHECK: vector.store
  plx.segment @plain(%x: tensor<?x4x100xf32>, %batch: !plx.batch) -> tensor<?x16x96xf32> {
    %w = plx.param @w : tensor<16x4x5xf32>
    %0 = plx.conv %x, %w : (tensor<?x4x100xf32>, tensor<16x4x5xf32>) -> tensor<?x16x96xf32>
    plx.return %0 : tensor<?x16x96xf32>
  }
  // CHECK-LABEL: func.func private @padded
  // CHECK: memref.alloc({{.*}}) : memref<?x416xf32>
  plx.segment @padded(%x: tensor<?x4x100xf32>, %batch: !plx.batch) -> tensor<?x16x100xf32> {
    %w = plx.param @w : tensor<16x4x5xf32>
    %0 = plx.conv %x, %w {pads_begin = array<i64: 2>, pads_end = array<i64: 2>} : (tensor<?x4x100xf32>, tensor<16x4x5xf32>) -> tensor<?x16x100xf32>
    plx.return %0 : tensor<?x16x100xf32>
  }
  // CHECK-LABEL: func.func private @pool
  // CHECK: vector.load {{.*}} vector<16xf32>
  // CHECK: arith.maximumf
  plx.segment @pool(%x: tensor<?x4x100xf32>, %batch: !plx.batch) -> tensor<?x4x6xf32> {
    %0 = plx.pool_window max %x {kernel = array<i64: 21>, strides = array<i64: 15>} : tensor<?x4x100xf32> -> tensor<?x4x6xf32>
    plx.return %0 : tensor<?x4x6xf32>
  }
  // CHECK-LABEL: func.func private @padded_pool
  // CHECK: linalg.generic
  plx.segment @padded_pool(%x: tensor<?x4x100xf32>, %batch: !plx.batch) -> tensor<?x4x50xf32> {
    %0 = plx.pool_window mean %x {kernel = array<i64: 3>, strides = array<i64: 2>, pads_begin = array<i64: 1>} : tensor<?x4x100xf32> -> tensor<?x4x50xf32>
    plx.return %0 : tensor<?x4x50xf32>
  }
}
