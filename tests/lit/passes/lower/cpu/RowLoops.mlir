// RUN: plexus-opt %s --plx-row-loops | FileCheck %s
// RUN: plexus-opt %s --plx-row-loops=lanes=16 | FileCheck %s --check-prefix=WIDE
// RUN: not plexus-opt %s --plx-row-loops=lanes=12 2>&1 | FileCheck %s --check-prefix=BAD
// BAD: lanes must be a power of two, found 12

// A norm: its sum of squares stays in four vectors, and both ops share one loop over rows. What is
// the same for the whole row is computed once.
// CHECK-LABEL: func.func private @norm
// CHECK: scf.parallel (%[[ROW:.*]]) =
// CHECK: %[[SUM:.*]]:4 = scf.for {{.*}} iter_args
// CHECK: arith.mulf {{.*}} fastmath<contract> : vector<8xf32>
// CHECK: arith.addf {{.*}} fastmath<contract> : vector<8xf32>
// CHECK: vector.extract_strided_slice
// CHECK: math.rsqrt %{{.*}} : f32
// CHECK: scf.for
// CHECK: vector.store %{{.*}}, %{{.*}}[%[[ROW]], %{{.*}}] : memref<?x64xf32>, vector<8xf32>
// WIDE-LABEL: func.func private @norm
// WIDE: vector.load {{.*}} vector<16xf32>
// CHECK-NOT: scf.parallel
// CHECK: plexus.work
#rows = affine_map<(t, d) -> (t, d)>
#row = affine_map<(t, d) -> (t)>
func.func private @norm(%x: memref<?x64xf32> {plexus.abi = "input", plexus.index = 0 : i64, plexus.rows = "T"},
    %y: memref<?x64xf32> {plexus.abi = "output", plexus.index = 0 : i64, plexus.rows = "T"},
    %T: index {plexus.abi = "tokens"}) -> i32 attributes {plexus.entry = "plx_norm"} {
  %zero = arith.constant 0.0 : f32
  %code = arith.constant 0 : i32
  %sum = memref.alloc(%T) : memref<?xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<?xf32>)
  linalg.generic {indexing_maps = [#rows, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<?x64xf32>) outs(%sum : memref<?xf32>) {
  ^bb0(%in: f32, %acc: f32):
    %0 = arith.mulf %in, %in : f32
    %1 = arith.addf %acc, %0 : f32
    linalg.yield %1 : f32
  }
  linalg.generic {indexing_maps = [#rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : memref<?x64xf32>, memref<?xf32>) outs(%y : memref<?x64xf32>) {
  ^bb0(%in: f32, %s: f32, %out: f32):
    %0 = math.rsqrt %s : f32
    %1 = arith.mulf %in, %0 : f32
    linalg.yield %1 : f32
  }
  return %code : i32
}

// A row that is no multiple of the vectors ends in a shorter one; a fold of it is filled up with
// what changes nothing.
// CHECK-LABEL: func.func private @odd
// CHECK: vector.load %{{.*}} : memref<?x13xf32>, vector<8xf32>
// CHECK: %[[REST:.*]] = vector.load %{{.*}} : memref<?x13xf32>, vector<5xf32>
// CHECK: %[[NONE:.*]] = arith.constant dense<0xFF800000> : vector<8xf32>
// CHECK: vector.insert_strided_slice %[[REST]], %[[NONE]] {offsets = [0], strides = [1]}
// CHECK: arith.maximumf
// CHECK-NOT: memref.load %arg0
func.func private @odd(%x: memref<?x13xf32> {plexus.abi = "input", plexus.index = 0 : i64, plexus.rows = "T"},
    %y: memref<?xf32> {plexus.abi = "output", plexus.index = 0 : i64, plexus.rows = "T"},
    %T: index {plexus.abi = "tokens"}) -> i32 attributes {plexus.entry = "plx_odd"} {
  %code = arith.constant 0 : i32
  linalg.generic {indexing_maps = [#rows, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<?x13xf32>) outs(%y : memref<?xf32>) {
  ^bb0(%in: f32, %acc: f32):
    %0 = arith.maximumf %acc, %in : f32
    linalg.yield %0 : f32
  }
  return %code : i32
}

// What does not lie side by side stays a scalar loop.
// CHECK-LABEL: func.func private @strided
// CHECK-NOT: vector
// CHECK: memref.store
func.func private @strided(%x: memref<?x64xf32, strided<[128, 2]>> {plexus.abi = "input", plexus.index = 0 : i64, plexus.rows = "T"},
    %y: memref<?x64xf32> {plexus.abi = "output", plexus.index = 0 : i64, plexus.rows = "T"},
    %T: index {plexus.abi = "tokens"}) -> i32 attributes {plexus.entry = "plx_strided"} {
  %code = arith.constant 0 : i32
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<?x64xf32, strided<[128, 2]>>) outs(%y : memref<?x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = arith.addf %in, %in : f32
    linalg.yield %0 : f32
  }
  return %code : i32
}

// An op that reads other rows of what the one before wrote needs a loop of its own.
// CHECK-LABEL: func.func private @gather
// CHECK: scf.parallel
// CHECK: scf.parallel
func.func private @gather(%x: memref<?x64xf32> {plexus.abi = "input", plexus.index = 0 : i64, plexus.rows = "T"},
    %ids: memref<?xi32> {plexus.abi = "input", plexus.index = 1 : i64, plexus.rows = "T"},
    %y: memref<?x64xf32> {plexus.abi = "output", plexus.index = 0 : i64, plexus.rows = "T"},
    %T: index {plexus.abi = "tokens"}) -> i32 attributes {plexus.entry = "plx_gather"} {
  %code = arith.constant 0 : i32
  %a = memref.alloc(%T) : memref<?x64xf32>
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<?x64xf32>) outs(%a : memref<?x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = arith.addf %in, %in : f32
    linalg.yield %0 : f32
  }
  linalg.generic {indexing_maps = [#row, #rows], iterator_types = ["parallel", "parallel"]}
      ins(%ids : memref<?xi32>) outs(%y : memref<?x64xf32>) {
  ^bb0(%id: i32, %out: f32):
    %row = arith.index_cast %id : i32 to index
    %column = linalg.index 1 : index
    %0 = memref.load %a[%row, %column] : memref<?x64xf32>
    linalg.yield %0 : f32
  }
  return %code : i32
}
