// Recurrences run over sequences and blocks of channels in parallel, their states in registers.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 --split-input-file %s | FileCheck %s

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

// -----

// Long chains in chunks: keys transposed, their products, then tiles of 4 tokens and 2 vectors; a
// draft tree stays in the loop over tokens.
// CHECK-LABEL: func.func private @chunks
// CHECK: scf.parallel
// CHECK: scf.for {{.*}} -> (i1)
// CHECK: scf.for {{.*}} -> (vector<8xf32>
// CHECK: scf.parallel
// CHECK: memref.store
// CHECK: scf.for {{.*}} -> (vector<32xf32>, vector<32xf32>)
// CHECK: scf.parallel
// CHECK: scf.for {{.*}} -> (i1)
// CHECK: scf.for {{.*}} -> (vector<32xf32>, f32)
// CHECK: scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
plx.model @m {
  plx.state @h kind = replace : !plx.carry<2 x 16 x 32>
  plx.weight @a : tensor<2xf32> = #plx.source<"a">
  plx.segment @chunks(%x: tensor<?x2x32xf32>, %d: tensor<?x2xf32>, %b: tensor<?x1x16xf32>, %batch: !plx.batch) -> tensor<?x2x32xf32> {
    %a = plx.param @a : tensor<2xf32>
    %h = plx.get_state @h : !plx.carry<2 x 16 x 32>
    %y = ssm.ssd %x, %d, %a, %b, %b, %batch state %h form chunked from 16 {softplus} : (tensor<?x2x32xf32>, tensor<?x2xf32>, tensor<2xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, !plx.batch, !plx.carry<2 x 16 x 32>) -> tensor<?x2x32xf32>
    plx.return %y : tensor<?x2x32xf32>
  }
}

// -----

// Generated products keep it token by token.
// RUN: plexus-opt --plx-number-parameters --plx-decompose "--plx-lower-segments=isa=x86-64-v3 products=generated" --split-input-file %s | FileCheck %s --check-prefix=GENERATED
// GENERATED-LABEL: func.func private @tokens
// GENERATED: scf.parallel
// GENERATED-NOT: vector<32xf32>
plx.model @m {
  plx.weight @a : tensor<2xf32> = #plx.source<"a">
  plx.state @h kind = replace : !plx.carry<2 x 16 x 32>
  plx.segment @tokens(%x: tensor<?x2x32xf32>, %d: tensor<?x2xf32>, %b: tensor<?x1x16xf32>, %batch: !plx.batch) -> tensor<?x2x32xf32> {
    %a = plx.param @a : tensor<2xf32>
    %h = plx.get_state @h : !plx.carry<2 x 16 x 32>
    %y = ssm.ssd %x, %d, %a, %b, %b, %batch state %h form chunked from 16 {softplus} : (tensor<?x2x32xf32>, tensor<?x2xf32>, tensor<2xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>, !plx.batch, !plx.carry<2 x 16 x 32>) -> tensor<?x2x32xf32>
    plx.return %y : tensor<?x2x32xf32>
  }
}

// -----

// States of 8 MiB: a single token leaves its own past the caches, where the slot is aligned, and asks
// for the next column's.
// CHECK-LABEL: func.func private @large
// CHECK: "llvm.intr.prefetch"
// CHECK: llvm.store {{.*}}nontemporal
plx.model @m {
  plx.weight @a : tensor<64xf32> = #plx.source<"a">
  plx.state @h kind = replace : !plx.carry<64 x 512 x 64>
  plx.segment @large(%x: tensor<?x64x64xf32>, %d: tensor<?x64xf32>, %b: tensor<?x1x512xf32>, %batch: !plx.batch) -> tensor<?x64x64xf32> {
    %a = plx.param @a : tensor<64xf32>
    %h = plx.get_state @h : !plx.carry<64 x 512 x 64>
    %y = ssm.ssd %x, %d, %a, %b, %b, %batch state %h form recurrent {softplus} : (tensor<?x64x64xf32>, tensor<?x64xf32>, tensor<64xf32>, tensor<?x1x512xf32>, tensor<?x1x512xf32>, !plx.batch, !plx.carry<64 x 512 x 64>) -> tensor<?x64x64xf32>
    plx.return %y : tensor<?x64x64xf32>
  }
  plx.schedule @forward(%x: tensor<?x64x64xf32>, %d: tensor<?x64xf32>, %b: tensor<?x1x512xf32>, %batch: !plx.batch) {
    %0 = plx.run @large layer 0 (%x, %d, %b, %batch) : (tensor<?x64x64xf32>, tensor<?x64xf32>, tensor<?x1x512xf32>, !plx.batch) -> tensor<?x64x64xf32>
    plx.outputs "y" = %0 : tensor<?x64x64xf32>
  }
}
