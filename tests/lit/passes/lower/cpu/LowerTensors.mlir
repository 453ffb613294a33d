// RUN: plexus-opt %s --split-input-file --verify-diagnostics --plx-number-parameters --plx-decompose --plx-lower-segments | FileCheck %s

// Reshapes and slices are views; a concatenation is copies into its parts.
// CHECK-LABEL: func.func private @views(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x8xf32> {plexus.abi = "input"
// CHECK-SAME: %[[Y:[^:]*]]: memref<?x8xf32> {plexus.abi = "output"
// CHECK-SAME: op = "plx.slice", target = "none", why = "a view of its input"
// CHECK-SAME: op = "plx.concat", target = "generated", why = "rows copied side by side"
// CHECK-SAME: op = "plx.reshape", target = "none"
// CHECK: %[[A:.*]] = memref.subview %[[X]][0, 2] [%{{.*}}, 6] [1, 1]
// CHECK: %[[B:.*]] = memref.subview %[[X]][0, 0] [%{{.*}}, 2] [1, 1]
// CHECK: %[[C:.*]] = memref.alloc(%{{.*}}) : memref<?x8xf32>
// CHECK: %[[FIRST:.*]] = memref.subview %[[C]][0, 0]
// CHECK: linalg.copy ins(%[[A]]{{.*}}outs(%[[FIRST]]
// CHECK: %[[SECOND:.*]] = memref.subview %[[C]][0, 6]
// CHECK: linalg.copy ins(%[[B]]{{.*}}outs(%[[SECOND]]
// CHECK: memref.expand_shape %[[C]]
plx.model @views {
  plx.segment @views(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %a = plx.slice %x from 2 size 6 : tensor<?x8xf32> -> tensor<?x6xf32>
    %b = plx.slice %x from 0 size 2 : tensor<?x8xf32> -> tensor<?x2xf32>
    %c = plx.concat %a, %b : (tensor<?x6xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
    %d = plx.reshape %c : tensor<?x8xf32> -> tensor<?x2x4xf32>
    %e = plx.add %d, %d : tensor<?x2x4xf32>, tensor<?x2x4xf32>
    %f = plx.reshape %e : tensor<?x2x4xf32> -> tensor<?x8xf32>
    plx.return %f : tensor<?x8xf32>
  }
}

// -----

// A tapped value is one more output; the tap itself is nothing.
// CHECK-LABEL: func.func private @tapped(
// CHECK-SAME: op = "plx.tap", target = "none", why = "an output of the tapped variant
plx.model @taps {
  plx.segment @tapped(%x: tensor<?x8xf32>, %batch: !plx.batch) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
    %a = plx.add %x, %x : tensor<?x8xf32>, tensor<?x8xf32>
    %t = plx.tap %a "a" : tensor<?x8xf32>
    plx.return %t, %t : tensor<?x8xf32>, tensor<?x8xf32>
  }
}

// -----

plx.model @unknown {
  plx.segment @dim(%x: tensor<?x8xf32>, %i: tensor<2xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %c = arith.constant 0 : index
    %e = tensor.extract %i[%c] : tensor<2xf32>
    // expected-error @+1 {{has no form on the CPU: it has neither a decomposition nor an emitter}}
    %g = tensor.from_elements %e : tensor<1xf32>
    plx.return %x : tensor<?x8xf32>
  }
}

// -----

// Where no axes can be split or merged for themselves, a row becomes one axis first.
// CHECK-LABEL: func.func private @shapes(
// CHECK: memref.collapse_shape {{.*}} {{\[}}[0], [1, 2]] : memref<?x5x200xf32> into memref<?x1000xf32>
// CHECK: memref.expand_shape {{.*}} : memref<?x1000xf32> into memref<?x1x20x50xf32>
plx.model @m {
  plx.segment @shapes(%x: tensor<?x5x200xf32>, %batch: !plx.batch) -> tensor<?x1x20x50xf32> {
    %a = plx.reshape %x : tensor<?x5x200xf32> -> tensor<?x1x20x50xf32>
    %b = plx.add %a, %a : tensor<?x1x20x50xf32>, tensor<?x1x20x50xf32>
    plx.return %b : tensor<?x1x20x50xf32>
  }
}
