// Low-rank state spaces token by token, and as a convolution whose kernel is the answer to an impulse.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 --split-input-file %s | FileCheck %s

// Coefficients once a call, then the tokens.
// CHECK-LABEL: func.func private @tokens
// CHECK: math.exp
// CHECK: scf.parallel
// CHECK: memref.alloca
// CHECK: scf.for
// CHECK: math.fma
// CHECK-NOT: ssm.dplr log
plx.model @m {
  plx.state @h kind = replace : !plx.carry<2 x 4 x 8>
  plx.weight @a : tensor<4x8xf32> = #plx.source<"a">
  plx.weight @p : tensor<2x4x8xf32> = #plx.source<"p">
  plx.weight @dt : tensor<8xf32> = #plx.source<"dt">
  plx.segment @tokens(%u: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %a = plx.param @a : tensor<4x8xf32>
    %p = plx.param @p : tensor<2x4x8xf32>
    %dt = plx.param @dt : tensor<8xf32>
    %h = plx.get_state @h : !plx.carry<2 x 4 x 8>
    %y = ssm.dplr log %u, %a, %a, %p, %p, %p, %p, %batch, %dt state %h : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, !plx.batch, tensor<8xf32>, !plx.carry<2 x 4 x 8>) -> tensor<?x8xf32>
    plx.return %y : tensor<?x8xf32>
  }
}

// -----

// CHECK-LABEL: func.func private @convolution
// CHECK: math.exp
// CHECK: arith.constant 64 : index
// CHECK-NEXT: arith.cmpi slt
// CHECK: math.fma
// CHECK-NOT: ssm.dplr log
plx.model @m {
  plx.weight @a : tensor<4x8xf32> = #plx.source<"a">
  plx.weight @p : tensor<2x4x8xf32> = #plx.source<"p">
  plx.weight @dt : tensor<8xf32> = #plx.source<"dt">
  plx.segment @convolution(%u: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %a = plx.param @a : tensor<4x8xf32>
    %p = plx.param @p : tensor<2x4x8xf32>
    %dt = plx.param @dt : tensor<8xf32>
    %y = ssm.dplr log %u, %a, %a, %p, %p, %p, %p, %batch, %dt form convolution from 64 : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, !plx.batch, tensor<8xf32>) -> tensor<?x8xf32>
    plx.return %y : tensor<?x8xf32>
  }
}
