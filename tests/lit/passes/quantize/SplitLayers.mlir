// RUN: plexus-opt %s "--plx-split-layers=keep=w@0=q8,w@2+4-9=q4 chosen=w@0-9=q5" | FileCheck %s
// RUN: plexus-opt %s "--plx-split-layers=keep=w=q8" | FileCheck %s --check-prefix=WHOLE
// RUN: plexus-opt %s "--plx-split-layers=keep=w@0=q8" "--plx-assign-encodings=weights=q4 keep=w@0=q8" | FileCheck %s --check-prefix=FORMS
// RUN: not plexus-opt %s "--plx-split-layers=keep=w@7=q8" "--plx-assign-encodings=keep=w@7=q8" 2>&1 | FileCheck %s --check-prefix=UNUSED
// UNUSED: keep: no weight of a product matches 'w@7=q8'
// WHOLE-NOT: plexus.layers
// WHOLE-NOT: @s_1

// Three forms: layers 1 and 3 share one and keep the names.
// CHECK: plx.weight @w : tensor<64x64xf32> = #plx.source<"{layer}.w"> {plexus.layers = array<i64: 1, 3>}
// CHECK-DAG: plx.weight @"w@0" : tensor<64x64xf32> = #plx.source<"{layer}.w"> {plexus.layers = array<i64: 0>}
// CHECK-DAG: plx.weight @"w@2" : tensor<64x64xf32> = #plx.source<"{layer}.w"> {plexus.layers = array<i64: 2>}
// CHECK-DAG: plx.weight @shared : tensor<64x64xf32> = #plx.source<"shared">{{$}}
// FORMS-DAG: plx.weight @w : tensor<64x64xf32, #plx.packed<q4, group = 32>> = #plx.source<"{layer}.w">{{$}}
// FORMS-DAG: plx.weight @"w@0" : tensor<64x64xf32, #plx.packed<q8, group = 32>> = #plx.source<"{layer}.w">{{$}}
plx.model @m {
  plx.weight @w : tensor<64x64xf32> = #plx.source<"{layer}.w">
  plx.weight @shared : tensor<64x64xf32> = #plx.source<"shared">
  // CHECK-DAG: plx.segment @s_1(
  // CHECK-DAG: plx.segment @s_1__tapped(
  // CHECK-DAG: plx.segment @s_2(
  // CHECK-DAG: plx.segment @s_2__tapped(
  plx.segment @s(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %w = plx.param @w : tensor<64x64xf32>
    %v = plx.param @shared : tensor<64x64xf32>
    %0 = plx.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    %1 = plx.linear %0, %v : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    plx.return %1 : tensor<?x64xf32>
  }
  plx.segment @s__tapped(%x: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
    %w = plx.param @w : tensor<64x64xf32>
    %v = plx.param @shared : tensor<64x64xf32>
    %0 = plx.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    %1 = plx.tap %0 "mid" : tensor<?x64xf32>
    %2 = plx.linear %1, %v : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    plx.return %2, %1 : tensor<?x64xf32>, tensor<?x64xf32>
  }
  // CHECK: plx.run @s_1 layer 0
  // CHECK: plx.run @s layer 1
  // CHECK: plx.run @s_2 layer 2
  // CHECK: plx.run @s layer 3
  // FORMS: plx.run @s_1 layer 0
  // FORMS: plx.run @s layer 2
  plx.schedule @forward(%x: tensor<?x64xf32>, %batch: !plx.batch) {
    %0 = plx.run @s layer 0 (%x, %batch) : (tensor<?x64xf32>, !plx.batch) -> tensor<?x64xf32>
    %1 = plx.run @s layer 1 (%0, %batch) : (tensor<?x64xf32>, !plx.batch) -> tensor<?x64xf32>
    %2 = plx.run @s layer 2 (%1, %batch) : (tensor<?x64xf32>, !plx.batch) -> tensor<?x64xf32>
    %3 = plx.run @s layer 3 (%2, %batch) : (tensor<?x64xf32>, !plx.batch) -> tensor<?x64xf32>
    plx.outputs "out" = %3 : tensor<?x64xf32>
  }
}
