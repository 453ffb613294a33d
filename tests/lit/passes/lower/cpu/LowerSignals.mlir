// Filters and running norms keep their states in registers, f64 vectors of channels.
// RUN: plexus-opt --plx-model --plx-number-parameters --plx-decompose --plx-lower-segments=isa=avx512 %s | FileCheck %s

plx.model @m {
  plx.state @h kind = replace : !plx.carry<2 x 22 x 2>
  // Two sections of numbers; a vector of 16 channels, and one of the 6 that are left.
  // CHECK-LABEL: func.func private @causal
  // CHECK: scf.parallel
  // CHECK: scf.for {{.*}} -> (vector<16xf64>, vector<16xf64>)
  // CHECK: llvm.load {{.*}} vector<16xf64>
  // CHECK: math.fma {{.*}} vector<16xf64>
  // CHECK: arith.truncf {{.*}} vector<16xf64> to vector<16xf32>
  // CHECK: scf.for {{.*}} -> (vector<6xf64>, vector<6xf64>)
  plx.segment @causal(%x: tensor<?x22xf32>, %batch: !plx.batch) -> tensor<?x22xf32> {
    %h = plx.get_state @h : !plx.carry<2 x 22 x 2>
    %0 = brain.sos_filter %x, %batch state %h {sos = array<f64: 0.25, 0.5, 0.25, 1.0, -0.2, 0.1>} : (tensor<?x22xf32>, !plx.batch, !plx.carry<2 x 22 x 2>) -> tensor<?x22xf32>
    plx.return %0 : tensor<?x22xf32>
  }
  // The extension that the way back begins with is on the stack, what the way there gave in scratch.
  // CHECK-LABEL: func.func private @both
  // CHECK: memref.alloc({{.*}}) : memref<?x16xf64>
  // CHECK: memref.alloca() {{.*}} memref<144xf64>
  // CHECK-COUNT-5: scf.for {{.*}} -> (vector<16xf64>, vector<16xf64>)
  plx.segment @both(%x: tensor<?x16xf32>, %batch: !plx.batch) -> tensor<?x16xf32> {
    %0 = brain.sos_filtfilt %x, %batch {padding = 9 : i64, sos = array<f64: 0.25, 0.5, 0.25, 1.0, -0.2, 0.1>} : (tensor<?x16xf32>, !plx.batch) -> tensor<?x16xf32>
    plx.return %0 : tensor<?x16xf32>
  }
  // Two rows of a matrix are summed at once; its diagonal is moved last.
  // CHECK-LABEL: func.func private @covariance
  // CHECK: memref.alloc({{.*}}) : memref<?x22x22xf64>
  // CHECK: memref.alloc({{.*}}) : memref<?x22xf64>
  // CHECK: scf.for {{.*}} -> (vector<8xf64>, vector<8xf64>)
  // CHECK: arith.truncf {{.*}} vector<8xf64> to vector<8xf32>
  // CHECK: arith.truncf {{.*}} f64 to f32
  plx.segment @covariance(%x: tensor<?x22xf32>, %batch: !plx.batch) -> tensor<?x22x22xf32> {
    %0 = brain.covariance %x, %batch {center, shrinkage = 0.1 : f64} : (tensor<?x22xf32>, !plx.batch) -> tensor<?x22x22xf32>
    plx.return %0 : tensor<?x22x22xf32>
  }
  // Rotations of what is something beside its diagonal; logarithms of the eigenvalues once.
  // CHECK-LABEL: func.func private @logarithm
  // CHECK: arith.cmpf ugt
  // CHECK: math.sqrt
  // CHECK: math.fma {{.*}} vector<8xf64>
  // CHECK: math.log {{.*}} f64
  // CHECK: arith.truncf {{.*}} vector<8xf64> to vector<8xf32>
  plx.segment @logarithm(%x: tensor<?x22x22xf32>, %batch: !plx.batch) -> tensor<?x22x22xf32> {
    %0 = brain.matrix_log %x {floor = 1.0e-10 : f64} : tensor<?x22x22xf32> -> tensor<?x22x22xf32>
    plx.return %0 : tensor<?x22x22xf32>
  }
}
