// The only reader of a convolution joins it if it is an activation or a square; others stay.
// RUN: plexus-opt --plx-fuse-map-activation %s | FileCheck %s

// CHECK-LABEL: @joined
// CHECK: plx.conv %{{.*}} {activation = #plx<activation_kind elu>}
// CHECK: plx.conv %{{.*}} {activation = #plx<activation_kind square>}
// CHECK-NOT: plx.activation
// CHECK-NOT: plx.mul
func.func @joined(%x: tensor<?x4x100xf32>, %w: tensor<4x4x1xf32>) -> tensor<?x4x100xf32> {
  %0 = plx.conv %x, %w : (tensor<?x4x100xf32>, tensor<4x4x1xf32>) -> tensor<?x4x100xf32>
  %1 = plx.activation elu %0 : tensor<?x4x100xf32>
  %2 = plx.conv %1, %w : (tensor<?x4x100xf32>, tensor<4x4x1xf32>) -> tensor<?x4x100xf32>
  %3 = plx.mul %2, %2 : tensor<?x4x100xf32>, tensor<?x4x100xf32>
  return %3 : tensor<?x4x100xf32>
}

// CHECK-LABEL: @shared
// CHECK: plx.conv %{{.*}}, %{{.*}} : (
// CHECK: plx.activation elu
func.func @shared(%x: tensor<?x4x100xf32>, %w: tensor<4x4x1xf32>) -> tensor<?x4x100xf32> {
  %0 = plx.conv %x, %w : (tensor<?x4x100xf32>, tensor<4x4x1xf32>) -> tensor<?x4x100xf32>
  %1 = plx.activation elu %0 : tensor<?x4x100xf32>
  %2 = plx.add %0, %1 : tensor<?x4x100xf32>, tensor<?x4x100xf32>
  return %2 : tensor<?x4x100xf32>
}
