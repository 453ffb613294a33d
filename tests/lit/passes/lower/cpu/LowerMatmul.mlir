// Products of two computed matrices: a transposed right one is turned over on the stack; one that is too
// large for it is decomposed.
// RUN: plexus-opt --plx-model --plx-number-parameters --plx-decompose --plx-lower-segments=isa=avx512 %s | FileCheck %s

plx.model @m {
  // CHECK-LABEL: func.func private @scores
  // CHECK: scf.parallel
  // CHECK: llvm.intr.stacksave
  // CHECK: memref.alloca() {{.*}} memref<244xf32>
  // CHECK: math.fma {{.*}} vector<16xf32>
  // CHECK: math.fma {{.*}} vector<13xf32>
  plx.segment @scores(%q: tensor<?x10x61x4xf32>, %k: tensor<?x10x61x4xf32>, %batch: !plx.batch) -> tensor<?x10x61x61xf32> {
    %0 = plx.matmul %q, %k transposed : (tensor<?x10x61x4xf32>, tensor<?x10x61x4xf32>) -> tensor<?x10x61x61xf32>
    plx.return %0 : tensor<?x10x61x61xf32>
  }
  // CHECK-LABEL: func.func private @values
  // CHECK-NOT: stacksave
  // CHECK: vector.load {{.*}} vector<4xf32>
  plx.segment @values(%p: tensor<?x10x61x61xf32>, %v: tensor<?x10x61x4xf32>, %batch: !plx.batch) -> tensor<?x10x61x4xf32> {
    %0 = plx.matmul %p, %v : (tensor<?x10x61x61xf32>, tensor<?x10x61x4xf32>) -> tensor<?x10x61x4xf32>
    plx.return %0 : tensor<?x10x61x4xf32>
  }
  // CHECK-LABEL: func.func private @large
  // CHECK-NOT: stacksave
  plx.segment @large(%q: tensor<?x1x3x130xf32>, %k: tensor<?x1x65x130xf32>, %batch: !plx.batch) -> tensor<?x1x3x65xf32> {
    %0 = plx.matmul %q, %k transposed : (tensor<?x1x3x130xf32>, tensor<?x1x65x130xf32>) -> tensor<?x1x3x65xf32>
    plx.return %0 : tensor<?x1x3x65xf32>
  }
}
