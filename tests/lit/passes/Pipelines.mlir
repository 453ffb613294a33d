// RUN: plexus-opt %s --plx-model --plx-cpu | FileCheck %s
// RUN: plexus-opt %s --plx-model --plx-cpu=decompose=all | FileCheck %s
// RUN: not plexus-opt %s --plx-cpu=isa=z80 2>&1 | FileCheck %s --check-prefix=ISA
// RUN: not plexus-opt %s --plx-cpu=decompose=some 2>&1 | FileCheck %s --check-prefix=DECOMPOSE
// ISA: there is no isa 'z80'
// DECOMPOSE: decompose is 'needed' or 'all', not 'some'

// However its ops are lowered, a segment ends as an entry point and what its scratch takes.
// CHECK-DAG: func.func @plx_norm_scratch(%{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64) -> i64
// CHECK-DAG: func.func @plx_norm(%{{.*}}: !llvm.ptr) -> i32
plx.model @m {
  plx.weight @g : tensor<8xf32> = #plx.source<"g">
  plx.segment @norm(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %g = plx.param @g : tensor<8xf32>
    %0 = plx.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x8xf32>, tensor<8xf32>
    plx.return %0 : tensor<?x8xf32>
  }
}
