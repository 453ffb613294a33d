// Products, lookups and normalisations as upstream ops.
// RUN: plexus-opt --test-plx-decompose -split-input-file %s | FileCheck %s

// The table is read by id; ids are clamped to it.
// CHECK-LABEL: func.func @embedding
// CHECK: linalg.generic
// CHECK: arith.index_cast
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: tensor.extract
// CHECK: arith.extf %{{.*}} : bf16 to f32
func.func @embedding(%ids: tensor<?xi32>, %w: tensor<100x64xbf16>) -> tensor<?x64xf32> {
  %0 = plx.embedding %ids, %w : (tensor<?xi32>, tensor<100x64xbf16>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// -----

// CHECK: #[[X:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK: #[[W:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK: #[[Y:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: func.func @linear
// CHECK: linalg.fill
// CHECK: linalg.generic {indexing_maps = [#[[X]], #[[W]], #[[Y]]], iterator_types = ["parallel", "parallel", "reduction"]}
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: linalg.generic
// CHECK: arith.addf
func.func @linear(%x: tensor<?x64xf32>, %w: tensor<96x64xbf16>, %b: tensor<96xf32>) -> tensor<?x96xf32> {
  %0 = plx.linear %x, %w bias %b : (tensor<?x64xf32>, tensor<96x64xbf16>, tensor<96xf32>) -> tensor<?x96xf32>
  return %0 : tensor<?x96xf32>
}

// -----

// A packed weight passes through plx.unpack, the only op left.
// CHECK-LABEL: func.func @packed
// CHECK: %[[W:.*]] = plx.unpack %{{.*}} : tensor<96x64xbf16, #plx.packed<bf16>> -> tensor<96x64xbf16>
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[W]] : tensor<?x64xf32>, tensor<96x64xbf16>)
// CHECK-NOT: plx.
func.func @packed(%x: tensor<?x64xf32>, %w: tensor<96x64xbf16, #plx.packed<bf16>>) -> tensor<?x96xf32> {
  %0 = plx.linear %x, %w : (tensor<?x64xf32>, tensor<96x64xbf16, #plx.packed<bf16>>) -> tensor<?x96xf32>
  return %0 : tensor<?x96xf32>
}

// -----

// CHECK-LABEL: func.func @fused
// CHECK: linalg.generic
// CHECK: linalg.generic
// CHECK: ^bb0(%[[ACC:.*]]: f32, %[[B:.*]]: bf16, %[[R:.*]]: f32, %{{.*}}: f32):
// CHECK: %[[BF:.*]] = arith.extf %[[B]] : bf16 to f32
// CHECK: %[[S:.*]] = arith.addf %[[ACC]], %[[BF]]
// CHECK: %[[Y:.*]] = arith.addf %[[S]], %[[R]]
// CHECK: linalg.yield %[[Y]]
func.func @fused(%h: tensor<?x64xf32>, %w: tensor<96x64xbf16>, %b: tensor<96xbf16>, %x: tensor<?x96xf32>) -> tensor<?x96xf32> {
  %y = plx.fused_linear %h, %w, %b, %x : (tensor<?x64xf32>, tensor<96x64xbf16>, tensor<96xbf16>, tensor<?x96xf32>) -> tensor<?x96xf32> {
  ^bb0(%acc: f32, %bias: f32, %res: f32):
    %0 = arith.addf %acc, %bias : f32
    %1 = arith.addf %0, %res : f32
    plx.yield %1 : f32
  }
  return %y : tensor<?x96xf32>
}

// -----

// Gate and up are the even and the odd blocks of 32 columns.
// CHECK-LABEL: func.func @gated
// CHECK: %[[P:.*]] = linalg.generic
// CHECK: %[[E:.*]] = tensor.expand_shape %[[P]] {{\[\[}}0], [1, 2, 3]] {{.*}} : tensor<?x128xf32> into tensor<?x2x2x32xf32>
// CHECK: tensor.extract_slice %[[E]][0, 0, 0, 0] [%{{.*}}, 2, 1, 32] [1, 1, 1, 1]
// CHECK: tensor.collapse_shape
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 1, 0] [%{{.*}}, 2, 1, 32] [1, 1, 1, 1]
// CHECK: tensor.collapse_shape %{{.*}} : tensor<?x2x1x32xf32> into tensor<?x64xf32>
// CHECK: linalg.generic
// CHECK: arith.mulf
func.func @gated(%h: tensor<?x64xf32>, %w: tensor<128x64xbf16>) -> tensor<?x64xf32> {
  %y = plx.fused_linear gated %h, %w : (tensor<?x64xf32>, tensor<128x64xbf16>) -> tensor<?x64xf32> {
  ^bb0(%gate: f32, %up: f32):
    %0 = arith.mulf %gate, %up : f32
    plx.yield %0 : f32
  }
  return %y : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @rms_norm
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: linalg.generic
// CHECK: arith.constant 6.400000e+01
// CHECK: math.sqrt
// CHECK: %[[ONE:.*]] = arith.constant 1.000000e+00
// CHECK: arith.mulf
func.func @rms_norm(%x: tensor<?x4x64xf32>, %g: tensor<64xf32>) -> tensor<?x4x64xf32> {
  %0 = plx.rms_norm %x, %g {eps = 1.0e-5 : f32, unit_offset} : tensor<?x4x64xf32>, tensor<64xf32>
  return %0 : tensor<?x4x64xf32>
}

// -----

// CHECK-LABEL: func.func @layer_norm
// CHECK: arith.subf
// CHECK: arith.mulf %[[C:.*]], %[[C]]
// CHECK: math.sqrt
// CHECK: arith.addf
// CHECK: linalg.yield
func.func @layer_norm(%x: tensor<?x64xf32>, %g: tensor<64xf32>, %b: tensor<64xf32>) -> tensor<?x64xf32> {
  %0 = plx.layer_norm %x, %g bias %b {eps = 1.0e-12 : f32} : tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>
  return %0 : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @rows
// CHECK: math.sqrt
// CHECK: arith.maximumf
// CHECK: arith.divf
// CHECK: arith.maximumf
// CHECK: arith.subf
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: arith.divf
func.func @rows(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = plx.l2_normalize %x {eps = 1.0e-12 : f32} : tensor<?x64xf32>
  %1 = plx.softmax %0 : tensor<?x64xf32>
  return %1 : tensor<?x64xf32>
}
