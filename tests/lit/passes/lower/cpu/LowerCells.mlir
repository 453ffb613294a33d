// Cells of recurrent networks: a product with the packed weight for all sequences, then their gates.
// RUN: plexus-opt --plx-assign-encodings=weights=f32 --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 %s | FileCheck %s

// h of each sequence, and sums of three gates; the loop over steps holds product and gates.
// CHECK-LABEL: func.func private @gru
// CHECK-DAG: memref.alloc(%{{.*}}) {{.*}}: memref<?x8xf32>
// CHECK-DAG: memref.alloc(%{{.*}}) {{.*}}: memref<?x24xf32>
// CHECK: scf.for
// CHECK: scf.parallel
// CHECK: scf.parallel
// CHECK: math.tanh {{.*}} : vector<8xf32>
// CHECK-NOT: ssm.
plx.model @m {
  plx.state @h kind = replace : !plx.carry<8>
  plx.weight @u : tensor<24x8xf32> = #plx.source<"u">
  plx.segment @gru(%x: tensor<?x24xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %u = plx.param @u : tensor<24x8xf32>
    %h = plx.get_state @h : !plx.carry<8>
    %y = ssm.gru %x, %u, %batch state %h : (tensor<?x24xf32>, tensor<24x8xf32>, !plx.batch, !plx.carry<8>) -> tensor<?x8xf32>
    plx.return %y : tensor<?x8xf32>
  }
}
