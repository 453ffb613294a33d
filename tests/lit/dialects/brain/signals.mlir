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

// CHECK-LABEL: func.func @filters
// LOOP-LABEL: func.func @filters
// LOOP: scf.for {{.*}} -> (tensor<5x4x2xf32>, tensor<?x4xf32>)
// LOOP: math.fma %{{.*}} : f64
// LOOP: plx.carry_write
// The zero-phase filter: forward, the extension at a sequence's border only, and back.
// LOOP: scf.for
// LOOP: scf.for
// LOOP: plx.carry_read {{.*}} {reverse} : tensor<2x2x2xf32>
func.func @filters(%x: tensor<?x2xf32>, %s: !plx.carry<5 x 4 x 2>, %batch: !plx.batch) -> (tensor<?x4xf32>, tensor<?x2xf32>) {
  // CHECK: brain.sos_filter %{{.*}}, %{{.*}} state %{{.*}} {filters = 2 : i64, sos = array<f64: {{.*}}>, steady}
  %0 = brain.sos_filter %x, %batch state %s {filters = 2 : i64, sos = array<f64: 0.25, 0.5, 0.25, 1.0, -0.2, 0.1, 1.0, 0.5, 0.0, 1.0, 0.2, 0.0, 0.5, 0.5, 0.25, 1.0, -0.3, 0.1, 1.0, 0.5, 0.0, 1.0, 0.2, 0.0>, steady} : (tensor<?x2xf32>, !plx.batch, !plx.carry<5 x 4 x 2>) -> tensor<?x4xf32>
  // CHECK: brain.sos_filtfilt %{{.*}}, %{{.*}} {extension = #brain<extension even>, padding = 9 : i64, sos = array<f64: {{.*}}>}
  %1 = brain.sos_filtfilt %x, %batch {extension = #brain<extension even>, padding = 9 : i64, sos = array<f64: 0.25, 0.5, 0.25, 1.0, -0.2, 0.1>} : (tensor<?x2xf32>, !plx.batch) -> tensor<?x2xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x2xf32>
}

// CHECK-LABEL: func.func @times
// LOOP-LABEL: func.func @times
// LOOP: plx.batch_field position
func.func @times(%batch: !plx.batch) -> tensor<?xf32> {
  // CHECK: brain.times %{{.*}} {start = 0.000000e+00 : f64, step = 2.560000e-01 : f64} : tensor<?xf32>
  %0 = brain.times %batch {start = 0.0 : f64, step = 0.256 : f64} : tensor<?xf32>
  return %0 : tensor<?xf32>
}
