// RUN: plexus-opt %s --plx-split-taps | FileCheck %s

plx.model @m {
  // CHECK-LABEL: plx.segment @mlp(
  // CHECK-SAME: -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[A:.*]] = plx.activation relu
  // CHECK-NEXT: plx.return %[[A]] : tensor<?x64xf32>
  // CHECK-LABEL: plx.segment @mlp__tapped(
  // CHECK-SAME: -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK: %[[T:.*]] = plx.tap %{{.*}} "mlp.act"
  // CHECK-NEXT: plx.return %[[T]], %[[T]]
  plx.segment @mlp(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %0 = plx.activation relu %x : tensor<?x64xf32>
    %1 = plx.tap %0 "mlp.act" : tensor<?x64xf32>
    plx.return %1 : tensor<?x64xf32>
  }
  // Without taps there is one variant.
  // CHECK: plx.segment @plain
  // CHECK-NOT: @plain__tapped
  plx.segment @plain(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    plx.return %x : tensor<?x64xf32>
  }
}
