// What the filters refuse, and in which words.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics

func.func @readout(%y: tensor<?x3xf32>, %a: tensor<2x2xf32>, %w: tensor<2x3x3xf32>, %h: tensor<2x3x2xf32>, %j: tensor<2x2x2xf32>, %l: tensor<2x1xf32>, %m: tensor<2xf32>, %batch: !plx.batch) -> tensor<?x2xf32> {
  // expected-error @+1 {{'readout' is 'tensor<2x3x2xf32>', expected the shape [2, 2, 3]}}
  %sm, %sc, %lag = ssm.kalman_smoother %y, %a, %a, %w, %h, %j, %l, %m, %a, %batch : (tensor<?x3xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x3x3xf32>, tensor<2x3x2xf32>, tensor<2x2x2xf32>, tensor<2x1xf32>, tensor<2xf32>, tensor<2x2xf32>, !plx.batch) -> (tensor<?x2xf32>, tensor<?x2x2xf32>, tensor<?x2x2xf32>)
  return %sm : tensor<?x2xf32>
}

// -----

func.func @state(%f: tensor<?x2xf32>, %q: tensor<2x2xf32>, %s: !plx.carry<8 x 2>, %batch: !plx.batch) -> tensor<?x2xf32> {
  // expected-error @+1 {{'state' is '!plx.carry<8 x 2>', expected '!plx.carry<7 x 2>'}}
  %m, %c = ssm.discriminative_filter %f, %q, %q, %q, %q, %batch state %s : (tensor<?x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, !plx.batch, !plx.carry<8 x 2>) -> (tensor<?x2xf32>, tensor<?x2x2xf32>)
  return %m : tensor<?x2xf32>
}

// -----

func.func @variance(%y: tensor<?xf32>, %b: tensor<3xf32>) -> tensor<?x3xf32> {
  // expected-error @+1 {{gaussian needs 'log_variance'}}
  %l = ssm.emission gaussian %y, %b : (tensor<?xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  return %l : tensor<?x3xf32>
}

// -----

func.func @transition(%l: tensor<?x3xf32>, %pi: tensor<3xf32>, %t: tensor<3x4xf32>, %batch: !plx.batch) -> tensor<?x3xf32> {
  // expected-error @+1 {{'transition' has columns 4, expected 3}}
  %p = ssm.hmm_smoother %l, %pi, %t, %batch : (tensor<?x3xf32>, tensor<3xf32>, tensor<3x4xf32>, !plx.batch) -> tensor<?x3xf32>
  return %p : tensor<?x3xf32>
}
