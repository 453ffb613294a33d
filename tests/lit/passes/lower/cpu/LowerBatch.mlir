// RUN: plexus-opt %s --plx-number-parameters --plx-decompose --plx-lower-segments | FileCheck %s

plx.model @m {
  // One loop over sequences, each over its tokens; a sequence without tokens gives zeros.
  // CHECK-LABEL: func.func private @pool(
  // CHECK-SAME: %[[X:[^:]*]]: memref<?x8xf32> {plexus.abi = "input"
  // CHECK-SAME: %[[Y:[^:]*]]: memref<?x8xf32> {plexus.abi = "output", plexus.index = 0 : i64, plexus.rows = "S"}
  // CHECK-SAME: memref<?xi32> {plexus.abi = "batch_array", plexus.index = 4 : i64}
  // CHECK-SAME: op = "plx.pool", target = "generated"
  // CHECK: scf.parallel
  // CHECK: scf.if
  // CHECK: scf.for {{.*}} iter_args
  // CHECK: arith.divf
  // CHECK: } else {
  // CHECK: memref.store %{{.*}}, %[[Y]]
  // CHECK: plexus.work = 512
  plx.segment @pool(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %0 = plx.pool mean %x, %batch : tensor<?x8xf32>
    plx.return %0 : tensor<?x8xf32>
  }
  // A batch may have no token types: the array's pointer is asked.
  // CHECK-LABEL: func.func private @types(
  // CHECK-SAME: op = "plx.token_types"
  // CHECK: %[[ABSENT:.*]] = llvm.icmp "eq"
  // CHECK: scf.if %[[ABSENT]]
  plx.segment @types(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?xi32> {
    %0 = plx.token_types %batch : tensor<?xi32>
    plx.return %0 : tensor<?xi32>
  }
  // Other arrays are read where they are.
  // CHECK-LABEL: func.func private @rows(
  // CHECK-SAME: memref<?x8xf32> {plexus.abi = "output", plexus.index = 0 : i64, plexus.rows = "R"}
  // CHECK-SAME: memref<?xi32> {plexus.abi = "batch_array", plexus.index = 6 : i64, plexus.rows = "R"}
  // CHECK-NOT: memref.alloc
  // CHECK: linalg.generic
  plx.segment @rows(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %0 = plx.select_rows %x, %batch : tensor<?x8xf32>
    plx.return %0 : tensor<?x8xf32>
  }
}
