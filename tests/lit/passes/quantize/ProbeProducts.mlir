// RUN: plexus-opt %s --plx-probe-products | FileCheck %s

plx.model @m {
  plx.weight @up : tensor<96x64xf32> = #plx.source<"up">
  // CHECK: plx.segment @s(%[[X:.*]]: tensor<?x64xf32>
  // CHECK: %[[T:.*]] = plx.tap %[[X]] "input.up" : tensor<?x64xf32>
  // CHECK: plx.linear %[[T]], %{{.*}} :
  plx.segment @s(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x96xf32> {
    %w = plx.param @up : tensor<96x64xf32>
    %0 = plx.linear %x, %w : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
    plx.return %0 : tensor<?x96xf32>
  }
}
