// Elementwise ops and moves of elements as upstream ops.
// RUN: plexus-opt --test-plx-decompose -split-input-file %s | FileCheck %s --implicit-check-not=plx. --implicit-check-not=attn.

// CHECK-LABEL: func.func @reorder
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[ORDER:.*]]: tensor<8xf32>
// CHECK: linalg.generic {{.*}} ins(%[[ORDER]] : tensor<8xf32>)
// CHECK: arith.fptosi
// CHECK: tensor.extract %[[X]]
func.func @reorder(%x: tensor<?x8xf32>, %order: tensor<8xf32>) -> tensor<?x8xf32> {
  %0 = plx.reorder %x by %order : tensor<?x8xf32>, tensor<8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @silu
// CHECK: linalg.generic
// CHECK: arith.constant -1.0
// CHECK: math.exp
// CHECK: arith.divf
func.func @silu(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = plx.activation silu %x : tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @kinds
// CHECK: math.erf
// CHECK: math.tanh
// CHECK: arith.maximumf
// CHECK: math.log1p
// CHECK: math.expm1
func.func @kinds(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = plx.activation gelu %x : tensor<?x8xf32>
  %1 = plx.activation gelu_tanh %0 : tensor<?x8xf32>
  %2 = plx.activation gelu_quick %1 : tensor<?x8xf32>
  %3 = plx.activation relu %2 : tensor<?x8xf32>
  %4 = plx.activation relu2 %3 : tensor<?x8xf32>
  %5 = plx.activation relu6 %4 : tensor<?x8xf32>
  %6 = plx.activation tanh %5 : tensor<?x8xf32>
  %7 = plx.activation sigmoid %6 : tensor<?x8xf32>
  %8 = plx.activation softplus %7 : tensor<?x8xf32>
  %9 = plx.activation mish %8 : tensor<?x8xf32>
  %10 = plx.activation elu %9 : tensor<?x8xf32>
  %11 = plx.activation leaky_relu %10 : tensor<?x8xf32>
  %12 = plx.activation hard_swish %11 : tensor<?x8xf32>
  %13 = plx.activation hard_sigmoid %12 : tensor<?x8xf32>
  %14 = plx.activation selu %13 : tensor<?x8xf32>
  %15 = plx.activation identity %14 : tensor<?x8xf32>
  return %15 : tensor<?x8xf32>
}

// -----

// Arithmetic is in f32 whatever the elements are.
// CHECK-LABEL: func.func @glu_bf16
// CHECK: linalg.generic
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: arith.maximumf
// CHECK: arith.mulf %{{.*}} : f32
// CHECK: arith.truncf %{{.*}} : f32 to bf16
func.func @glu_bf16(%g: tensor<?x64xbf16>, %u: tensor<?x64xbf16>) -> tensor<?x64xbf16> {
  %0 = plx.glu relu %g, %u : tensor<?x64xbf16>
  return %0 : tensor<?x64xbf16>
}

// -----

// A vector is the same for every row.
// CHECK: #[[ALL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK: #[[COLUMN:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func.func @binary
// CHECK: linalg.generic {indexing_maps = [#[[ALL]], #[[COLUMN]], #[[ALL]]]
// CHECK: arith.addf
// CHECK: linalg.generic {indexing_maps = [#[[ALL]], #[[ALL]], #[[ALL]]]
// CHECK: arith.subf
// CHECK: arith.extf
// CHECK: arith.mulf
func.func @binary(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %v: tensor<64xf32>, %w: tensor<64xbf16>) -> tensor<?x64xf32> {
  %0 = plx.add %x, %v : tensor<?x64xf32>, tensor<64xf32>
  %1 = plx.sub %0, %y : tensor<?x64xf32>, tensor<?x64xf32>
  %2 = plx.mul %1, %w : tensor<?x64xf32>, tensor<64xbf16>
  return %2 : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @scales
// CHECK-SAME: %[[S:[a-z0-9]*]]: f32
// CHECK: arith.mulf %{{.*}}, %[[S]]
// CHECK: %[[TWO:.*]] = arith.constant 2.000000e+00
// CHECK: arith.mulf %{{.*}}, %[[TWO]]
// CHECK: %[[CAP:.*]] = arith.constant 3.000000e+01
// CHECK: arith.divf %{{.*}}, %[[CAP]]
// CHECK: math.tanh
// CHECK: arith.mulf %[[CAP]]
func.func @scales(%x: tensor<?x64xf32>, %s: f32) -> tensor<?x64xf32> {
  %0 = plx.scale %x by %s : tensor<?x64xf32>
  %1 = plx.scale %0 by 2.0 : tensor<?x64xf32>
  %2 = plx.softcap %1 at 30.0 : tensor<?x64xf32>
  return %2 : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @reshape
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]]
// CHECK: tensor.collapse_shape %{{.*}} {{\[\[}}0, 1, 2]] : tensor<?x4x16xf32> into tensor<?xf32>
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0, 1, 2]] {{.*}} : tensor<?xf32> into tensor<?x16x4xf32>
// CHECK: tensor.collapse_shape %{{.*}} {{\[\[}}0], [1, 2]]
func.func @reshape(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = plx.reshape %x : tensor<?x64xf32> -> tensor<?x4x16xf32>
  %1 = plx.reshape %0 : tensor<?x4x16xf32> -> tensor<?x16x4xf32>
  %2 = plx.reshape %1 : tensor<?x16x4xf32> -> tensor<?x64xf32>
  return %2 : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @columns
// CHECK: tensor.extract_slice %{{.*}}[0, 32] [%{{.*}}, 16] [1, 1]
// CHECK: tensor.empty(%{{.*}}) : tensor<?x80xf32>
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0] [%{{.*}}, 16] [1, 1]
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 16] [%{{.*}}, 64] [1, 1]
func.func @columns(%x: tensor<?x64xf32>) -> tensor<?x80xf32> {
  %0 = plx.slice %x from 32 size 16 : tensor<?x64xf32> -> tensor<?x16xf32>
  %1 = plx.concat %0, %x : (tensor<?x16xf32>, tensor<?x64xf32>) -> tensor<?x80xf32>
  return %1 : tensor<?x80xf32>
}
