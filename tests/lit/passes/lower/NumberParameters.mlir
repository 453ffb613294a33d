// RUN: plexus-opt %s --plx-number-parameters | FileCheck %s

// Places in the weight table are by first appearance, and the same weight has one.
plx.model @m {
  plx.weight @a : tensor<64xf32> = #plx.source<"a">
  plx.weight @b : tensor<64xf32> = #plx.source<"b">
  plx.segment @s(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    // CHECK: plx.param @b {plexus.index = 0 : i64}
    %b = plx.param @b : tensor<64xf32>
    // CHECK: plx.param @a {plexus.index = 1 : i64}
    %a = plx.param @a : tensor<64xf32>
    // CHECK: plx.param @b {plexus.index = 0 : i64}
    %c = plx.param @b : tensor<64xf32>
    %0 = plx.mul %x, %b : tensor<?x64xf32>, tensor<64xf32>
    %1 = plx.mul %0, %a : tensor<?x64xf32>, tensor<64xf32>
    %2 = plx.mul %1, %c : tensor<?x64xf32>, tensor<64xf32>
    plx.return %2 : tensor<?x64xf32>
  }
}
