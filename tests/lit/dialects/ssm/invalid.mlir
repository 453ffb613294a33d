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

// -----

func.func @heads(%q: tensor<?x3x8xf32>, %v: tensor<?x4x16xf32>, %a: tensor<?x4xf32>, %r: tensor<4xf32>, %batch: !plx.batch) -> tensor<?x4x16xf32> {
  // expected-error @+1 {{'value' has 4 heads, expected a multiple of the key's 3}}
  %y = ssm.delta_rule %q, %q, %v, %a, %a, %r, %r, %batch : (tensor<?x3x8xf32>, tensor<?x3x8xf32>, tensor<?x4x16xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, !plx.batch) -> tensor<?x4x16xf32>
  return %y : tensor<?x4x16xf32>
}

// -----

func.func @one_state(%g: tensor<?x40xf32>, %u: tensor<40x10xf32>, %h: !plx.carry<10>, %batch: !plx.batch) -> tensor<?x10xf32> {
  // expected-error @+1 {{needs both 'state' and 'memory', or none of them}}
  %y = ssm.lstm %g, %u, %batch state %h : (tensor<?x40xf32>, tensor<40x10xf32>, !plx.batch, !plx.carry<10>) -> tensor<?x10xf32>
  return %y : tensor<?x10xf32>
}

// -----

func.func @modes(%u: tensor<?x16xf32>, %re: tensor<4x8xf32>, %batch: !plx.batch) -> tensor<?x16xf32> {
  // expected-error @+1 {{'real' has 4 modes a channel, which needs a readout}}
  %y = ssm.diagonal cartesian zoh %u, %re, %re, %batch : (tensor<?x16xf32>, tensor<4x8xf32>, tensor<4x8xf32>, !plx.batch) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

func.func @form_with_state(%u: tensor<?x16xf32>, %re: tensor<1x8xf32>, %h: !plx.carry<2 x 1 x 8>, %batch: !plx.batch) -> tensor<?x16xf32> {
  // expected-error @+1 {{'form' convolution is for whole sequences, which have no 'state'}}
  %y = ssm.diagonal cartesian zoh %u, %re, %re, %batch state %h form convolution : (tensor<?x16xf32>, tensor<1x8xf32>, tensor<1x8xf32>, !plx.batch, !plx.carry<2 x 1 x 8>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

func.func @convolution_of_complex_rows(%u: tensor<?x16xf32>, %re: tensor<1x8xf32>, %batch: !plx.batch) -> tensor<?x16xf32> {
  // expected-error @+1 {{'form' convolution needs a readout}}
  %y = ssm.diagonal cartesian zoh %u, %re, %re, %batch form convolution from 8 : (tensor<?x16xf32>, tensor<1x8xf32>, tensor<1x8xf32>, !plx.batch) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

func.func @modes_of_another_shape(%u: tensor<?x8xf32>, %re: tensor<4x8xf32>, %m: tensor<2x4x8xf32>, %p: tensor<2x3x8xf32>, %dt: tensor<8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
  // expected-error @+1 {{'p' is 'tensor<2x3x8xf32>', expected the shape [2, 4, 8]}}
  %y = ssm.dplr log %u, %re, %re, %p, %m, %m, %m, %batch, %dt : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<2x3x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, !plx.batch, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @chunked_backward(%x: tensor<?x4x8xf32>, %d: tensor<?x4xf32>, %a: tensor<4xf32>, %b: tensor<?x1x8xf32>, %batch: !plx.batch) -> tensor<?x4x8xf32> {
  // expected-error @+1 {{'form' is chunked, which has no 'reverse'}}
  %y = ssm.ssd %x, %d, %a, %b, %b, %batch form chunked {reverse} : (tensor<?x4x8xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<?x1x8xf32>, tensor<?x1x8xf32>, !plx.batch) -> tensor<?x4x8xf32>
  return %y : tensor<?x4x8xf32>
}

// -----

func.func @form_of_others(%x: tensor<?x4x8xf32>, %d: tensor<?x4xf32>, %a: tensor<4xf32>, %b: tensor<?x1x8xf32>, %batch: !plx.batch) -> tensor<?x4x8xf32> {
  // expected-error @+1 {{'form' is scan, expected one of recurrent, chunked}}
  %y = ssm.ssd %x, %d, %a, %b, %b, %batch form scan : (tensor<?x4x8xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<?x1x8xf32>, tensor<?x1x8xf32>, !plx.batch) -> tensor<?x4x8xf32>
  return %y : tensor<?x4x8xf32>
}
