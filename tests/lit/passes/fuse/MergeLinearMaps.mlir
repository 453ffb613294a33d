// Convolutions, batch norm and mean pooling without a nonlinearity between them take the order with the
// fewest multiplications; a nonlinearity ends a chain.
// RUN: plexus-opt --plx-merge-linear-maps %s | FileCheck %s

plx.model @m {
  plx.weight @time : tensor<8x1x1x64xf32> = #plx.source<"time" : tensor<8x1x1x64xf32>>
  plx.weight @tbias : tensor<8xf32> = #plx.source<"tbias" : tensor<8xf32>>
  plx.weight @depth : tensor<16x1x22x1xf32> = #plx.source<"depth" : tensor<16x1x22x1xf32>>
  plx.weight @spat : tensor<8x8x22x1xf32> = #plx.source<"spat" : tensor<8x8x22x1xf32>>
  plx.weight @s : tensor<8xf32> = #plx.source<"s" : tensor<8xf32>>
  plx.weight @t : tensor<8xf32> = #plx.source<"t" : tensor<8xf32>>
  plx.weight @short : tensor<8x4x13xf32> = #plx.source<"short" : tensor<8x4x13xf32>>
  plx.weight @rowsin : tensor<8x12xf32> = #plx.source<"rowsin" : tensor<8x12xf32>>
  plx.weight @rowsout : tensor<12x8xf32> = #plx.source<"rowsout" : tensor<12x8xf32>>
  plx.weight @all : tensor<5x4x100xf32> = #plx.source<"all" : tensor<5x4x100xf32>>

  // CHECK-DAG: plx.weight @{{.*}} : tensor<8x1x22x64xf32> = #plx.reshape<[8, 1, 22, 64], #plx.einsum<"gpqhi,gqcst->gpchsit"
  // CHECK-DAG: plx.weight @{{.*}} : tensor<8x4x29xf32> = #plx.einsum<"och,o->och", [#plx.scale<{{.*}}, #plx.box<2, 17, #plx.source<"short"
  // A filter that reads one channel of the temporal one goes first.
  // CHECK-LABEL: plx.segment @swapped
  // CHECK: plx.conv %{{.*}} : (tensor<?x1x22x1000xf32>, tensor<16x1x22x1xf32>) -> tensor<?x16x1x1000xf32>
  // CHECK: plx.conv %{{.*}} bias %{{.*}} {groups = 16 : i64, pads_begin = array<i64: 0, 32>, pads_end = array<i64: 0, 32>}
  plx.segment @swapped(%x: tensor<?x1x22x1000xf32>, %batch: !plx.batch) -> tensor<?x16x1x1001xf32> {
    %time = plx.param @time : tensor<8x1x1x64xf32>
    %b = plx.param @tbias : tensor<8xf32>
    %depth = plx.param @depth : tensor<16x1x22x1xf32>
    %0 = plx.conv %x, %time bias %b {pads_begin = array<i64: 0, 32>, pads_end = array<i64: 0, 32>} : (tensor<?x1x22x1000xf32>, tensor<8x1x1x64xf32>, tensor<8xf32>) -> tensor<?x8x22x1001xf32>
    %1 = plx.conv %0, %depth {groups = 8 : i64} : (tensor<?x8x22x1001xf32>, tensor<16x1x22x1xf32>) -> tensor<?x16x1x1001xf32>
    plx.return %1 : tensor<?x16x1x1001xf32>
  }
  // Filters that read all channels of it merge with it.
  // CHECK-LABEL: plx.segment @merged
  // CHECK: plx.conv %{{.*}} : (tensor<?x1x22x1000xf32>, tensor<8x1x22x64xf32>) -> tensor<?x8x1x937xf32>
  // CHECK-NEXT: plx.return
  plx.segment @merged(%x: tensor<?x1x22x1000xf32>, %batch: !plx.batch) -> tensor<?x8x1x937xf32> {
    %time = plx.param @time : tensor<8x1x1x64xf32>
    %spat = plx.param @spat : tensor<8x8x22x1xf32>
    %0 = plx.conv %x, %time : (tensor<?x1x22x1000xf32>, tensor<8x1x1x64xf32>) -> tensor<?x8x22x937xf32>
    %1 = plx.conv %0, %spat : (tensor<?x8x22x937xf32>, tensor<8x8x22x1xf32>) -> tensor<?x8x1x937xf32>
    plx.return %1 : tensor<?x8x1x937xf32>
  }
  // A mean over windows is cheaper inside the convolution; batch norm behind it too.
  // CHECK-LABEL: plx.segment @pooled
  // CHECK-NOT: plx.pool_window
  // CHECK-NOT: plx.channel_affine
  // CHECK: plx.conv %{{.*}} bias %{{.*}} {strides = array<i64: 5>} : (tensor<?x4x100xf32>, tensor<8x4x29xf32>, tensor<8xf32>) -> tensor<?x8x15xf32>
  plx.segment @pooled(%x: tensor<?x4x100xf32>, %batch: !plx.batch) -> tensor<?x8x15xf32> {
    %w = plx.param @short : tensor<8x4x13xf32>
    %s = plx.param @s : tensor<8xf32>
    %t = plx.param @t : tensor<8xf32>
    %0 = plx.conv %x, %w : (tensor<?x4x100xf32>, tensor<8x4x13xf32>) -> tensor<?x8x88xf32>
    %1 = plx.pool_window mean %0 {kernel = array<i64: 17>, strides = array<i64: 5>} : tensor<?x8x88xf32> -> tensor<?x8x15xf32>
    %2 = plx.channel_affine %1, %s, %t : tensor<?x8x15xf32>, tensor<8xf32>, tensor<8xf32>
    plx.return %2 : tensor<?x8x15xf32>
  }
  // CHECK-LABEL: plx.segment @nonlinear
  // CHECK: plx.conv
  // CHECK: plx.activation
  // CHECK: plx.channel_affine
  plx.segment @nonlinear(%x: tensor<?x4x100xf32>, %batch: !plx.batch) -> tensor<?x8x88xf32> {
    %w = plx.param @short : tensor<8x4x13xf32>
    %s = plx.param @s : tensor<8xf32>
    %t = plx.param @t : tensor<8xf32>
    %0 = plx.conv %x, %w : (tensor<?x4x100xf32>, tensor<8x4x13xf32>) -> tensor<?x8x88xf32>
    %1 = plx.activation elu %0 : tensor<?x8x88xf32>
    %2 = plx.channel_affine %1, %s, %t : tensor<?x8x88xf32>, tensor<8xf32>, tensor<8xf32>
    plx.return %2 : tensor<?x8x88xf32>
  }
  // A window over all of the map is a product.
  // CHECK-LABEL: plx.segment @product
  // CHECK: plx.linear %{{.*}} : (tensor<?x400xf32>, tensor<5x400xf32>) -> tensor<?x5xf32>
  plx.segment @product(%x: tensor<?x4x100xf32>, %batch: !plx.batch) -> tensor<?x5x1xf32> {
    %w = plx.param @all : tensor<5x4x100xf32>
    %0 = plx.conv %x, %w : (tensor<?x4x100xf32>, tensor<5x4x100xf32>) -> tensor<?x5x1xf32>
    plx.return %0 : tensor<?x5x1xf32>
  }
  // Batch norm of rows is part of the product before it, or behind it.
  // CHECK-LABEL: plx.segment @rows
  // CHECK-NOT: plx.channel_affine
  // CHECK: %[[H:.*]] = plx.linear %arg0, %{{.*}} bias %{{.*}} : (tensor<?x12xf32>, tensor<8x12xf32>, tensor<8xf32>)
  // CHECK: %[[G:.*]] = plx.activation relu %[[H]]
  // CHECK: plx.linear %[[G]], %{{.*}} bias %{{.*}} : (tensor<?x8xf32>, tensor<12x8xf32>, tensor<12xf32>)
  plx.segment @rows(%x: tensor<?x12xf32>, %batch: !plx.batch) -> tensor<?x12xf32> {
    %w = plx.param @rowsin : tensor<8x12xf32>
    %v = plx.param @rowsout : tensor<12x8xf32>
    %s = plx.param @s : tensor<8xf32>
    %t = plx.param @t : tensor<8xf32>
    %0 = plx.linear %x, %w : (tensor<?x12xf32>, tensor<8x12xf32>) -> tensor<?x8xf32>
    %1 = plx.channel_affine %0, %s, %t : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>
    %2 = plx.activation relu %1 : tensor<?x8xf32>
    %3 = plx.channel_affine %2, %s, %t : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>
    %4 = plx.linear %3, %v : (tensor<?x8xf32>, tensor<12x8xf32>) -> tensor<?x12xf32>
    plx.return %4 : tensor<?x12xf32>
  }
}
