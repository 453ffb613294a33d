// A loop over tensors has one buffer for all iterations; states are read and written by their slots.
// RUN: plexus-opt --plx-number-parameters --plx-decompose=all=1 --plx-lower-segments %s | FileCheck %s

// CHECK-LABEL: func.func private @s
// CHECK: %[[PAST:.*]] = memref.alloc() : memref<1x8xf32>
// CHECK: scf.for
// The state starts from where carry_from points, if it does.
// CHECK: llvm.icmp "eq"
// CHECK: scf.if
// CHECK: llvm.load {{.*}} -> f32
// CHECK: memref.store {{.*}}, %[[PAST]]
plx.model @m {
  plx.state @h kind = replace : !plx.carry<1 x 8>
  plx.weight @w : tensor<2x8xf32> = #plx.source<"w">
  plx.segment @s(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %w = plx.param @w : tensor<2x8xf32>
    %h = plx.get_state @h : !plx.carry<1 x 8>
    %0 = ssm.causal_conv %x, %w, %batch state %h : (tensor<?x8xf32>, tensor<2x8xf32>, !plx.batch, !plx.carry<1 x 8>) -> tensor<?x8xf32>
    plx.return %0 : tensor<?x8xf32>
  }
}
