// Splines: the order + 1 basis values of an input are made in registers and multiplied at once; no matrix of bases.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func private @bspline
// CHECK: scf.parallel
// CHECK: memref.alloca
// CHECK: arith.cmpf ole
// CHECK: vector.broadcast
// CHECK: math.fma
// CHECK-NOT: kan.bspline %
plx.model @m {
  plx.weight @t : tensor<12x5xf32> = #plx.source<"t">
  plx.weight @c : tensor<5x8x7xf32> = #plx.source<"c">
  plx.segment @bspline(%x: tensor<?x5xf32>, %batch: !plx.batch) -> tensor<?x7xf32> {
    %t = plx.param @t : tensor<12x5xf32>
    %c = plx.param @c : tensor<5x8x7xf32>
    %y = kan.bspline %x, %t, %c {order = 3 : i64} : (tensor<?x5xf32>, tensor<12x5xf32>, tensor<5x8x7xf32>) -> tensor<?x7xf32>
    plx.return %y : tensor<?x7xf32>
  }
}

// -----

// CHECK-LABEL: func.func private @fourier
// CHECK: scf.parallel
// CHECK: math.fma
// CHECK-NOT: kan.fourier %
plx.model @m {
  plx.weight @c : tensor<5x8x7xf32> = #plx.source<"c">
  plx.segment @fourier(%x: tensor<?x5xf32>, %batch: !plx.batch) -> tensor<?x7xf32> {
    %c = plx.param @c : tensor<5x8x7xf32>
    %y = kan.fourier %x, %c : (tensor<?x5xf32>, tensor<5x8x7xf32>) -> tensor<?x7xf32>
    plx.return %y : tensor<?x7xf32>
  }
}
