// Filters and smoothers of linear-Gaussian state spaces, hidden Markov models: printed form and meaning.
// RUN: plexus-opt -split-input-file %s | plexus-opt -split-input-file | FileCheck %s --check-prefix=FORM
// RUN: plexus-opt --test-plx-decompose -split-input-file %s | FileCheck %s

// FORM-LABEL: func.func @filter
// FORM: ssm.kalman_filter {{.*}} observed %{{.*}} offset %{{.*}} state %{{.*}}
// CHECK-LABEL: func.func @filter
// CHECK: scf.for {{.*}}tensor<8x2xf32>
// CHECK: plx.carry_read {{.*}} : tensor<8x2xf32>
// CHECK: math.sqrt {{.*}} : f64
// CHECK: math.log {{.*}} : f64
// CHECK: plx.carry_write
// CHECK-NOT: ssm.
func.func @filter(%y: tensor<?x3xf32>, %o: tensor<?xi32>, %a: tensor<2x2xf32>, %w: tensor<2x3x3xf32>, %h: tensor<2x2x3xf32>, %j: tensor<2x2x2xf32>, %l: tensor<2x1xf32>, %m: tensor<2xf32>, %s: !plx.carry<8 x 2>, %batch: !plx.batch) -> tensor<?x2xf32> {
  %pm, %pc, %fm, %fc, %ll = ssm.kalman_filter %y, %a, %a, %w, %h, %j, %l, %m, %a, %batch observed %o offset %m state %s : (tensor<?x3xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x3x3xf32>, tensor<2x2x3xf32>, tensor<2x2x2xf32>, tensor<2x1xf32>, tensor<2xf32>, tensor<2x2xf32>, !plx.batch, tensor<?xi32>, tensor<2xf32>, !plx.carry<8 x 2>) -> (tensor<?x2xf32>, tensor<?x2x2xf32>, tensor<?x2xf32>, tensor<?x2x2xf32>, tensor<?x1xf32>)
  return %fm : tensor<?x2xf32>
}

// -----

// Forward, then backward; nothing is kept.
// FORM-LABEL: func.func @smoother
// FORM: ssm.kalman_smoother
// CHECK-LABEL: func.func @smoother
// CHECK: plx.carry_read
// CHECK: plx.carry_read {{.*}} {reverse}
// CHECK-NOT: plx.carry_write
// CHECK-NOT: ssm.
func.func @smoother(%y: tensor<?x3xf32>, %a: tensor<2x2xf32>, %w: tensor<2x3x3xf32>, %h: tensor<2x2x3xf32>, %j: tensor<2x2x2xf32>, %l: tensor<2x1xf32>, %m: tensor<2xf32>, %batch: !plx.batch) -> tensor<?x2x2xf32> {
  %sm, %sc, %lag = ssm.kalman_smoother %y, %a, %a, %w, %h, %j, %l, %m, %a, %batch : (tensor<?x3xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x3x3xf32>, tensor<2x2x3xf32>, tensor<2x2x2xf32>, tensor<2x1xf32>, tensor<2xf32>, tensor<2x2xf32>, !plx.batch) -> (tensor<?x2xf32>, tensor<?x2x2xf32>, tensor<?x2x2xf32>)
  return %lag : tensor<?x2x2xf32>
}

// -----

// FORM-LABEL: func.func @discriminative
// FORM: ssm.discriminative_filter {{.*}} state
// CHECK-LABEL: func.func @discriminative
// CHECK: plx.carry_read {{.*}} : tensor<7x2xf32>
// CHECK: plx.carry_write
// CHECK-NOT: ssm.
func.func @discriminative(%f: tensor<?x2xf32>, %q: tensor<?x2x2xf32>, %a: tensor<2x2xf32>, %s: !plx.carry<7 x 2>, %batch: !plx.batch) -> tensor<?x2xf32> {
  %m, %c = ssm.discriminative_filter %f, %q, %a, %a, %a, %batch state %s : (tensor<?x2xf32>, tensor<?x2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, !plx.batch, !plx.carry<7 x 2>) -> (tensor<?x2xf32>, tensor<?x2x2xf32>)
  return %m : tensor<?x2xf32>
}

// -----

// FORM-LABEL: func.func @hidden
// FORM: ssm.emission poisson %{{.*}}, %{{.*}} covariates %{{.*}}, %{{.*}} :
// FORM: ssm.hmm_filter {{.*}} inputs %{{.*}}, %{{.*}} state
// CHECK-LABEL: func.func @hidden
// CHECK: math.exp {{.*}} : f64
// CHECK: plx.carry_read {{.*}} : tensor<5x2xf32>
// CHECK: plx.carry_write
// CHECK-NOT: ssm.
func.func @hidden(%y: tensor<?xf32>, %x: tensor<?x4xf32>, %w: tensor<3x4xf32>, %pi: tensor<3xf32>, %t: tensor<3x3xf32>, %s: !plx.carry<5 x 2>, %batch: !plx.batch) -> tensor<?x3xf32> {
  %l = ssm.emission poisson %y, %pi covariates %x, %w : (tensor<?xf32>, tensor<3xf32>, tensor<?x4xf32>, tensor<3x4xf32>) -> tensor<?x3xf32>
  %p, %ll = ssm.hmm_filter %l, %pi, %t, %batch inputs %x, %w state %s : (tensor<?x3xf32>, tensor<3xf32>, tensor<3x3xf32>, !plx.batch, tensor<?x4xf32>, tensor<3x4xf32>, !plx.carry<5 x 2>) -> (tensor<?x3xf32>, tensor<?x1xf32>)
  return %p : tensor<?x3xf32>
}

// -----

// FORM-LABEL: func.func @paths
// FORM: ssm.hmm_smoother
// FORM: ssm.viterbi
// CHECK-LABEL: func.func @paths
// CHECK: plx.carry_read {{.*}} {reverse}
// CHECK: arith.fptosi
// CHECK-NOT: ssm.
func.func @paths(%l: tensor<?x3xf32>, %pi: tensor<3xf32>, %t: tensor<3x3xf32>, %batch: !plx.batch) -> (tensor<?x3xf32>, tensor<?xi32>) {
  %p = ssm.hmm_smoother %l, %pi, %t, %batch : (tensor<?x3xf32>, tensor<3xf32>, tensor<3x3xf32>, !plx.batch) -> tensor<?x3xf32>
  %path, %score = ssm.viterbi %l, %pi, %t, %batch : (tensor<?x3xf32>, tensor<3xf32>, tensor<3x3xf32>, !plx.batch) -> (tensor<?xi32>, tensor<?x1xf32>)
  return %p, %path : tensor<?x3xf32>, tensor<?xi32>
}
