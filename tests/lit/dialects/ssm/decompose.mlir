// Recurrences as loops over tokens, between accessors of the state.
// RUN: plexus-opt --test-plx-decompose -split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @conv
// CHECK: scf.for %[[T:.*]] = {{.*}} iter_args(%[[LAST:.*]] = %{{.*}}, %{{.*}} = %{{.*}}) -> (tensor<3x64xf32>, tensor<?x64xf32>)
// CHECK: %[[PAST:.*]] = plx.carry_read %[[LAST]], %{{.*}}[%[[T]]] of %{{.*}} : !plx.carry<3 x 64> : tensor<3x64xf32>
// CHECK: tensor.insert_slice %[[PAST]]
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK: math.exp
// CHECK: %[[NEXT:.*]] = tensor.extract_slice %{{.*}}[1, 0] [3, 64] [1, 1]
// CHECK: plx.carry_write %[[NEXT]]
// CHECK: scf.yield %[[NEXT]]
func.func @conv(%x: tensor<?x64xf32>, %w: tensor<4x64xf32>, %bias: tensor<64xf32>, %s: !plx.carry<3 x 64>, %batch: !plx.batch) -> tensor<?x64xf32> {
  %0 = ssm.causal_conv %x, %w, %batch bias %bias state %s {activation = #plx<activation_kind silu>} : (tensor<?x64xf32>, tensor<4x64xf32>, !plx.batch, tensor<64xf32>, !plx.carry<3 x 64>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// -----

// Whole sequences from their end: no state, zeros at the last token.
// CHECK-LABEL: func.func @reverse
// CHECK: scf.for
// CHECK: plx.carry_read %{{.*}} {reverse} : tensor<2x8xf32>
// CHECK-NOT: plx.carry_write
func.func @reverse(%x: tensor<?x8xf32>, %w: tensor<3x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
  %0 = ssm.causal_conv %x, %w, %batch {reverse} : (tensor<?x8xf32>, tensor<3x8xf32>, !plx.batch) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
