// Gated recurrences, cells and diagonal state spaces: printed form and meaning.
// RUN: plexus-opt -split-input-file %s | plexus-opt -split-input-file | FileCheck %s --check-prefix=FORM
// RUN: plexus-opt --test-plx-decompose -split-input-file %s | FileCheck %s

// FORM-LABEL: func.func @rg_lru
// FORM: ssm.rg_lru %{{.*}} state %{{.*}}
// CHECK-LABEL: func.func @rg_lru
// CHECK: plx.batch_field position
// CHECK: scf.for
// CHECK: plx.carry_read
// CHECK: math.sqrt
// CHECK: plx.carry_write
// CHECK-NOT: ssm.
func.func @rg_lru(%x: tensor<?x8xf32>, %d: tensor<8xf32>, %s: !plx.carry<8>, %batch: !plx.batch) -> tensor<?x8xf32> {
  %y = ssm.rg_lru %x, %x, %x, %d, %batch state %s : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>, !plx.batch, !plx.carry<8>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @wkv
// CHECK: plx.carry_read {{.*}} : tensor<3x8xf32>
// CHECK: arith.maximumf
// CHECK-NOT: plx.carry_write
// CHECK-NOT: ssm.
func.func @wkv(%x: tensor<?x8xf32>, %d: tensor<8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
  %y = ssm.wkv %x, %x, %d, %d, %batch : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>, !plx.batch) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// What the key recalls is subtracted before it is written.
// FORM-LABEL: func.func @delta
// FORM: ssm.delta_rule {{.*}} {beta_scale = 2.000000e+00 : f32}
// CHECK-LABEL: func.func @delta
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.subf
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-NOT: ssm.
func.func @delta(%q: tensor<?x2x8xf32>, %v: tensor<?x4x16xf32>, %a: tensor<?x4xf32>, %r: tensor<4xf32>, %batch: !plx.batch) -> tensor<?x4x16xf32> {
  %y = ssm.delta_rule %q, %q, %v, %a, %a, %r, %r, %batch {beta_scale = 2.0 : f32} : (tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x4x16xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, !plx.batch) -> tensor<?x4x16xf32>
  return %y : tensor<?x4x16xf32>
}

// -----

// FORM-LABEL: func.func @lstm
// FORM: ssm.lstm %{{.*}} projection %{{.*}} state %{{.*}} memory %{{.*}} {reverse}
// CHECK-LABEL: func.func @lstm
// CHECK: plx.carry_read {{.*}} {reverse} : tensor<7xf32>
// CHECK: plx.carry_read {{.*}} {reverse} : tensor<10xf32>
// CHECK: math.tanh
// CHECK: plx.carry_write {{.*}} {reverse}
// CHECK-NOT: ssm.
func.func @lstm(%g: tensor<?x40xf32>, %u: tensor<40x7xf32>, %p: tensor<7x10xf32>, %h: !plx.carry<7>, %c: !plx.carry<10>, %batch: !plx.batch) -> tensor<?x7xf32> {
  %y = ssm.lstm %g, %u, %batch projection %p state %h memory %c {reverse} : (tensor<?x40xf32>, tensor<40x7xf32>, !plx.batch, tensor<7x10xf32>, !plx.carry<7>, !plx.carry<10>) -> tensor<?x7xf32>
  return %y : tensor<?x7xf32>
}

// -----

// Coefficients first: a - 1 by expm1 and sin.
// FORM-LABEL: func.func @diagonal
// FORM: ssm.diagonal log zoh %{{.*}} step %{{.*}} readout
// CHECK-LABEL: func.func @diagonal
// CHECK: math.expm1
// CHECK: scf.for
// CHECK: plx.carry_read {{.*}} : tensor<2x4x8xf32>
// CHECK-NOT: ssm.
func.func @diagonal(%u: tensor<?x8xf32>, %re: tensor<4x8xf32>, %dt: tensor<8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
  %y = ssm.diagonal log zoh %u, %re, %re, %batch step %dt readout %re, %re {factor = 2.0 : f32} : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, !plx.batch, tensor<8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// FORM-LABEL: func.func @form
// FORM: ssm.diagonal cartesian bilinear {{.*}} form scan from 64 {reverse}
func.func @form(%u: tensor<?x16xf32>, %re: tensor<1x8xf32>, %batch: !plx.batch) -> tensor<?x16xf32> {
  %y = ssm.diagonal cartesian bilinear %u, %re, %re, %batch form scan from 64 {reverse} : (tensor<?x16xf32>, tensor<1x8xf32>, tensor<1x8xf32>, !plx.batch) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// 2 / step, the inverse of the diagonal part and the correction first; three dot products a token.
// FORM-LABEL: func.func @low_rank
// FORM: ssm.dplr log %{{.*}} scale %{{.*}} state %{{.*}} :
// CHECK-LABEL: func.func @low_rank
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK: scf.for
// CHECK: plx.carry_read {{.*}} : tensor<2x4x8xf32>
// CHECK-COUNT-3: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK: plx.carry_write
// CHECK-NOT: ssm.
func.func @low_rank(%u: tensor<?x8xf32>, %re: tensor<4x8xf32>, %m: tensor<2x4x8xf32>, %dt: tensor<8xf32>, %s: tensor<1xf32>, %h: !plx.carry<2 x 4 x 8>, %batch: !plx.batch) -> tensor<?x8xf32> {
  %y = ssm.dplr log %u, %re, %re, %m, %m, %m, %m, %batch, %dt scale %s state %h : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, !plx.batch, tensor<8xf32>, tensor<1xf32>, !plx.carry<2 x 4 x 8>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @forecast
// CHECK: plx.batch_field sequence
// CHECK: math.sqrt
// CHECK: linalg.generic
// CHECK-NOT: ssm.
func.func @forecast(%x: tensor<?x2xf32>, %c: tensor<?x2x8xf32>, %s: tensor<1xf32>, %batch: !plx.batch) -> tensor<?x64x2xf32> {
  %y, %mean, %deviation = ssm.standardize %x, %batch {eps = 1.0e-5 : f32} : tensor<?x2xf32> -> tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
  %f = ssm.legendre %c, %mean, %deviation, %s {horizon = 64, base = 16} : (tensor<?x2x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<1xf32>) -> tensor<?x64x2xf32>
  return %f : tensor<?x64x2xf32>
}
