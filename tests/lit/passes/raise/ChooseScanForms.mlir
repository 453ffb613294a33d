// What has a state is recurrent; whole sequences take the form with fewer operations.
// RUN: plexus-opt --plx-choose-scan-forms --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @states
// CHECK: ssm.diagonal {{.*}} state %{{.*}} form recurrent :
func.func @states(%u: tensor<?x8xf32>, %re: tensor<100x8xf32>, %h: !plx.carry<2 x 100 x 8>, %batch: !plx.batch) -> tensor<?x8xf32> {
  %y = ssm.diagonal log zoh %u, %re, %re, %batch readout %re, %re state %h : (tensor<?x8xf32>, tensor<100x8xf32>, tensor<100x8xf32>, !plx.batch, tensor<100x8xf32>, tensor<100x8xf32>, !plx.carry<2 x 100 x 8>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
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
