// The scans of Mamba: their text, what they refuse, and what they mean.
// RUN: plexus-opt -split-input-file -verify-diagnostics %s | FileCheck %s
// RUN: plexus-opt --test-plx-decompose -split-input-file -verify-diagnostics %s | FileCheck %s --check-prefix=MEANING

// CHECK-LABEL: func.func @selective
// CHECK: ssm.selective_scan %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} delta_bias %{{.*}} skip %{{.*}} state %{{.*}} {softplus}
// MEANING-LABEL: func.func @selective
// MEANING: scf.for
// MEANING: plx.carry_read {{.*}} : !plx.carry<4 x 8> : tensor<4x8xf32>
// MEANING: plx.carry_write
func.func @selective(%x: tensor<?x8xf32>, %d: tensor<?x8xf32>, %a: tensor<4x8xf32>, %b: tensor<?x4xf32>, %c: tensor<?x4xf32>, %batch: !plx.batch, %e: tensor<8xf32>, %s: tensor<8xf32>, %h: !plx.carry<4 x 8>) -> tensor<?x8xf32> {
  %y = ssm.selective_scan %x, %d, %a, %b, %c, %batch delta_bias %e skip %s state %h {softplus} : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<4x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>, !plx.batch, tensor<8xf32>, tensor<8xf32>, !plx.carry<4 x 8>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @dual
// CHECK: ssm.ssd {{.*}} {delta_max = 1.000000e+00 : f32, reverse}
// MEANING-LABEL: func.func @dual
// MEANING: scf.for
// MEANING-NOT: plx.carry_write
func.func @dual(%x: tensor<?x4x8xf32>, %d: tensor<?x4xf32>, %a: tensor<4xf32>, %b: tensor<?x2x3xf32>, %c: tensor<?x2x3xf32>, %batch: !plx.batch) -> tensor<?x4x8xf32> {
  %y = ssm.ssd %x, %d, %a, %b, %c, %batch {delta_max = 1.0 : f32, reverse} : (tensor<?x4x8xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<?x2x3xf32>, tensor<?x2x3xf32>, !plx.batch) -> tensor<?x4x8xf32>
  return %y : tensor<?x4x8xf32>
}

// -----

func.func @other_channels(%x: tensor<?x8xf32>, %d: tensor<?x8xf32>, %a: tensor<4x6xf32>, %b: tensor<?x4xf32>, %c: tensor<?x4xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
  // expected-error @+1 {{'rate'}}
  %y = ssm.selective_scan %x, %d, %a, %b, %c, %batch : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<4x6xf32>, tensor<?x4xf32>, tensor<?x4xf32>, !plx.batch) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @backward_with_state(%x: tensor<?x4x8xf32>, %d: tensor<?x4xf32>, %a: tensor<4xf32>, %b: tensor<?x2x3xf32>, %c: tensor<?x2x3xf32>, %batch: !plx.batch, %h: !plx.carry<4 x 3 x 8>) -> tensor<?x4x8xf32> {
  // expected-error @+1 {{'reverse' is for whole sequences}}
  %y = ssm.ssd %x, %d, %a, %b, %c, %batch state %h {reverse} : (tensor<?x4x8xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<?x2x3xf32>, tensor<?x2x3xf32>, !plx.batch, !plx.carry<4 x 3 x 8>) -> tensor<?x4x8xf32>
  return %y : tensor<?x4x8xf32>
}
