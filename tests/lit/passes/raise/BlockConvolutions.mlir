// Weights of convolutions are stored in blocks of filters; the larger blocks stand first. A weight that
// is no recipe stays.
// RUN: plexus-opt --plx-block-convolutions %s | FileCheck %s

plx.model @m {
  // CHECK-DAG: plx.weight @{{.*}} : tensor<320xf32> = #plx.reshape<[320], #plx.transpose<[0, 2, 1], #plx.reshape<[2, 8, 20], #plx.source<"w" : tensor<16x4x5xf32>>>>>
  plx.weight @w : tensor<16x4x5xf32> = #plx.source<"w" : tensor<16x4x5xf32>>
  // CHECK-DAG: plx.weight @{{.*}} : tensor<9xf32> = #plx.concat<0, [#plx.reshape<[5], #plx.transpose<[0, 2, 1], #plx.reshape<[1, 5, 1], #plx.slice<0, 0, 5, #plx.source<"v" : tensor<9x1x1xf32>>>>>>, #plx.reshape<[4], #plx.transpose<[0, 2, 1], #plx.reshape<[1, 4, 1], #plx.slice<0, 5, 4, #plx.source<"v" : tensor<9x1x1xf32>>>>>>]>
  plx.weight @v : tensor<9x1x1xf32> = #plx.source<"v" : tensor<9x1x1xf32>>
  // CHECK-LABEL: plx.segment @s
  // CHECK: plx.conv {{.*}}blocked = array<i64: 16, 4, 5>
  // CHECK: plx.conv {{.*}}blocked = array<i64: 9, 1, 1>
  plx.segment @s(%x: tensor<?x4x100xf32>, %y: tensor<?x1x7xf32>, %batch: !plx.batch) -> (tensor<?x16x96xf32>, tensor<?x9x7xf32>) {
    %w = plx.param @w : tensor<16x4x5xf32>
    %v = plx.param @v : tensor<9x1x1xf32>
    %0 = plx.conv %x, %w : (tensor<?x4x100xf32>, tensor<16x4x5xf32>) -> tensor<?x16x96xf32>
    %1 = plx.conv %y, %v : (tensor<?x1x7xf32>, tensor<9x1x1xf32>) -> tensor<?x9x7xf32>
    plx.return %0, %1 : tensor<?x16x96xf32>, tensor<?x9x7xf32>
  }
  // CHECK-LABEL: plx.segment @computed
  // CHECK-NOT: blocked
  plx.segment @computed(%x: tensor<?x1x7xf32>, %w: tensor<2x1x3xf32>, %batch: !plx.batch) -> tensor<?x2x5xf32> {
    %0 = plx.conv %x, %w : (tensor<?x1x7xf32>, tensor<2x1x3xf32>) -> tensor<?x2x5xf32>
    plx.return %0 : tensor<?x2x5xf32>
  }
}
