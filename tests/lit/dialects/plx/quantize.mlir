// Ops of fixed ranges print as they read; what does not fit is refused.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics | FileCheck %s

// CHECK-LABEL: @text
func.func @text(%x: tensor<?x4x9xf32>, %w: tensor<8x12xf32, #plx.packed<q8, group = channel>>, %b: tensor<8xf32>, %r: tensor<2xf32>) {
  // CHECK: plx.fake_quantize %{{.*}} by %{{.*}} : tensor<?x4x9xf32>, tensor<2xf32>
  %0 = plx.fake_quantize %x by %r : tensor<?x4x9xf32>, tensor<2xf32>
  // CHECK: plx.quantized_conv %{{.*}}, %{{.*}} by %{{.*}} bias %{{.*}} {kernel = array<i64: 8, 4, 3>, quad_axis = 1 : i64}
  %1 = plx.quantized_conv %x, %w by %r bias %b {kernel = array<i64: 8, 4, 3>, quad_axis = 1}
    : (tensor<?x4x9xf32>, tensor<8x12xf32, #plx.packed<q8, group = channel>>, tensor<2xf32>, tensor<8xf32>) -> tensor<?x8x7xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4x9xf32>, %w: tensor<8x12xf32, #plx.packed<q8, group = channel>>, %r: tensor<2xf32>) {
  // expected-error @+1 {{'weight' has type 'tensor<8x12xf32, #plx.packed<q8, group = channel>>', expected the shape [8, 16]}}
  %0 = plx.quantized_conv %x, %w by %r {kernel = array<i64: 8, 4, 3>, quad_axis = 2}
    : (tensor<?x4x9xf32>, tensor<8x12xf32, #plx.packed<q8, group = channel>>, tensor<2xf32>) -> tensor<?x8x7xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4x9xf32>, %w: tensor<8x12xf32, #plx.packed<q8, group = channel>>, %r: tensor<2xf32>) {
  // expected-error @+1 {{'quad_axis' is 3, expected an axis of 'kernel' behind its first, 1 to 2}}
  %0 = plx.quantized_conv %x, %w by %r {kernel = array<i64: 8, 4, 3>, quad_axis = 3}
    : (tensor<?x4x9xf32>, tensor<8x12xf32, #plx.packed<q8, group = channel>>, tensor<2xf32>) -> tensor<?x8x7xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %r: tensor<3xf32>) {
  // expected-error @+1 {{'range' has size 3, expected 2}}
  %0 = plx.fake_quantize %x by %r : tensor<?x4xf32>, tensor<3xf32>
  return
}
