// Experts: printed form, meaning, and what is refused.
// RUN: plexus-opt -split-input-file -verify-diagnostics %s | plexus-opt -split-input-file | FileCheck %s --check-prefix=FORM
// RUN: plexus-opt --test-plx-decompose -split-input-file -verify-diagnostics %s | FileCheck %s

// FORM-LABEL: func.func @experts
// FORM: plx.route sigmoid %{{.*}} {normalize, scale = 2.500000e+00 : f32, top_k = 2 : i64} : tensor<?x4xf32>
// FORM: plx.moe silu %{{.*}} {hidden = 24 : i64, top_k = 2 : i64} : tensor<?x32xf32>, tensor<?x4xf32>, tensor<256x32xf32>, tensor<256x24xf32>

// Ranks: larger ones first, of equal ones the earlier; then the kept ones are divided by their sum.
// CHECK-LABEL: func.func @experts
// CHECK: arith.cmpf ogt
// CHECK: arith.cmpf oeq
// CHECK: arith.select
// CHECK: arith.divf
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction", "reduction"]
// CHECK-NOT: plx.
func.func @experts(%x: tensor<?x32xf32>, %l: tensor<?x4xf32>, %gu: tensor<256x32xf32>, %d: tensor<256x24xf32>) -> tensor<?x32xf32> {
  %r = plx.route sigmoid %l {top_k = 2, normalize, scale = 2.5 : f32} : tensor<?x4xf32>
  %y = plx.moe silu %x, %r, %gu, %d {top_k = 2, hidden = 24} : tensor<?x32xf32>, tensor<?x4xf32>, tensor<256x32xf32>, tensor<256x24xf32>
  return %y : tensor<?x32xf32>
}

// -----

func.func @too_many(%l: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{'top_k' must be from 1 to the number of experts, 4, found 5}}
  %r = plx.route softmax %l {top_k = 5} : tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @unpadded(%x: tensor<?x32xf32>, %r: tensor<?x4xf32>, %gu: tensor<192x32xf32>, %d: tensor<256x24xf32>) -> tensor<?x32xf32> {
  // expected-error @below {{'gate_up' has rows 192, expected 256}}
  %y = plx.moe silu %x, %r, %gu, %d {top_k = 2, hidden = 24} : tensor<?x32xf32>, tensor<?x4xf32>, tensor<192x32xf32>, tensor<256x24xf32>
  return %y : tensor<?x32xf32>
}
