// Rows that follow each other with the same part of the bank are multiplied together; an index outside is clamped.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 %s | FileCheck %s

// CHECK-LABEL: func.func private @s
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: %[[ENDS:.*]] = arith.cmpi ne
// CHECK: scf.yield %[[ENDS]]
// CHECK: scf.parallel
// CHECK: math.fma
// CHECK-NOT: brain.switched_linear %
plx.model @m {
  plx.weight @w : tensor<256x16xf32, #plx.packed<f32>> = #plx.source<"w">
  plx.weight @b : tensor<4x20xf32> = #plx.source<"b">
  plx.segment @s(%x: tensor<?x16xf32>, %i: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x20xf32> {
    %w = plx.param @w : tensor<256x16xf32, #plx.packed<f32>>
    %b = plx.param @b : tensor<4x20xf32>
    %y = brain.switched_linear %x, %i, %w bias %b {parts = 4, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<256x16xf32, #plx.packed<f32>>, tensor<4x20xf32>) -> tensor<?x20xf32>
    plx.return %y : tensor<?x20xf32>
  }
}
