// Convolutions in blocks become vector code; padded inputs and strided columns are copied first. Spectra
// are products of tiles, with masks where a line ends. Pools read long windows in vectors along them, and
// sort neighbouring short ones out of the vectors that hold them; those with padding are decomposed.
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
  // Entries 16 apart of a kernel of 40 share what they read: three of the first 8, two of the others.
  // CHECK-LABEL: func.func private @shared
  // CHECK: scf.for {{.*}} -> (vector<16xf32>
  // CHECK-COUNT-3: vector.broadcast
  // CHECK: scf.for {{.*}} -> (vector<16xf32>
  // CHECK-COUNT-2: vector.broadcast
  plx.weight @d : tensor<4x1x40xf32> = #plx.source<"d" : tensor<4x1x40xf32>>
  plx.segment @shared(%x: tensor<?x4x200xf32>, %batch: !plx.batch) -> tensor<?x4x161xf32> {
    %w = plx.param @d : tensor<4x1x40xf32>
    %0 = plx.conv %x, %w {groups = 4 : i64} : (tensor<?x4x200xf32>, tensor<4x1x40xf32>) -> tensor<?x4x161xf32>
    plx.return %0 : tensor<?x4x161xf32>
  }
  // Three tiles of 23 results of 32 samples, the last one of 22.
  // CHECK-LABEL: func.func private @spectra
  // CHECK: memref.alloc({{.*}}) : memref<?x3072xf32>
  // CHECK: vector.maskedload
  // CHECK: vector.shuffle {{.*}} [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]
  // CHECK: memref.alloca() {{.*}} memref<384xf32>
  // CHECK: scf.for {{.*}} iter_args
  // CHECK: math.fma
  // CHECK: vector.maskedstore
  plx.weight @s : tensor<48x32x10xf32> = #plx.source<"s" : tensor<48x32x10xf32>>
  plx.segment @spectra(%x: tensor<?x32x77xf32>, %batch: !plx.batch) -> tensor<?x48x68xf32> {
    %w = plx.param @s : tensor<48x32x10xf32>
    %0 = plx.conv %x, %w : (tensor<?x32x77xf32>, tensor<48x32x10xf32>) -> tensor<?x48x68xf32>
    plx.return %0 : tensor<?x48x68xf32>
  }
  // CHECK-LABEL: func.func private @short_pool
  // CHECK-COUNT-3: vector.load {{.*}} vector<16xf32>
  // CHECK: vector.shuffle
  // CHECK: arith.maximumf {{.*}} vector<16xf32>
  plx.segment @short_pool(%x: tensor<?x4x100xf32>, %batch: !plx.batch) -> tensor<?x4x33xf32> {
    %0 = plx.pool_window max %x {kernel = array<i64: 3>, strides = array<i64: 3>} : tensor<?x4x100xf32> -> tensor<?x4x33xf32>
    plx.return %0 : tensor<?x4x33xf32>
  }
}
