// Recurrences run over sequences and blocks of channels in parallel, their states in registers.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 %s | FileCheck %s

// 36 channels: a block of four vectors of 8, and a rest of 4.
// CHECK-LABEL: func.func private @s
// CHECK: scf.parallel
// CHECK: scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)
// CHECK: scf.parallel
// CHECK: scf.for {{.*}} -> (vector<4xf32>)
plx.model @m {
  plx.state @h kind = replace : !plx.carry<1 x 36>
  plx.weight @w : tensor<2x36xbf16> = #plx.source<"w">
  plx.segment @s(%x: tensor<?x36xf32>, %batch: !plx.batch) -> tensor<?x36xf32> {
    %w = plx.param @w : tensor<2x36xbf16>
    %h = plx.get_state @h : !plx.carry<1 x 36>
    %0 = ssm.causal_conv %x, %w, %batch state %h : (tensor<?x36xf32>, tensor<2x36xbf16>, !plx.batch, !plx.carry<1 x 36>) -> tensor<?x36xf32>
    plx.return %0 : tensor<?x36xf32>
  }
}
