// Gated recurrences: states in registers, or for a matrix of a head in the first cache.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func private @rg_lru
// CHECK: scf.parallel
// CHECK: scf.for {{.*}} -> (vector<8xf32>)
// CHECK: math.sqrt {{.*}} : vector<8xf32>
// CHECK-NOT: ssm.
plx.model @m {
  plx.state @h kind = replace : !plx.carry<16>
  plx.weight @d : tensor<16xf32> = #plx.source<"d">
  plx.segment @rg_lru(%x: tensor<?x16xf32>, %batch: !plx.batch) -> tensor<?x16xf32> {
    %d = plx.param @d : tensor<16xf32>
    %h = plx.get_state @h : !plx.carry<16>
    %y = ssm.rg_lru %x, %x, %x, %d, %batch state %h : (tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<16xf32>, !plx.batch, !plx.carry<16>) -> tensor<?x16xf32>
    plx.return %y : tensor<?x16xf32>
  }
}

// -----

// Numerator, denominator and largest exponent.
// CHECK-LABEL: func.func private @wkv
// CHECK: scf.parallel
// CHECK: scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>)
// CHECK-NOT: ssm.
plx.model @m {
  plx.weight @d : tensor<16xf32> = #plx.source<"d">
  plx.segment @wkv(%x: tensor<?x16xf32>, %batch: !plx.batch) -> tensor<?x16xf32> {
    %d = plx.param @d : tensor<16xf32>
    %y = ssm.wkv %x, %x, %d, %d, %batch : (tensor<?x16xf32>, tensor<?x16xf32>, tensor<16xf32>, tensor<16xf32>, !plx.batch) -> tensor<?x16xf32>
    plx.return %y : tensor<?x16xf32>
  }
}

// -----

// A column of the state on the stack: sums for key and query in four chains, then what is written.
// CHECK-LABEL: func.func private @delta
// CHECK: scf.parallel
// CHECK: memref.alloca
// CHECK: scf.for {{.*}} -> ({{(vector<8xf32>, ){7}vector<8xf32>}})
// CHECK: scf.for
// CHECK: vector.reduction <add>
// CHECK-NOT: ssm.
plx.model @m {
  plx.weight @r : tensor<2xf32> = #plx.source<"r">
  plx.segment @delta(%x: tensor<?x16xf32>, %a: tensor<?x2xf32>, %batch: !plx.batch) -> tensor<?x16xf32> {
    %r = plx.param @r : tensor<2xf32>
    %q = plx.reshape %x : tensor<?x16xf32> -> tensor<?x2x8xf32>
    %y = ssm.delta_rule %q, %q, %q, %a, %a, %r, %r, %batch : (tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>, !plx.batch) -> tensor<?x2x8xf32>
    %z = plx.reshape %y : tensor<?x2x8xf32> -> tensor<?x16xf32>
    plx.return %z : tensor<?x16xf32>
  }
}
