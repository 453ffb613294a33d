// What ssm refuses, and in which words.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics

func.func @state(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %s: !plx.carry<4 x 8>, %batch: !plx.batch) -> tensor<?x8xf32> {
  // expected-error @+1 {{'state' is '!plx.carry<4 x 8>', expected '!plx.carry<3 x 8>'}}
  %0 = ssm.causal_conv %x, %w, %batch state %s : (tensor<?x8xf32>, tensor<4x8xf32>, !plx.batch, !plx.carry<4 x 8>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

func.func @channels(%x: tensor<?x8xf32>, %w: tensor<4x6xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
  // expected-error @+1 {{'weight' has channels 6, expected 8}}
  %0 = ssm.causal_conv %x, %w, %batch : (tensor<?x8xf32>, tensor<4x6xf32>, !plx.batch) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

func.func @reverse(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %s: !plx.carry<3 x 8>, %batch: !plx.batch) -> tensor<?x8xf32> {
  // expected-error @+1 {{'reverse' is for whole sequences, which have no 'state'}}
  %0 = ssm.causal_conv %x, %w, %batch state %s {reverse} : (tensor<?x8xf32>, tensor<4x8xf32>, !plx.batch, !plx.carry<3 x 8>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
