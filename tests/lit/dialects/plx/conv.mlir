// Convolutions, pools over windows and their neighbours print as they read; run, they are the formulas.
// RUN: plexus-opt %s | plexus-opt | FileCheck %s --check-prefix=TEXT
// RUN: plexus-opt --test-plx-decompose --canonicalize %s | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)

// TEXT: plx.conv %{{.*}}, %{{.*}} bias %{{.*}} {dilations = array<i64: 2>, pads_begin = array<i64: 1>, pads_end = array<i64: 2>, strides = array<i64: 2>}
// TEXT: plx.conv %{{.*}}, %{{.*}} {activation = #plx<activation_kind relu>, groups = 2 : i64}
// TEXT: plx.pool_window mean %{{.*}} {kernel = array<i64: 2>, pads_begin = array<i64: 1>, strides = array<i64: 2>}
// TEXT: plx.pool_window max
// TEXT: plx.channel_affine
// TEXT: plx.permute %{{.*}} {order = array<i64: 0, 2, 1>} : tensor<?x2x5xf32> -> tensor<?x5x2xf32>
// TEXT: plx.matmul %{{.*}}, %{{.*}} transposed
// TEXT: plx.log %{{.*}} {min = 1.000000e+00 : f32}
func.func @maps(%x: tensor<?x2x5xf32>) {
  %w = arith.constant dense<[[[1.0, -1.0], [0.5, 2.0]]]> : tensor<1x2x2xf32>
  %b = arith.constant dense<[10.0]> : tensor<1xf32>
  // x = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]; entries at 2s - 1 and 2s + 1, zeros outside.
  // CHECK: {{\[\[\[}}21, 27, 17]]]
  %0 = plx.conv %x, %w bias %b {strides = array<i64: 2>, dilations = array<i64: 2>, pads_begin = array<i64: 1>, pads_end = array<i64: 2>}
    : (tensor<?x2x5xf32>, tensor<1x2x2xf32>, tensor<1xf32>) -> tensor<?x1x3xf32>
  %p0 = tensor.cast %0 : tensor<?x1x3xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p0) : (tensor<*xf32>) -> ()
  // Each channel for itself, then relu.
  // CHECK: {{\[\[\[}}1, 1, 1, 1],
  // CHECK-NEXT: [0, 0, 0, 0]]]
  %wd = arith.constant dense<[[[-1.0, 1.0]], [[1.0, -1.0]]]> : tensor<2x1x2xf32>
  %1 = plx.conv %x, %wd {groups = 2 : i64, activation = #plx<activation_kind relu>} : (tensor<?x2x5xf32>, tensor<2x1x2xf32>) -> tensor<?x2x4xf32>
  %p1 = tensor.cast %1 : tensor<?x2x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p1) : (tensor<*xf32>) -> ()
  // The first window has one place inside.
  // CHECK: {{\[\[\[}}0, 1.5, 3.5],
  // CHECK-NEXT: [5, 6.5, 8.5]]]
  %2 = plx.pool_window mean %x {kernel = array<i64: 2>, strides = array<i64: 2>, pads_begin = array<i64: 1>} : tensor<?x2x5xf32> -> tensor<?x2x3xf32>
  %p2 = tensor.cast %2 : tensor<?x2x3xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p2) : (tensor<*xf32>) -> ()
  // CHECK: {{\[\[\[}}1, 3],
  // CHECK-NEXT: [6, 8]]]
  %3 = plx.pool_window max %x {kernel = array<i64: 2>, strides = array<i64: 2>} : tensor<?x2x5xf32> -> tensor<?x2x2xf32>
  %p3 = tensor.cast %3 : tensor<?x2x2xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p3) : (tensor<*xf32>) -> ()
  // CHECK: {{\[\[\[}}1, 3, 5, 7, 9],
  // CHECK-NEXT: [-5, -6, -7, -8, -9]]]
  %s = arith.constant dense<[2.0, -1.0]> : tensor<2xf32>
  %t = arith.constant dense<[1.0, 0.0]> : tensor<2xf32>
  %4 = plx.channel_affine %x, %s, %t : tensor<?x2x5xf32>, tensor<2xf32>, tensor<2xf32>
  %p4 = tensor.cast %4 : tensor<?x2x5xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p4) : (tensor<*xf32>) -> ()
  // CHECK: {{\[\[\[}}0, 5],
  // CHECK: [4, 9]]]
  %5 = plx.permute %x {order = array<i64: 0, 2, 1>} : tensor<?x2x5xf32> -> tensor<?x5x2xf32>
  %p5 = tensor.cast %5 : tensor<?x5x2xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p5) : (tensor<*xf32>) -> ()
  // CHECK: {{\[\[\[}}30, 80],
  // CHECK-NEXT: [80, 255]]]
  %6 = plx.matmul %x, %x transposed : (tensor<?x2x5xf32>, tensor<?x2x5xf32>) -> tensor<?x2x2xf32>
  %p6 = tensor.cast %6 : tensor<?x2x2xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p6) : (tensor<*xf32>) -> ()
  // CHECK: {{\[\[\[}}0, 0, 0.693{{[0-9]*}}, 1.098{{[0-9]*}}, 1.386{{[0-9]*}}],
  %7 = plx.log %x {min = 1.0 : f32} : tensor<?x2x5xf32>
  %p7 = tensor.cast %7 : tensor<?x2x5xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p7) : (tensor<*xf32>) -> ()
  return
}

func.func @main() {
  %x = arith.constant dense<[[[0.0, 1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0, 9.0]]]> : tensor<1x2x5xf32>
  %d = tensor.cast %x : tensor<1x2x5xf32> to tensor<?x2x5xf32>
  func.call @maps(%d) : (tensor<?x2x5xf32>) -> ()
  return
}
