// RUN: plexus-opt %s --plx-assign-encodings | FileCheck %s
// RUN: plexus-opt %s --plx-assign-encodings=weights=f32 | FileCheck %s --check-prefix=F32
// RUN: not plexus-opt %s --plx-assign-encodings=weights=q4 2>&1 | FileCheck %s --check-prefix=BAD
// BAD: cannot be stored as 'q4'; stored types are source, f32, bf16, f16

plx.model @m {
  // Read by a product and an embedding: one packed copy.
  // CHECK: plx.weight @tied : tensor<96x64xbf16, #plx.packed<bf16>> = #plx.source<"tied">
  // F32: plx.weight @tied : tensor<96x64xf32, #plx.packed<f32>> = #plx.source<"tied">
  plx.weight @tied : tensor<96x64xbf16> = #plx.source<"tied">
  // CHECK: plx.weight @table : tensor<8x64xbf16> = #plx.source<"table">
  plx.weight @table : tensor<8x64xbf16> = #plx.source<"table">
  // CHECK: plx.weight @g : tensor<64xf32> = #plx.source<"g">
  plx.weight @g : tensor<64xbf16> = #plx.source<"g">
  plx.segment @s(%ids: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x96xf32> {
    %w = plx.param @tied : tensor<96x64xbf16>
    %t = plx.param @table : tensor<8x64xbf16>
    %g = plx.param @g : tensor<64xbf16>
    %p = plx.positions %batch : tensor<?xi32>
    %0 = plx.embedding %ids, %w : (tensor<?xi32>, tensor<96x64xbf16>) -> tensor<?x64xf32>
    %1 = plx.embedding %p, %t : (tensor<?xi32>, tensor<8x64xbf16>) -> tensor<?x64xf32>
    %2 = plx.add %0, %1 : tensor<?x64xf32>, tensor<?x64xf32>
    %3 = plx.mul %2, %g : tensor<?x64xf32>, tensor<64xbf16>
    %4 = plx.linear %3, %w : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32>
    plx.return %4 : tensor<?x96xf32>
  }
}
