// RUN: plexus-opt %s --plx-plan-scratch --plx-outline-parallel --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func private @ffn(
// CHECK: %[[CTX:.*]] = llvm.alloca
// CHECK: llvm.store
// CHECK: llvm.call %{{.*}}(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, !llvm.ptr, i64, i64) -> ()
// CHECK-NOT: scf.parallel
// The second loop's two dimensions become one range.
// CHECK-LABEL: func.func private @ffn_parallel_1(
// CHECK: scf.for
// CHECK: arith.remsi
// CHECK: arith.divsi
// CHECK-LABEL: func.func private @ffn_parallel_0(
// CHECK-SAME: %[[ARG:.*]]: !llvm.ptr, %[[BEGIN:.*]]: i64, %[[END:.*]]: i64)
// CHECK: llvm.load
// CHECK: scf.for
func.func private @ffn(%x: memref<?x64xf32> {plexus.abi = "input", plexus.index = 0 : i64, plexus.rows = "T"},
    %out: memref<?x64xf32> {plexus.abi = "output", plexus.index = 0 : i64, plexus.rows = "T"},
    %w: memref<64xf32> {plexus.abi = "weight", plexus.index = 0 : i64},
    %T: index {plexus.abi = "tokens"}, %host: !llvm.ptr {plexus.abi = "host"},
    %scratch: memref<?xi8> {plexus.abi = "scratch"}) -> i32 attributes {plexus.entry = "plx_ffn"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant 0 : i32
  %two = arith.constant 2.0 : f32
  %a = memref.alloc(%T) : memref<?x64xf32>
  scf.parallel (%i) = (%c0) to (%T) step (%c1) {
    scf.for %j = %c0 to %c64 step %c1 {
      %0 = memref.load %x[%i, %j] : memref<?x64xf32>
      %1 = memref.load %w[%j] : memref<64xf32>
      %2 = arith.mulf %0, %1 : f32
      memref.store %2, %a[%i, %j] : memref<?x64xf32>
    }
  } {plexus.work = 64 : i64}
  %b = memref.alloc(%T) : memref<?x64xf32>
  scf.parallel (%i, %j) = (%c0, %c0) to (%T, %c64) step (%c1, %c1) {
    %0 = memref.load %a[%i, %j] : memref<?x64xf32>
    %2 = arith.mulf %0, %two : f32
    memref.store %2, %b[%i, %j] : memref<?x64xf32>
  }
  %c = memref.alloc(%T) : memref<?x64xf32>
  memref.copy %b, %c : memref<?x64xf32> to memref<?x64xf32>
  memref.copy %c, %out : memref<?x64xf32> to memref<?x64xf32>
  return %zero : i32
}
