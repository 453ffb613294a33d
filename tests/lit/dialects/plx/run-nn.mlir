// Products and normalisations, run: to four digits equal to the formulas evaluated in double precision.
// RUN: plexus-opt --test-plx-decompose --canonicalize %s | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)

func.func @norms(%x: tensor<?x4xf32>, %w: tensor<4xf32>, %b: tensor<4xf32>) {
  // rms_norm
  // CHECK: {{\[\[}}0.3651{{[0-9]*}}, 1.460{{[0-9]*}}, 0.5477{{[0-9]*}}, -1.460{{[0-9]*}}],
  // CHECK-NEXT:  [-0.3651{{[0-9]*}}, 0, 0.9128{{[0-9]*}}, -0.7302{{[0-9]*}}]]
  %0 = plx.rms_norm %x, %w {eps = 1.0e-5 : f32} : tensor<?x4xf32>, tensor<4xf32>
  %p0 = tensor.cast %0 : tensor<?x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p0) : (tensor<*xf32>) -> ()
  // rms_norm with unit offset
  // CHECK: {{\[\[}}0.7302{{[0-9]*}}, 2.190{{[0-9]*}}, 1.643{{[0-9]*}}, 0],
  // CHECK-NEXT:  [-0.7302{{[0-9]*}}, 0, 2.738{{[0-9]*}}, 0]]
  %1 = plx.rms_norm %x, %w {eps = 1.0e-5 : f32, unit_offset} : tensor<?x4xf32>, tensor<4xf32>
  %p1 = tensor.cast %1 : tensor<?x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p1) : (tensor<*xf32>) -> ()
  // layer_norm
  // CHECK: {{\[\[}}-1.341{{[0-9]*}}, 0.1055{{[0-9]*}}, 0.2236{{[0-9]*}}, -2.341{{[0-9]*}}],
  // CHECK-NEXT:  [-1.091{{[0-9]*}}, -0.3093{{[0-9]*}}, 0.7637{{[0-9]*}}, -1.218{{[0-9]*}}]]
  %2 = plx.layer_norm %x, %w bias %b {eps = 1.0e-5 : f32} : tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>
  %p2 = tensor.cast %2 : tensor<?x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p2) : (tensor<*xf32>) -> ()
  // l2_normalize
  // CHECK: {{\[\[}}0.1825{{[0-9]*}}, 0.3651{{[0-9]*}}, 0.5477{{[0-9]*}}, 0.7302{{[0-9]*}}],
  // CHECK-NEXT:  [-0.1825{{[0-9]*}}, 0, 0.9128{{[0-9]*}}, 0.3651{{[0-9]*}}]]
  %3 = plx.l2_normalize %x {eps = 1.0e-12 : f32} : tensor<?x4xf32>
  %p3 = tensor.cast %3 : tensor<?x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p3) : (tensor<*xf32>) -> ()
  // softmax
  // CHECK: {{\[\[}}0.03205{{[0-9]*}}, 0.08714{{[0-9]*}}, 0.2368{{[0-9]*}}, 0.6439{{[0-9]*}}],
  // CHECK-NEXT:  [0.002340{{[0-9]*}}, 0.006362{{[0-9]*}}, 0.9442{{[0-9]*}}, 0.04701{{[0-9]*}}]]
  %4 = plx.softmax %x : tensor<?x4xf32>
  %p4 = tensor.cast %4 : tensor<?x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p4) : (tensor<*xf32>) -> ()
  return
}

func.func @products(%x: tensor<?x4xf32>) {
  %w = arith.constant dense<[[1.0, 0.0, -1.0, 2.0], [0.5, 0.5, 0.5, 0.5], [0.0, 3.0, 0.0, -1.0]]> : tensor<3x4xf32>
  %b = arith.constant dense<[10.0, 20.0, 30.0]> : tensor<3xf32>
  // linear
  // CHECK: {{\[\[}}16, 25, 32],
  // CHECK-NEXT:  [8, 23, 28]]
  %0 = plx.linear %x, %w bias %b : (tensor<?x4xf32>, tensor<3x4xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %p0 = tensor.cast %0 : tensor<?x3xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p0) : (tensor<*xf32>) -> ()
  // the same, fused
  // CHECK: {{\[\[}}16, 25, 32],
  // CHECK-NEXT:  [8, 23, 28]]
  %1 = plx.fused_linear %x, %w, %b : (tensor<?x4xf32>, tensor<3x4xf32>, tensor<3xf32>) -> tensor<?x3xf32> {
  ^bb0(%acc: f32, %bias: f32):
    %sum = arith.addf %acc, %bias : f32
    plx.yield %sum : f32
  }
  %p1 = tensor.cast %1 : tensor<?x3xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p1) : (tensor<*xf32>) -> ()
  return
}

// Row n of the weight is n in column 0: gate n is n x, up n is (n + 32) x.
func.func @gated(%x: tensor<?x4xf32>) {
  %w = tensor.generate {
  ^bb0(%n: index, %k: index):
    %zero = arith.constant 0 : index
    %first = arith.cmpi eq, %k, %zero : index
    %i = arith.index_cast %n : index to i32
    %f = arith.sitofp %i : i32 to f32
    %none = arith.constant 0.0 : f32
    %v = arith.select %first, %f, %none : f32
    tensor.yield %v : f32
  } : tensor<64x4xf32>
  // gate * up
  // CHECK: {{\[\[}}0, 33, 68, 105, 144, 185, 228, 273, 320, 369, 420, 473, 528, 585, 644, 705, 768, 833, 900, 969, 1040, 1113, 1188, 1265, 1344, 1425, 1508, 1593, 1680, 1769, 1860, 1953],
  // CHECK-NEXT:  [-0, 33, 68, 105, 144, 185, 228, 273, 320, 369, 420, 473, 528, 585, 644, 705, 768, 833, 900, 969, 1040, 1113, 1188, 1265, 1344, 1425, 1508, 1593, 1680, 1769, 1860, 1953]]
  %0 = plx.fused_linear gated %x, %w : (tensor<?x4xf32>, tensor<64x4xf32>) -> tensor<?x32xf32> {
  ^bb0(%gate: f32, %up: f32):
    %y = arith.mulf %gate, %up : f32
    plx.yield %y : f32
  }
  %p0 = tensor.cast %0 : tensor<?x32xf32> to tensor<*xf32>
  func.call @printMemrefF32(%p0) : (tensor<*xf32>) -> ()
  return
}

func.func @main() attributes {llvm.emit_c_interface} {
  %c = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [-1.0, 0.0, 5.0, 2.0]]> : tensor<2x4xf32>
  %x = tensor.cast %c : tensor<2x4xf32> to tensor<?x4xf32>
  %w = arith.constant dense<[1.0, 2.0, 0.5, -1.0]> : tensor<4xf32>
  %b = arith.constant dense<[0.0, 1.0, 0.0, -1.0]> : tensor<4xf32>
  func.call @norms(%x, %w, %b) : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> ()
  func.call @products(%x) : (tensor<?x4xf32>) -> ()
  func.call @gated(%x) : (tensor<?x4xf32>) -> ()
  return
}
