// References and spatial filters become part of the weight that reads all channels; not where that takes
// more multiplications, and not where someone else reads the mixed channels.
// RUN: plexus-opt --plx-merge-linear-maps --plx-fold-channel-mixes %s | FileCheck %s

plx.model @m {
  plx.weight @mix : tensor<22x22x1x1xf32> = #plx.source<"mix" : tensor<22x22x1x1xf32>>
  plx.weight @mbias : tensor<22xf32> = #plx.source<"mbias" : tensor<22xf32>>
  plx.weight @time : tensor<8x1x1x64xf32> = #plx.source<"time" : tensor<8x1x1x64xf32>>
  plx.weight @depth : tensor<16x1x22x1xf32> = #plx.source<"depth" : tensor<16x1x22x1xf32>>
  plx.weight @a : tensor<20x20xf32> = #plx.source<"a" : tensor<20x20xf32>>
  plx.weight @ab : tensor<20xf32> = #plx.source<"ab" : tensor<20xf32>>
  plx.weight @b : tensor<5x20xf32> = #plx.source<"b" : tensor<5x20xf32>>
  plx.weight @up : tensor<90x5xf32> = #plx.source<"up" : tensor<90x5xf32>>

  // CHECK-DAG: plx.weight @{{.*}} : tensor<16x1x22x1xf32> = #plx.reshape<[16, 1, 22, 1], #plx.einsum<"olt,lc->oct"
  // CHECK-DAG: plx.weight @{{.*}} : tensor<5x20xf32> = #plx.einsum<"om,mi->oi"
  // CHECK-DAG: plx.weight @{{.*}} : tensor<5xf32> = #plx.einsum<"om,m->o"

  // The spatial filters change places with the temporal ones, and take the reference in.
  // CHECK-LABEL: plx.segment @net
  // CHECK: %[[L:.*]] = plx.reshape %{{.*}} : tensor<?x22x1x1000xf32> -> tensor<?x1x22x1000xf32>
  // CHECK-NEXT: plx.conv %[[L]], %{{.*}} : (tensor<?x1x22x1000xf32>, tensor<16x1x22x1xf32>) -> tensor<?x16x1x1000xf32>
  // CHECK: plx.conv %{{.*}} {groups = 16 : i64, pads_begin
  // CHECK-NEXT: plx.return
  plx.segment @net(%x: tensor<?x22x1000xf32>, %batch: !plx.batch) -> tensor<?x16x1x1001xf32> {
    %mix = plx.param @mix : tensor<22x22x1x1xf32>
    %time = plx.param @time : tensor<8x1x1x64xf32>
    %depth = plx.param @depth : tensor<16x1x22x1xf32>
    %0 = plx.reshape %x : tensor<?x22x1000xf32> -> tensor<?x22x1x1000xf32>
    %1 = plx.conv %0, %mix : (tensor<?x22x1x1000xf32>, tensor<22x22x1x1xf32>) -> tensor<?x22x1x1000xf32>
    %2 = plx.reshape %1 : tensor<?x22x1x1000xf32> -> tensor<?x22x1000xf32>
    %3 = plx.reshape %2 : tensor<?x22x1000xf32> -> tensor<?x1x22x1000xf32>
    %4 = plx.conv %3, %time {pads_begin = array<i64: 0, 32>, pads_end = array<i64: 0, 32>} : (tensor<?x1x22x1000xf32>, tensor<8x1x1x64xf32>) -> tensor<?x8x22x1001xf32>
    %5 = plx.conv %4, %depth {groups = 8 : i64} : (tensor<?x8x22x1001xf32>, tensor<16x1x22x1xf32>) -> tensor<?x16x1x1001xf32>
    plx.return %5 : tensor<?x16x1x1001xf32>
  }
  // CHECK-LABEL: plx.segment @products
  // CHECK: plx.linear %{{.*}}, %{{.*}} bias %{{.*}} : (tensor<?x20xf32>, tensor<5x20xf32>, tensor<5xf32>) -> tensor<?x5xf32>
  // CHECK-NEXT: plx.return
  plx.segment @products(%x: tensor<?x20xf32>, %batch: !plx.batch) -> tensor<?x5xf32> {
    %a = plx.param @a : tensor<20x20xf32>
    %ab = plx.param @ab : tensor<20xf32>
    %b = plx.param @b : tensor<5x20xf32>
    %0 = plx.linear %x, %a bias %ab : (tensor<?x20xf32>, tensor<20x20xf32>, tensor<20xf32>) -> tensor<?x20xf32>
    %1 = plx.linear %0, %b : (tensor<?x20xf32>, tensor<5x20xf32>) -> tensor<?x5xf32>
    plx.return %1 : tensor<?x5xf32>
  }
  // 20 x 90 is more than 20 x 5 and 5 x 90.
  // CHECK-LABEL: plx.segment @narrow
  // CHECK-COUNT-2: plx.linear
  plx.segment @narrow(%x: tensor<?x20xf32>, %batch: !plx.batch) -> tensor<?x90xf32> {
    %b = plx.param @b : tensor<5x20xf32>
    %up = plx.param @up : tensor<90x5xf32>
    %0 = plx.linear %x, %b : (tensor<?x20xf32>, tensor<5x20xf32>) -> tensor<?x5xf32>
    %1 = plx.linear %0, %up : (tensor<?x5xf32>, tensor<90x5xf32>) -> tensor<?x90xf32>
    plx.return %1 : tensor<?x90xf32>
  }
  // Padding has no bias.
  // CHECK-LABEL: plx.segment @padded
  // CHECK: tensor<22x22x1x1xf32>, tensor<22xf32>
  // CHECK: plx.conv %{{.*}} {pads_begin
  plx.segment @padded(%x: tensor<?x22x1x100xf32>, %batch: !plx.batch) -> tensor<?x16x1x102xf32> {
    %mix = plx.param @mix : tensor<22x22x1x1xf32>
    %c = plx.param @mbias : tensor<22xf32>
    %depth = plx.param @depth : tensor<16x1x22x1xf32>
    %0 = plx.conv %x, %mix bias %c : (tensor<?x22x1x100xf32>, tensor<22x22x1x1xf32>, tensor<22xf32>) -> tensor<?x22x1x100xf32>
    %1 = plx.reshape %0 : tensor<?x22x1x100xf32> -> tensor<?x1x22x100xf32>
    %2 = plx.conv %1, %depth {pads_begin = array<i64: 0, 1>, pads_end = array<i64: 0, 1>} : (tensor<?x1x22x100xf32>, tensor<16x1x22x1xf32>) -> tensor<?x16x1x102xf32>
    plx.return %2 : tensor<?x16x1x102xf32>
  }
}
