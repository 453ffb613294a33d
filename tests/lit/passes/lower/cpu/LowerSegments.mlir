// RUN: plexus-opt %s --plx-number-parameters --plx-decompose --plx-lower-segments | FileCheck %s
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
