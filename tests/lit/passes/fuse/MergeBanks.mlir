// Layers of which each row keeps one become a bank; a linear map beside a bank becomes part of it where
// that is less work.
// RUN: plexus-opt --plx-merge-banks %s | FileCheck %s

plx.model @m {
  plx.weight @a : tensor<20x16xf32> = #plx.source<"a" : tensor<20x16xf32>>
  plx.weight @b : tensor<20x16xf32> = #plx.source<"b" : tensor<20x16xf32>>
  plx.weight @ab : tensor<20xf32> = #plx.source<"ab" : tensor<20xf32>>
  plx.weight @bb : tensor<20xf32> = #plx.source<"bb" : tensor<20xf32>>
  plx.weight @narrow : tensor<16x16xf32> = #plx.source<"narrow" : tensor<16x16xf32>>
  plx.weight @shift : tensor<16xf32> = #plx.source<"shift" : tensor<16xf32>>
  plx.weight @bank : tensor<256x16xf32> = #plx.source<"bank" : tensor<256x16xf32>>
  plx.weight @table : tensor<7x24xf32> = #plx.source<"table" : tensor<7x24xf32>>
  plx.weight @wide : tensor<400x20xf32> = #plx.source<"wide" : tensor<400x20xf32>>

  // CHECK-DAG: plx.weight @a.bank : tensor<128x16xf32> = #plx.reshape<[128, 16], #plx.concat<1, [#plx.concat<0, [#plx.reshape<[1, 20, 16], #plx.source<"a"
  // CHECK-DAG: plx.weight @ab.bank : tensor<2x20xf32> = #plx.concat<0, [#plx.reshape<[1, 20], #plx.source<"ab"
  // CHECK-DAG: plx.weight @bank_narrow : tensor<256x16xf32> = {{.*}}#plx.einsum<"pnv,vk->pnk"
  // CHECK-DAG: plx.weight @bank_shift : tensor<4x20xf32> = #plx.einsum<"pnv,v->pn"

  // CHECK-LABEL: plx.segment @choice
  // CHECK-NOT: plx.linear
  // CHECK: %[[Y:.*]] = brain.switched_linear %arg0, %arg1, %{{.*}} bias %{{.*}} {columns = 20 : i64, parts = 2 : i64}
  // CHECK-NEXT: plx.return %[[Y]]
  plx.segment @choice(%x: tensor<?x16xf32>, %i: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x20xf32> {
    %a = plx.param @a : tensor<20x16xf32>
    %b = plx.param @b : tensor<20x16xf32>
    %ab = plx.param @ab : tensor<20xf32>
    %bb = plx.param @bb : tensor<20xf32>
    %0 = plx.linear %x, %a bias %ab : (tensor<?x16xf32>, tensor<20x16xf32>, tensor<20xf32>) -> tensor<?x20xf32>
    %1 = plx.linear %x, %b bias %bb : (tensor<?x16xf32>, tensor<20x16xf32>, tensor<20xf32>) -> tensor<?x20xf32>
    %2 = brain.choose %i of %0, %1 : tensor<?xi32>, tensor<?x20xf32>, tensor<?x20xf32>
    plx.return %2 : tensor<?x20xf32>
  }
  // The map before a bank of the same width is part of it.
  // CHECK-LABEL: plx.segment @before
  // CHECK-NOT: plx.linear
  // CHECK: brain.switched_linear %arg0, %arg1
  plx.segment @before(%x: tensor<?x16xf32>, %i: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x20xf32> {
    %n = plx.param @narrow : tensor<16x16xf32>
    %s = plx.param @shift : tensor<16xf32>
    %w = plx.param @bank : tensor<256x16xf32>
    %0 = plx.linear %x, %n bias %s : (tensor<?x16xf32>, tensor<16x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %1 = brain.switched_linear %0, %i, %w {parts = 4, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<256x16xf32>) -> tensor<?x20xf32>
    plx.return %1 : tensor<?x20xf32>
  }
  // A wide map behind it would be there once for each part: it stays.
  // CHECK-LABEL: plx.segment @behind
  // CHECK: brain.switched_linear
  // CHECK: plx.linear
  plx.segment @behind(%x: tensor<?x16xf32>, %i: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x400xf32> {
    %w = plx.param @bank : tensor<256x16xf32>
    %q = plx.param @wide : tensor<400x20xf32>
    %0 = brain.switched_linear %x, %i, %w {parts = 4, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<256x16xf32>) -> tensor<?x20xf32>
    %1 = plx.linear %0, %q : (tensor<?x20xf32>, tensor<400x20xf32>) -> tensor<?x400xf32>
    plx.return %1 : tensor<?x400xf32>
  }
  // Layers of different inputs stay apart.
  // CHECK-LABEL: plx.segment @apart
  // CHECK: brain.choose
  plx.segment @apart(%x: tensor<?x16xf32>, %z: tensor<?x16xf32>, %i: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x20xf32> {
    %a = plx.param @a : tensor<20x16xf32>
    %b = plx.param @b : tensor<20x16xf32>
    %0 = plx.linear %x, %a : (tensor<?x16xf32>, tensor<20x16xf32>) -> tensor<?x20xf32>
    %1 = plx.linear %z, %b : (tensor<?x16xf32>, tensor<20x16xf32>) -> tensor<?x20xf32>
    %2 = brain.choose %i of %0, %1 : tensor<?xi32>, tensor<?x20xf32>, tensor<?x20xf32>
    plx.return %2 : tensor<?x20xf32>
  }
  // Matrices that are gathered for each row are a bank, too.
  // CHECK-LABEL: plx.segment @gathered
  // CHECK-NOT: plx.embedding
  // CHECK: %[[G:.*]] = brain.switched_linear %arg0, %arg1, %{{.*}} {columns = 4 : i64, parts = 7 : i64} : (tensor<?x6xf32>, tensor<?xi32>, tensor<448x6xf32>) -> tensor<?x4xf32>
  plx.segment @gathered(%x: tensor<?x6xf32>, %i: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x4xf32> {
    %t = plx.param @table : tensor<7x24xf32>
    %0 = plx.embedding %i, %t : (tensor<?xi32>, tensor<7x24xf32>) -> tensor<?x24xf32>
    %1 = plx.reshape %0 : tensor<?x24xf32> -> tensor<?x6x4xf32>
    %2 = plx.reshape %x : tensor<?x6xf32> -> tensor<?x1x6xf32>
    %3 = plx.matmul %2, %1 : (tensor<?x1x6xf32>, tensor<?x6x4xf32>) -> tensor<?x1x4xf32>
    %4 = plx.reshape %3 : tensor<?x1x4xf32> -> tensor<?x4xf32>
    plx.return %4 : tensor<?x4xf32>
  }
}
