// Each recurrence takes the cheapest of the forms that it has.
// RUN: plexus-opt --plx-choose-scan-forms --split-input-file %s | FileCheck %s

// A readout with a state is recurrent; few complex rows with one are scanned.
// CHECK-LABEL: func.func @states
// CHECK: ssm.diagonal {{.*}} state %{{.*}} form recurrent :
func.func @states(%u: tensor<?x8xf32>, %re: tensor<100x8xf32>, %h: !plx.carry<2 x 100 x 8>, %batch: !plx.batch) -> tensor<?x8xf32> {
  %y = ssm.diagonal log zoh %u, %re, %re, %batch readout %re, %re state %h : (tensor<?x8xf32>, tensor<100x8xf32>, tensor<100x8xf32>, !plx.batch, tensor<100x8xf32>, tensor<100x8xf32>, !plx.carry<2 x 100 x 8>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @rows_with_state
// CHECK: ssm.diagonal {{.*}} state %{{.*}} form scan from 64 :
func.func @rows_with_state(%u: tensor<?x24xf32>, %few: tensor<1x12xf32>, %h: !plx.carry<2 x 1 x 12>, %batch: !plx.batch) -> tensor<?x24xf32> {
  %y = ssm.diagonal polar dirac %u, %few, %few, %batch state %h : (tensor<?x24xf32>, tensor<1x12xf32>, tensor<1x12xf32>, !plx.batch, !plx.carry<2 x 1 x 12>) -> tensor<?x24xf32>
  return %y : tensor<?x24xf32>
}

// -----

// Of many modes; of few.
// CHECK-LABEL: func.func @readouts
// CHECK: ssm.diagonal {{.*}} form convolution from 64 : (tensor<?x8xf32>, tensor<100x8xf32>
// CHECK: ssm.diagonal {{.*}} form recurrent : (tensor<?x8xf32>, tensor<4x8xf32>
func.func @readouts(%u: tensor<?x8xf32>, %many: tensor<100x8xf32>, %few: tensor<4x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
  %y = ssm.diagonal log zoh %u, %many, %many, %batch readout %many, %many : (tensor<?x8xf32>, tensor<100x8xf32>, tensor<100x8xf32>, !plx.batch, tensor<100x8xf32>, tensor<100x8xf32>) -> tensor<?x8xf32>
  %z = ssm.diagonal log zoh %y, %few, %few, %batch readout %few, %few : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, !plx.batch, tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// -----

// A single vector of channels waits for itself; several do not, and a form that is given stays.
// CHECK-LABEL: func.func @complex_rows
// CHECK: ssm.diagonal {{.*}} form scan from 64 {reverse} : (tensor<?x24xf32>
// CHECK: ssm.diagonal {{.*}} form recurrent : (tensor<?x80xf32>
// CHECK: ssm.diagonal {{.*}} form scan : (tensor<?x80xf32>
func.func @complex_rows(%u: tensor<?x24xf32>, %v: tensor<?x80xf32>, %few: tensor<1x12xf32>, %many: tensor<1x40xf32>, %batch: !plx.batch) -> (tensor<?x24xf32>, tensor<?x80xf32>) {
  %y = ssm.diagonal polar dirac %u, %few, %few, %batch {reverse} : (tensor<?x24xf32>, tensor<1x12xf32>, tensor<1x12xf32>, !plx.batch) -> tensor<?x24xf32>
  %z = ssm.diagonal polar dirac %v, %many, %many, %batch : (tensor<?x80xf32>, tensor<1x40xf32>, tensor<1x40xf32>, !plx.batch) -> tensor<?x80xf32>
  %w = ssm.diagonal polar dirac %z, %many, %many, %batch form scan : (tensor<?x80xf32>, tensor<1x40xf32>, tensor<1x40xf32>, !plx.batch) -> tensor<?x80xf32>
  return %y, %w : tensor<?x24xf32>, tensor<?x80xf32>
}

// -----

// Matrices of state: large ones in chunks, small ones and what runs backward token by token.
// CHECK-LABEL: func.func @matrices
// CHECK: ssm.ssd {{.*}} form chunked from 16 {softplus} : (tensor<?x4x64xf32>
// CHECK: ssm.ssd {{.*}} form recurrent {reverse} : (tensor<?x4x64xf32>
// CHECK: ssm.ssd {{.*}} form recurrent : (tensor<?x4x64xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<?x1x16xf32>
func.func @matrices(%x: tensor<?x4x64xf32>, %d: tensor<?x4xf32>, %a: tensor<4xf32>, %b: tensor<?x1x128xf32>, %s: tensor<?x1x16xf32>, %batch: !plx.batch) -> tensor<?x4x64xf32> {
  %y = ssm.ssd %x, %d, %a, %b, %b, %batch {softplus} : (tensor<?x4x64xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<?x1x128xf32>, tensor<?x1x128xf32>, !plx.batch) -> tensor<?x4x64xf32>
  %z = ssm.ssd %y, %d, %a, %b, %b, %batch {reverse} : (tensor<?x4x64xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<?x1x128xf32>, tensor<?x1x128xf32>, !plx.batch) -> tensor<?x4x64xf32>
  %w = ssm.ssd %z, %d, %a, %s, %s, %batch : (tensor<?x4x64xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, !plx.batch) -> tensor<?x4x64xf32>
  return %w : tensor<?x4x64xf32>
}

// -----

// CHECK-LABEL: func.func @rules
// CHECK: ssm.delta_rule {{.*}} form chunked from 16 :
// CHECK: ssm.delta_rule {{.*}} form recurrent {accumulate}
func.func @rules(%q: tensor<?x2x128xf32>, %v: tensor<?x2x128xf32>, %g: tensor<?x2xf32>, %r: tensor<2xf32>, %batch: !plx.batch) -> tensor<?x2x128xf32> {
  %y = ssm.delta_rule %q, %q, %v, %g, %g, %r, %r, %batch : (tensor<?x2x128xf32>, tensor<?x2x128xf32>, tensor<?x2x128xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>, !plx.batch) -> tensor<?x2x128xf32>
  %z = ssm.delta_rule %q, %q, %y, %g, %g, %r, %r, %batch form recurrent {accumulate} : (tensor<?x2x128xf32>, tensor<?x2x128xf32>, tensor<?x2x128xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>, !plx.batch) -> tensor<?x2x128xf32>
  return %z : tensor<?x2x128xf32>
}
