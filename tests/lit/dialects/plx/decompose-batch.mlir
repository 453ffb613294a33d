// Ops over the batch: upstream ops and plx.batch_field.
// RUN: plexus-opt --test-plx-decompose -split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @select
// CHECK: %[[R:.*]] = plx.batch_field output_row %{{.*}} : tensor<?xi32>
// CHECK: linalg.generic {{.*}} ins(%[[R]] : tensor<?xi32>)
// CHECK: tensor.extract
func.func @select(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
  %0 = plx.select_rows %x, %batch : tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @mean
// CHECK: %[[S:.*]] = plx.batch_field sequence
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.cmpi eq
// CHECK: arith.addf
// CHECK: arith.select
// CHECK: plx.batch_field token_begin
// CHECK: arith.divf
func.func @mean(%x: tensor<?x64xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
  %0 = plx.pool mean %x, %batch : tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @others
// CHECK: arith.maximumf
// CHECK: tensor.extract
// CHECK: tensor.extract
func.func @others(%x: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %0 = plx.pool max %x, %batch : tensor<?x64xf32>
  %1 = plx.pool cls %x, %batch : tensor<?x64xf32>
  %2 = plx.pool last %x, %batch : tensor<?x64xf32>
  return %0, %1, %2 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @indices
// CHECK: plx.batch_field position
// CHECK: arith.constant 2 : i32
// CHECK: arith.addi
// CHECK: plx.batch_field token_type
func.func @indices(%batch: !plx.batch) -> (tensor<?xi32>, tensor<?xi32>) {
  %0 = plx.positions %batch {offset = 2} : tensor<?xi32>
  %1 = plx.token_types %batch : tensor<?xi32>
  return %0, %1 : tensor<?xi32>, tensor<?xi32>
}
