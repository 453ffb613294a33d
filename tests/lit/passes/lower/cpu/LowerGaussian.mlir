// A filter runs over its sequences in parallel, each token after the one before, in f64.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 %s | FileCheck %s

// CHECK-LABEL: func.func private @s
// CHECK: memref.alloc({{.*}}) : memref<?x7xf64>
// CHECK: scf.parallel
// CHECK: scf.for
// CHECK: math.sqrt {{.*}} : f64
// CHECK-NOT: ssm.
plx.model @m {
  plx.state @h kind = replace : !plx.carry<7 x 2>
  plx.weight @a : tensor<2x2xf32> = #plx.source<"a">
  plx.segment @s(%f: tensor<?x2xf32>, %batch: !plx.batch) -> tensor<?x2xf32> {
    %a = plx.param @a : tensor<2x2xf32>
    %s = plx.get_state @h : !plx.carry<7 x 2>
    %m, %c = ssm.discriminative_filter %f, %a, %a, %a, %a, %batch state %s : (tensor<?x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, !plx.batch, !plx.carry<7 x 2>) -> (tensor<?x2xf32>, tensor<?x2x2xf32>)
    plx.return %m : tensor<?x2xf32>
  }
}
