// Covariances and their logarithms print as they read, and are loops over f64.
// RUN: plexus-opt %s | plexus-opt | FileCheck %s
// RUN: plexus-opt --test-plx-decompose %s | FileCheck %s --check-prefix=LOOP

// CHECK-LABEL: func.func @features
// LOOP-LABEL: func.func @features
// LOOP: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// LOOP: scf.for
// LOOP: scf.for
// LOOP: scf.for
// LOOP: scf.for
// LOOP: math.log %{{.*}} : f64
func.func @features(%x: tensor<?x5xf32>, %batch: !plx.batch) -> tensor<?x5x5xf32> {
  // CHECK: brain.covariance %{{.*}}, %{{.*}} {center, shrinkage = 1.000000e-01 : f64} : (tensor<?x5xf32>, !plx.batch) -> tensor<?x5x5xf32>
  %0 = brain.covariance %x, %batch {center, shrinkage = 0.1 : f64} : (tensor<?x5xf32>, !plx.batch) -> tensor<?x5x5xf32>
  // CHECK: brain.matrix_log %{{.*}} {floor = 1.000000e-10 : f64} : tensor<?x5x5xf32> -> tensor<?x5x5xf32>
  %1 = brain.matrix_log %0 {floor = 1.0e-10 : f64} : tensor<?x5x5xf32> -> tensor<?x5x5xf32>
  return %1 : tensor<?x5x5xf32>
}
