// RUN: plexus-opt %s --plx-assign-encodings | FileCheck %s
// RUN: plexus-opt %s --plx-assign-encodings=weights=f32 | FileCheck %s --check-prefix=F32
// RUN: plexus-opt %s --plx-assign-encodings=weights=q4z:64 | FileCheck %s --check-prefix=Q4
// RUN: plexus-opt %s "--plx-assign-encodings=weights=q4 keep=tied=q8,m*ed=source,*=bf16" | FileCheck %s --check-prefix=KEEP
// RUN: not plexus-opt %s "--plx-assign-encodings=keep=head=q8" 2>&1 | FileCheck %s --check-prefix=UNUSED
// UNUSED: keep: no weight of a product matches 'head=q8'
// RUN: not plexus-opt %s --plx-assign-encodings=weights=q3 2>&1 | FileCheck %s --check-prefix=BAD
// BAD: cannot be stored as 'q3'; stored forms are source, f32, bf16, f16, q8, q4

plx.model @m {
  // Read by a product and an embedding: one packed copy.
  // CHECK: plx.weight @tied : tensor<96x64xbf16, #plx.packed<bf16>> = #plx.source<"tied">
  // Quantized forms have elements of f32, whatever the source has.
  // Exceptions: by the weight's name, by a source's, and a pattern for the rest.
  // KEEP: plx.weight @tied : tensor<96x64xf32, #plx.packed<q8, group = 32>>
  // KEEP: plx.weight @moved : tensor<64x64xf32, #plx.packed<q8, group = 32>>
  // KEEP: plx.weight @turned : tensor<64x64xbf16, #plx.packed<bf16>>
  // Under 8 bits, a table that is tied to a product keeps 8.
  // Q4: plx.weight @tied : tensor<96x64xf32, #plx.packed<q8, group = 32>> = #plx.source<"tied">
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

  // So does what gives the logits; exceptions may say otherwise.
  // Q4: plx.weight @scores : tensor<96x64xf32, #plx.packed<q8, group = 32>>
  // Q4: plx.weight @inner : tensor<64x64xf32, #plx.packed<q4, group = 64, zeros = point>>
  plx.weight @scores : tensor<96x64xbf16> = #plx.source<"scores">
  plx.weight @inner : tensor<64x64xbf16> = #plx.source<"inner">
  plx.segment @last(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x96xf32> {
    %i = plx.param @inner : tensor<64x64xbf16>
    %w = plx.param @scores : tensor<96x64xbf16>
    %0 = plx.linear %x, %i : (tensor<?x64xf32>, tensor<64x64xbf16>) -> tensor<?x64xf32>
    %1 = plx.linear %0, %w : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32>
    %2 = plx.softcap %1 at 30.0 : tensor<?x96xf32>
    plx.return %2 : tensor<?x96xf32>
  }
  plx.schedule @forward(%x: tensor<?x64xf32>, %batch: !plx.batch) {
    %0 = plx.run @last(%x, %batch) : (tensor<?x64xf32>, !plx.batch) -> tensor<?x96xf32>
    plx.outputs "logits" = %0 : tensor<?x96xf32>
  }

  // A source that is quantized keeps its form where the recipe only moves rows; elsewhere it decodes.
  // Fewer bits than a file has would be rounded, as many would not.
  // CHECK: plx.weight @kept : tensor<96x64xf32, #plx.packed<q4, group = 32, zeros = min>>
  // Q4: plx.weight @kept : tensor<96x64xf32, #plx.packed<q4, group = 32, zeros = min>>
  // Q4: plx.weight @moved : tensor<64x64xf32, #plx.packed<q4, group = 64, zeros = point>>
  // CHECK: plx.weight @moved : tensor<64x64xf32, #plx.packed<q8, group = 32>>
  // CHECK: plx.weight @mixed : tensor<128x64xf16, #plx.packed<f16>>
  // CHECK: plx.weight @turned : tensor<64x64xf16, #plx.packed<f16>>
  plx.weight @kept : tensor<96x64xf16> = #plx.source<"kept" : tensor<96x64xf32, #plx.packed<q4, zeros = min>>>
  plx.weight @moved : tensor<64x64xf16> = #plx.concat<0, [#plx.slice<0, 8, 32, #plx.source<"a" : tensor<64x64xf32, #plx.packed<q8>>>>, #plx.source<"b" : tensor<32x64xf32, #plx.packed<q8>>>]>
  plx.weight @mixed : tensor<128x64xf16> = #plx.concat<0, [#plx.source<"a" : tensor<64x64xf32, #plx.packed<q8>>>, #plx.source<"c" : tensor<64x64xf32, #plx.packed<q4>>>]>
  plx.weight @turned : tensor<64x64xf16> = #plx.transpose<[1, 0], #plx.source<"a" : tensor<64x64xf32, #plx.packed<q8>>>>
  plx.segment @products(%x: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x96xf32>, tensor<?x64xf32>, tensor<?x128xf32>, tensor<?x64xf32>) {
    %k = plx.param @kept : tensor<96x64xf16>
    %m = plx.param @moved : tensor<64x64xf16>
    %i = plx.param @mixed : tensor<128x64xf16>
    %t = plx.param @turned : tensor<64x64xf16>
    %0 = plx.linear %x, %k : (tensor<?x64xf32>, tensor<96x64xf16>) -> tensor<?x96xf32>
    %1 = plx.linear %x, %m : (tensor<?x64xf32>, tensor<64x64xf16>) -> tensor<?x64xf32>
    %2 = plx.linear %x, %i : (tensor<?x64xf32>, tensor<128x64xf16>) -> tensor<?x128xf32>
    %3 = plx.linear %x, %t : (tensor<?x64xf32>, tensor<64x64xf16>) -> tensor<?x64xf32>
    plx.return %0, %1, %2, %3 : tensor<?x96xf32>, tensor<?x64xf32>, tensor<?x128xf32>, tensor<?x64xf32>
  }
}
