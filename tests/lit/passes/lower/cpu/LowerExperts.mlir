// Experts: rows gathered by expert, a product for each expert, sums for each token.
// RUN: plexus-opt --plx-assign-encodings=weights=f32 --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 %s | FileCheck %s

// Where each of 4 experts' rows begin, tokens of the gathered rows, their places.
// CHECK-LABEL: func.func private @experts
// CHECK-DAG: memref.alloc() {{.*}}: memref<5xi32>
// CHECK-DAG: memref.alloc(%{{.*}}) {{.*}}: memref<?xi32>
// CHECK-DAG: memref.alloc(%{{.*}}) {{.*}}: memref<?x4xi32>
// CHECK: scf.for
// CHECK: scf.parallel
// CHECK-NOT: plx.moe
plx.model @m {
  plx.weight @gu : tensor<256x32xf32> = #plx.source<"gu">
  plx.weight @d : tensor<256x32xf32> = #plx.source<"d">
  plx.segment @experts(%x: tensor<?x32xf32>, %l: tensor<?x4xf32>, %batch: !plx.batch) -> tensor<?x32xf32> {
    %gu = plx.param @gu : tensor<256x32xf32>
    %d = plx.param @d : tensor<256x32xf32>
    %r = plx.route softmax %l {top_k = 2} : tensor<?x4xf32>
    %y = plx.moe silu %x, %r, %gu, %d {top_k = 2, hidden = 32} : tensor<?x32xf32>, tensor<?x4xf32>, tensor<256x32xf32>, tensor<256x32xf32>
    plx.return %y : tensor<?x32xf32>
  }
}
