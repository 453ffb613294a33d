// Banks, sensors, retrieval, CTC and codes print as they read, and decompose to upstream ops alone.
// RUN: plexus-opt %s | plexus-opt | FileCheck %s
// RUN: plexus-opt --test-plx-decompose %s | FileCheck %s --check-prefix=PLAIN --implicit-check-not=brain.

// CHECK-LABEL: func.func @bank
// CHECK: brain.of_sequence %{{.*}}, %{{.*}} : tensor<?xi32>
// CHECK: brain.switched_linear %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} {columns = 20 : i64, parts = 4 : i64}
// CHECK: brain.choose %{{.*}} of %{{.*}}, %{{.*}} : tensor<?xi32>, tensor<?x20xf32>, tensor<?x20xf32>
// PLAIN-LABEL: func.func @bank
// PLAIN: linalg.generic
func.func @bank(%x: tensor<?x16xf32>, %s: tensor<?xi32>, %w: tensor<256x16xf32>, %b: tensor<4x20xf32>, %batch: !plx.batch) -> tensor<?x20xf32> {
  %i = brain.of_sequence %s, %batch : tensor<?xi32>
  %0 = brain.switched_linear %x, %i, %w bias %b {parts = 4, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<256x16xf32>, tensor<4x20xf32>) -> tensor<?x20xf32>
  %1 = brain.switched_linear %x, %i, %w {parts = 4, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<256x16xf32>) -> tensor<?x20xf32>
  %2 = brain.choose %i of %0, %1 : tensor<?xi32>, tensor<?x20xf32>, tensor<?x20xf32>
  return %2 : tensor<?x20xf32>
}

// CHECK-LABEL: func.func @module
// CHECK: brain.sensor_attention %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} count %{{.*}} :
// CHECK: brain.context %{{.*}}, %{{.*}} {before = 4 : i64, dilation = 4 : i64, taps = 3 : i64}
// PLAIN-LABEL: func.func @module
// PLAIN: math.cos
func.func @module(%x: tensor<?x64xf32>, %p: tensor<64x2xf32>, %c: tensor<6x6x20xf32>, %s: tensor<6x6x20xf32>, %n: tensor<1xi32>, %batch: !plx.batch) -> tensor<?x60xf32> {
  %0 = brain.sensor_attention %x, %p, %c, %s count %n : (tensor<?x64xf32>, tensor<64x2xf32>, tensor<6x6x20xf32>, tensor<6x6x20xf32>, tensor<1xi32>) -> tensor<?x20xf32>
  %1 = brain.context %0, %batch {taps = 3, dilation = 4, before = 4} : (tensor<?x20xf32>, !plx.batch) -> tensor<?x60xf32>
  return %1 : tensor<?x60xf32>
}

// CHECK-LABEL: func.func @retrieve
// CHECK: brain.retrieve %{{.*}}, %{{.*}} count %{{.*}} {top_k = 5 : i64}
// CHECK: brain.temperature %{{.*}}, %{{.*}} : tensor<?x200xf32>, tensor<1xf32>
// PLAIN-LABEL: func.func @retrieve
// PLAIN: math.exp
func.func @retrieve(%x: tensor<?x32xf32>, %g: tensor<200x32xf32>, %n: tensor<1xi32>, %t: tensor<1xf32>) -> (tensor<?x200xf32>, tensor<?x5xi32>) {
  %cosine, %top = brain.retrieve %x, %g count %n {top_k = 5} : (tensor<?x32xf32>, tensor<200x32xf32>, tensor<1xi32>) -> (tensor<?x200xf32>, tensor<?x5xi32>)
  %logits = brain.temperature %cosine, %t : tensor<?x200xf32>, tensor<1xf32>
  return %logits, %top : tensor<?x200xf32>, tensor<?x5xi32>
}

// CHECK-LABEL: func.func @ctc
// CHECK: brain.ctc_collapse %{{.*}}, %{{.*}} state %{{.*}} {blank = 0 : i64}
// PLAIN-LABEL: func.func @ctc
// PLAIN: plx.carry_read
func.func @ctc(%x: tensor<?x41xf32>, %s: !plx.carry<1>, %batch: !plx.batch) -> tensor<?xi32> {
  %0 = brain.ctc_collapse %x, %batch state %s {blank = 0} : (tensor<?x41xf32>, !plx.batch, !plx.carry<1>) -> tensor<?xi32>
  return %0 : tensor<?xi32>
}

// CHECK-LABEL: func.func @codes
// CHECK: brain.vector_quantize %{{.*}}, %{{.*}} {cosine} : tensor<?x32xf32>, tensor<2x64x32xf32> -> tensor<?x32xf32>, tensor<?x2xi32>
// PLAIN-LABEL: func.func @codes
// PLAIN: linalg.generic
func.func @codes(%x: tensor<?x32xf32>, %z: tensor<2x64x32xf32>) -> (tensor<?x32xf32>, tensor<?x2xi32>) {
  %0, %1 = brain.vector_quantize %x, %z {cosine} : tensor<?x32xf32>, tensor<2x64x32xf32> -> tensor<?x32xf32>, tensor<?x2xi32>
  return %0, %1 : tensor<?x32xf32>, tensor<?x2xi32>
}

// CHECK-LABEL: func.func @nested_codes
// CHECK: brain.vector_quantize {{.*}} : tensor<?x5x32xf32>, tensor<2x64x32xf32> -> tensor<?x5x32xf32>, tensor<?x5x2xi32>
// PLAIN-LABEL: func.func @nested_codes
// PLAIN: tensor.collapse_shape {{.*}} : tensor<?x5x32xf32> into tensor<?x32xf32>
// PLAIN: tensor.expand_shape {{.*}} into tensor<?x5x2xi32>
func.func @nested_codes(%x: tensor<?x5x32xf32>, %z: tensor<2x64x32xf32>) -> (tensor<?x5x32xf32>, tensor<?x5x2xi32>) {
  %0, %1 = brain.vector_quantize %x, %z : tensor<?x5x32xf32>, tensor<2x64x32xf32> -> tensor<?x5x32xf32>, tensor<?x5x2xi32>
  return %0, %1 : tensor<?x5x32xf32>, tensor<?x5x2xi32>
}
