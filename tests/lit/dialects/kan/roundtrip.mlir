// Every op of kan prints as it reads, and parses again.
// RUN: plexus-opt %s | plexus-opt | FileCheck %s
// RUN: plexus-opt --mlir-print-op-generic %s | plexus-opt | FileCheck %s

// CHECK-LABEL: func.func @layers
func.func @layers(%x: tensor<?x5xf32>, %t: tensor<12x5xf32>, %c: tensor<5x8x7xf32>, %w: tensor<5x7xf32>, %b: tensor<7xf32>, %k: tensor<8xf32>) {
  // CHECK: kan.bspline %{{.*}}, %{{.*}}, %{{.*}} base %{{.*}} bias %{{.*}} {base_function = #plx<activation_kind gelu>, order = 3 : i64}
  %0 = kan.bspline %x, %t, %c base %w bias %b {order = 3 : i64, base_function = #plx<activation_kind gelu>} : (tensor<?x5xf32>, tensor<12x5xf32>, tensor<5x8x7xf32>, tensor<5x7xf32>, tensor<7xf32>) -> tensor<?x7xf32>
  // CHECK: kan.bspline %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} {order = 3 : i64} : (tensor<?x5xf32>, tensor<12x5xf32>, tensor<5x8x7xf32>, tensor<7xf32>) -> tensor<?x7xf32>
  %1 = kan.bspline %x, %t, %c bias %b {order = 3 : i64} : (tensor<?x5xf32>, tensor<12x5xf32>, tensor<5x8x7xf32>, tensor<7xf32>) -> tensor<?x7xf32>
  // CHECK: kan.bspline %{{.*}} {order = 3 : i64, uniform} : (
  %7 = kan.bspline %x, %t, %c {order = 3 : i64, uniform} : (tensor<?x5xf32>, tensor<12x5xf32>, tensor<5x8x7xf32>) -> tensor<?x7xf32>
  // CHECK: kan.rbf %{{.*}} {width = 5.000000e-01 : f32}
  %2 = kan.rbf %x, %k, %c {width = 0.5 : f32} : (tensor<?x5xf32>, tensor<8xf32>, tensor<5x8x7xf32>) -> tensor<?x7xf32>
  // CHECK: kan.chebyshev %{{.*}}, %{{.*}} : (tensor<?x5xf32>, tensor<5x8x7xf32>) -> tensor<?x7xf32>
  %3 = kan.chebyshev %x, %c : (tensor<?x5xf32>, tensor<5x8x7xf32>) -> tensor<?x7xf32>
  // CHECK: kan.fourier %{{.*}}, %{{.*}} bias %{{.*}} : (tensor<?x5xf32>, tensor<5x8x7xf32>, tensor<7xf32>) -> tensor<?x7xf32>
  %4 = kan.fourier %x, %c bias %b : (tensor<?x5xf32>, tensor<5x8x7xf32>, tensor<7xf32>) -> tensor<?x7xf32>
  // CHECK: kan.wavelet morlet %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} base %{{.*}} : (
  %5 = kan.wavelet morlet %x, %w, %w, %w base %w : (tensor<?x5xf32>, tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<?x7xf32>
  return
}

// CHECK-LABEL: func.func @nodes
func.func @nodes(%x: tensor<?x5xf32>, %a: tensor<2x4xf32>, %n: tensor<1x6xf32>, %d: tensor<5x4xf32>, %i: tensor<?x2x8x8xf32>) {
  // CHECK: kan.symbolic %{{.*}}, %{{.*}} {functions = ["sin", "1/x^2"], inputs = array<i64: 0, 2>, outputs = array<i64: 0, 1>, size = 7 : i64}
  %0 = kan.symbolic %x, %a {inputs = array<i64: 0, 2>, outputs = array<i64: 0, 1>, functions = ["sin", "1/x^2"], size = 7 : i64} : (tensor<?x5xf32>, tensor<2x4xf32>) -> tensor<?x7xf32>
  // CHECK: kan.rational
  %1 = kan.rational %x, %n, %d : (tensor<?x5xf32>, tensor<1x6xf32>, tensor<5x4xf32>) -> tensor<?x5xf32>
  // CHECK: kan.select %{{.*}} {functions = ["silu", "sin", "x", "abs", "0"]}
  %2 = kan.select %x {functions = ["silu", "sin", "x", "abs", "0"]} : tensor<?x5xf32> -> tensor<?x5xf32>
  // CHECK: kan.multiply %{{.*}} {arity = 2 : i64, sums = 1 : i64} : tensor<?x5xf32> -> tensor<?x3xf32>
  %3 = kan.multiply %x {sums = 1 : i64, arity = 2 : i64} : tensor<?x5xf32> -> tensor<?x3xf32>
  // CHECK: kan.pick %{{.*}} {columns = array<i64: 4, 0>} : tensor<?x5xf32> -> tensor<?x2xf32>
  %4 = kan.pick %x {columns = array<i64: 4, 0>} : tensor<?x5xf32> -> tensor<?x2xf32>
  // CHECK: kan.patches %{{.*}} : tensor<?x2x8x8xf32> -> tensor<?x64x18xf32>
  %5 = kan.patches %i {kernel = array<i64: 3, 3>, stride = array<i64: 1, 1>, padding = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : tensor<?x2x8x8xf32> -> tensor<?x64x18xf32>
  // CHECK: kan.swap %{{.*}} : tensor<?x64x18xf32> -> tensor<?x18x64xf32>
  %6 = kan.swap %5 : tensor<?x64x18xf32> -> tensor<?x18x64xf32>
  return
}
