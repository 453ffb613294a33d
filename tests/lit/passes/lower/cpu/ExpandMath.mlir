// RUN: plexus-opt %s --plx-expand-math | FileCheck %s

// CHECK-LABEL: func.func @exponentials
// CHECK-NOT: math.exp
// CHECK: math.fma
func.func @exponentials(%x: f32, %v: vector<8xf32>) -> (f32, vector<8xf32>) {
  %0 = math.exp %x : f32
  %1 = math.exp %v : vector<8xf32>
  return %0, %1 : f32, vector<8xf32>
}
