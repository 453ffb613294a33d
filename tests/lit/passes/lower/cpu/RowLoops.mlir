// RUN: plexus-opt %s --plx-row-loops | FileCheck %s

// A norm: its sum of squares stays in a register, and both ops share one loop over rows.
// CHECK-LABEL: func.func private @norm
// CHECK: scf.parallel (%[[ROW:.*]]) =
// CHECK: %[[SUM:.*]] = scf.for {{.*}} iter_args
// CHECK: arith.mulf {{.*}} fastmath<contract>
// CHECK: arith.addf {{.*}} fastmath<reassoc,contract>
// CHECK: scf.for
// CHECK: memref.store %{{.*}}, %{{.*}}[%[[ROW]], %{{.*}}]
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
