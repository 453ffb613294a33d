// Values on grids of 8 bits, and a convolution of such, are the formulas.
// RUN: plexus-opt --test-plx-decompose --canonicalize %s | %run | FileCheck %s

func.func private @printMemrefF32(%x: tensor<*xf32>)

func.func @rounded(%x: tensor<?x5xf32>) {
  // CHECK: {{\[\[}}-1.5, -1, 0, 0.5, 62]]
  %r = arith.constant dense<[0.5, 3.0]> : tensor<2xf32>
  %0 = plx.fake_quantize %x by %r : tensor<?x5xf32>, tensor<2xf32>
  %p0 = tensor.cast %0 : tensor<?x5xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p0) : (tensor<*xf32>) -> ()
  return
}

func.func @convolved(%x: tensor<?x1x4xf32>) {
  // x is rounded to [1, 2, 4, 8]; the quad's other places are zeros.
  // CHECK: {{\[\[\[}}9, 8, 6]]]
  %w = arith.constant dense<[[1.0, -1.0, 0.0, 0.0]]> : tensor<1x4xf32>
  %b = arith.constant dense<[10.0]> : tensor<1xf32>
  %r = arith.constant dense<[1.0, -5.0]> : tensor<2xf32>
  %0 = plx.quantized_conv %x, %w by %r bias %b {kernel = array<i64: 1, 1, 2>, quad_axis = 2}
    : (tensor<?x1x4xf32>, tensor<1x4xf32>, tensor<2xf32>, tensor<1xf32>) -> tensor<?x1x3xf32>
  %p0 = tensor.cast %0 : tensor<?x1x3xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p0) : (tensor<*xf32>) -> ()
  return
}

func.func @main() {
  %x = arith.constant dense<[[-1.6, -1.0, 0.2, 0.3, 100.0]]> : tensor<1x5xf32>
  %d = tensor.cast %x : tensor<1x5xf32> to tensor<?x5xf32>
  func.call @rounded(%d) : (tensor<?x5xf32>) -> ()
  %y = arith.constant dense<[[[1.2, 1.9, 4.0, 8.3]]]> : tensor<1x1x4xf32>
  %e = tensor.cast %y : tensor<1x1x4xf32> to tensor<?x1x4xf32>
  func.call @convolved(%e) : (tensor<?x1x4xf32>) -> ()
  return
}
