// Filters and running norms print as they read, and are loops over samples that compute in f64.
// RUN: plexus-opt %s | plexus-opt | FileCheck %s
// RUN: plexus-opt --test-plx-decompose %s | FileCheck %s --check-prefix=LOOP

// CHECK-LABEL: func.func @ema
// LOOP-LABEL: func.func @ema
// LOOP: scf.for %[[T:.*]] = {{.*}} -> (tensor<3x22x2xf32>, tensor<?x22xf32>)
// LOOP: plx.carry_read %{{.*}} : !plx.carry<3 x 22 x 2> : tensor<3x22x2xf32>
// LOOP: arith.bitcast %{{.*}} : i64 to f64
// LOOP: arith.maximumf %{{.*}} : f64
// LOOP: plx.carry_write
func.func @ema(%x: tensor<?x22xf32>, %s: !plx.carry<3 x 22 x 2>, %batch: !plx.batch) -> tensor<?x22xf32> {
  // CHECK: brain.ema_standardize %{{.*}}, %{{.*}} state %{{.*}} {alpha = 1.000000e-02 : f64, eps = 1.000000e-04 : f64}
  %0 = brain.ema_standardize %x, %batch state %s {alpha = 0.01 : f64, eps = 1.0e-4 : f64} : (tensor<?x22xf32>, !plx.batch, !plx.carry<3 x 22 x 2>) -> tensor<?x22xf32>
  return %0 : tensor<?x22xf32>
}
