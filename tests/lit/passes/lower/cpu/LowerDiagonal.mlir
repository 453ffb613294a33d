// Diagonal state spaces: coefficients once a call, then the form that the op has.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 --split-input-file %s | FileCheck %s

// Modes on the stack, their sum a vector of 8 channels.
// CHECK-LABEL: func.func private @readout
// CHECK: math.expm1 {{.*}} : vector<8xf32>
// CHECK: scf.parallel
// CHECK: scf.for {{.*}} -> (vector<8xf32>)
// CHECK-NOT: ssm.
plx.model @m {
  plx.state @h kind = replace : !plx.carry<2 x 4 x 8>
  plx.weight @w : tensor<4x8xf32> = #plx.source<"w">
  plx.segment @readout(%u: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %w = plx.param @w : tensor<4x8xf32>
    %h = plx.get_state @h : !plx.carry<2 x 4 x 8>
    %y = ssm.diagonal log zoh %u, %w, %w, %batch readout %w, %w state %h : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, !plx.batch, tensor<4x8xf32>, tensor<4x8xf32>, !plx.carry<2 x 4 x 8>) -> tensor<?x8xf32>
    plx.return %y : tensor<?x8xf32>
  }
}

// -----

// Complex rows in registers: two vectors of channels, real and imaginary parts.
// CHECK-LABEL: func.func private @rows
// CHECK: scf.parallel
// CHECK: scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)
plx.model @m {
  plx.weight @w : tensor<1x16xf32> = #plx.source<"w">
  plx.segment @rows(%u: tensor<?x32xf32>, %batch: !plx.batch) -> tensor<?x32xf32> {
    %w = plx.param @w : tensor<1x16xf32>
    %y = ssm.diagonal polar dirac %u, %w, %w, %batch form recurrent : (tensor<?x32xf32>, tensor<1x16xf32>, tensor<1x16xf32>, !plx.batch) -> tensor<?x32xf32>
    plx.return %y : tensor<?x32xf32>
  }
}

// -----

// Eight chunks and a power side by side; sequences of fewer than 64 tokens one by one.
// CHECK-LABEL: func.func private @scan
// CHECK: %[[SHORTEST:.*]] = arith.constant 64 : index
// CHECK: arith.cmpi {{.*}}, %{{.*}}, %{{.*}} : index
// CHECK: scf.if
// CHECK: scf.for {{.*}} -> ({{(vector<8xf32>, ){17}vector<8xf32>}})
// CHECK: } else {
// CHECK: scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>)
plx.model @m {
  plx.weight @w : tensor<1x8xf32> = #plx.source<"w">
  plx.segment @scan(%u: tensor<?x16xf32>, %batch: !plx.batch) -> tensor<?x16xf32> {
    %w = plx.param @w : tensor<1x8xf32>
    %y = ssm.diagonal polar dirac %u, %w, %w, %batch form scan from 64 : (tensor<?x16xf32>, tensor<1x8xf32>, tensor<1x8xf32>, !plx.batch) -> tensor<?x16xf32>
    plx.return %y : tensor<?x16xf32>
  }
}

// -----

// Roots of unity, then pairs of vectors of channels in rows of 16.
// CHECK-LABEL: func.func private @convolution
// CHECK: memref.alloc(%{{.*}}) {{.*}}: memref<2x?x16xf32>
// CHECK: memref.alloc(%{{.*}}) {{.*}}: memref<2x?x16xf32>
// CHECK: memref.alloc(%{{.*}}) {{.*}}: memref<2x?xf32>
// CHECK: scf.parallel
plx.model @m {
  plx.weight @w : tensor<4x20xf32> = #plx.source<"w">
  plx.segment @convolution(%u: tensor<?x20xf32>, %batch: !plx.batch) -> tensor<?x20xf32> {
    %w = plx.param @w : tensor<4x20xf32>
    %y = ssm.diagonal log zoh %u, %w, %w, %batch readout %w, %w form convolution : (tensor<?x20xf32>, tensor<4x20xf32>, tensor<4x20xf32>, !plx.batch, tensor<4x20xf32>, tensor<4x20xf32>) -> tensor<?x20xf32>
    plx.return %y : tensor<?x20xf32>
  }
}
