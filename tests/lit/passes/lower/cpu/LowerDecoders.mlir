// Retrieval against a gallery, CTC and nearest codes.
// RUN: plexus-opt --plx-number-parameters --plx-decompose --plx-lower-segments=isa=x86-64-v3 --split-input-file %s | FileCheck %s

// Norms of the rows and of the gallery once, then cosines, then the best.
// CHECK-LABEL: func.func private @retrieve
// CHECK: scf.parallel
// CHECK: math.sqrt
// CHECK: scf.parallel
// CHECK: math.sqrt
// CHECK: scf.parallel
// CHECK: vector.reduction <add>
// CHECK: arith.cmpf ogt
// CHECK-NOT: brain.retrieve %
plx.model @m {
  plx.segment @retrieve(%x: tensor<?x32xf32>, %g: tensor<200x32xf32>, %n: tensor<1xi32>, %batch: !plx.batch) -> (tensor<?x200xf32>, tensor<?x5xi32>) {
    %cosine, %top = brain.retrieve %x, %g count %n {top_k = 5} : (tensor<?x32xf32>, tensor<200x32xf32>, tensor<1xi32>) -> (tensor<?x200xf32>, tensor<?x5xi32>)
    plx.return %cosine, %top : tensor<?x200xf32>, tensor<?x5xi32>
  }
}

// -----

// A token's label by comparisons; one that repeats the token before is left out.
// CHECK-LABEL: func.func private @ctc
// CHECK: scf.parallel
// CHECK: arith.cmpf ogt
// CHECK: scf.if
// CHECK-NOT: brain.ctc_collapse %
plx.model @m {
  plx.state @h kind = replace : !plx.carry<1>
  plx.segment @ctc(%x: tensor<?x41xf32>, %batch: !plx.batch) -> tensor<?xi32> {
    %h = plx.get_state @h : !plx.carry<1>
    %y = brain.ctc_collapse %x, %batch state %h {blank = 0} : (tensor<?x41xf32>, !plx.batch, !plx.carry<1>) -> tensor<?xi32>
    plx.return %y : tensor<?xi32>
  }
}

// -----

// CHECK-LABEL: func.func private @codes
// CHECK: math.sqrt
// CHECK: scf.parallel
// CHECK: math.fma
// CHECK-NOT: brain.vector_quantize %
plx.model @m {
  plx.weight @z : tensor<2x64x32xf32> = #plx.source<"z">
  plx.segment @codes(%x: tensor<?x32xf32>, %batch: !plx.batch) -> (tensor<?x32xf32>, tensor<?x2xi32>) {
    %z = plx.param @z : tensor<2x64x32xf32>
    %rows, %codes = brain.vector_quantize %x, %z {cosine} : tensor<?x32xf32>, tensor<2x64x32xf32> -> tensor<?x32xf32>, tensor<?x2xi32>
    plx.return %rows, %codes : tensor<?x32xf32>, tensor<?x2xi32>
  }
}
