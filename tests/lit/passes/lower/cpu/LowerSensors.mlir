// Attention over sensor positions, whose weights are made once a call, and contexts that are gathered row by row.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 %s | FileCheck %s

// CHECK-LABEL: func.func private @s
// CHECK: scf.parallel
// CHECK: math.floor
// CHECK: math.fma
// CHECK: scf.parallel
// CHECK: vector.broadcast
// CHECK-NEXT: math.fma
// CHECK-NOT: brain.sensor_attention %
plx.model @m {
  plx.weight @c : tensor<6x6x20xf32> = #plx.source<"c">
  plx.segment @s(%x: tensor<?x64xf32>, %p: tensor<64x2xf32>, %n: tensor<1xi32>, %batch: !plx.batch) -> tensor<?x60xf32> {
    %c = plx.param @c : tensor<6x6x20xf32>
    %0 = brain.sensor_attention %x, %p, %c, %c count %n : (tensor<?x64xf32>, tensor<64x2xf32>, tensor<6x6x20xf32>, tensor<6x6x20xf32>, tensor<1xi32>) -> tensor<?x20xf32>
    %y = brain.context %0, %batch {taps = 3, dilation = 4, before = 4} : (tensor<?x20xf32>, !plx.batch) -> tensor<?x60xf32>
    plx.return %y : tensor<?x60xf32>
  }
}
