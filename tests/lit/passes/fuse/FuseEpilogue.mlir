// RUN: plexus-opt %s --plx-fuse-epilogue | FileCheck %s

plx.model @m {
  plx.weight @w : tensor<64x64xbf16> = #plx.source<"w">
  plx.weight @b : tensor<64xf32> = #plx.source<"b">
  // Bias, activation and residual sum join the product.
  // CHECK-LABEL: plx.segment @chain
  plx.segment @chain(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %w = plx.param @w : tensor<64x64xbf16>
    %b = plx.param @b : tensor<64xf32>
    // CHECK: %[[Y:.*]] = plx.fused_linear %[[X:.*]], %{{.*}}, %[[B:.*]], %[[X]] :
    // CHECK-NEXT: ^bb0(%[[ACC:.*]]: f32, %[[BIAS:.*]]: f32, %[[RES:.*]]: f32):
    // CHECK: %[[S:.*]] = arith.addf %[[ACC]], %[[BIAS]]
    // CHECK: %[[OUT:.*]] = arith.addf %[[RES]], %{{.*}}
    // CHECK-NEXT: plx.yield %[[OUT]]
    // CHECK-NOT: plx.add
    // CHECK: plx.return %[[Y]]
    %0 = plx.linear %x, %w bias %b : (tensor<?x64xf32>, tensor<64x64xbf16>, tensor<64xf32>) -> tensor<?x64xf32>
    %1 = plx.activation relu %0 : tensor<?x64xf32>
    %2 = plx.add %x, %1 : tensor<?x64xf32>, tensor<?x64xf32>
    plx.return %2 : tensor<?x64xf32>
  }
  // A product that others read too keeps its result.
  // CHECK-LABEL: plx.segment @shared
  plx.segment @shared(%x: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
    %w = plx.param @w : tensor<64x64xbf16>
    // CHECK: plx.fused_linear
    // CHECK: plx.activation relu
    %0 = plx.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xbf16>) -> tensor<?x64xf32>
    %1 = plx.activation relu %0 : tensor<?x64xf32>
    plx.return %0, %1 : tensor<?x64xf32>, tensor<?x64xf32>
  }
}
