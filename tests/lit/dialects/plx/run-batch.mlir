// Ops over the batch, run: two sequences with tokens 0..2 and 3..4, one without tokens.
// RUN: plexus-opt --test-plx-decompose --canonicalize %s | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)
func.func private @printMemrefI32(tensor<*xi32>)

func.func @print(%x: tensor<?x2xf32>) {
  %0 = tensor.cast %x : tensor<?x2xf32> to tensor<*xf32>
  func.call @printMemrefF32(%0) : (tensor<*xf32>) -> ()
  return
}

func.func @batch(%x: tensor<?x2xf32>) attributes {accessors = {
    sequence = dense<[0, 0, 0, 1, 1]> : tensor<5xi32>, position = dense<[7, 8, 9, 0, 1]> : tensor<5xi32>,
    token_begin = dense<[0, 3, 5, 5]> : tensor<4xi32>, past = dense<[7, 0, 4]> : tensor<3xi32>,
    output_row = dense<[2, 4]> : tensor<2xi32>, token_type = dense<[0, 1, 0, 1, 0]> : tensor<5xi32>}} {
  %batch = ub.poison : !plx.batch
  // CHECK: {{\[\[}}2, -2],
  // CHECK-NEXT: [4, -3],
  // CHECK-NEXT: [0, 0]]
  %0 = plx.pool mean %x, %batch : tensor<?x2xf32>
  func.call @print(%0) : (tensor<?x2xf32>) -> ()
  // CHECK: {{\[\[}}3, -1],
  // CHECK-NEXT: [6, -1],
  // CHECK-NEXT: [0, 0]]
  %1 = plx.pool max %x, %batch : tensor<?x2xf32>
  func.call @print(%1) : (tensor<?x2xf32>) -> ()
  // CHECK: {{\[\[}}1, -1],
  // CHECK-NEXT: [6, -5],
  // CHECK-NEXT: [0, 0]]
  %2 = plx.pool cls %x, %batch : tensor<?x2xf32>
  func.call @print(%2) : (tensor<?x2xf32>) -> ()
  // CHECK: {{\[\[}}3, -3],
  // CHECK-NEXT: [2, -1],
  // CHECK-NEXT: [0, 0]]
  %3 = plx.pool last %x, %batch : tensor<?x2xf32>
  func.call @print(%3) : (tensor<?x2xf32>) -> ()
  // CHECK: {{\[\[}}3, -3],
  // CHECK-NEXT: [2, -1]]
  %4 = plx.select_rows %x, %batch : tensor<?x2xf32>
  func.call @print(%4) : (tensor<?x2xf32>) -> ()
  // CHECK: [9, 10, 11, 2, 3]
  %5 = plx.positions %batch {offset = 2} : tensor<?xi32>
  %6 = tensor.cast %5 : tensor<?xi32> to tensor<*xi32>
  func.call @printMemrefI32(%6) : (tensor<*xi32>) -> ()
  // Rows of the table by token type; then ids outside of it.
  %table = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  // CHECK: {{\[\[}}1, 2],
  // CHECK-NEXT: [3, 4],
  // CHECK-NEXT: [1, 2],
  // CHECK-NEXT: [3, 4],
  // CHECK-NEXT: [1, 2]]
  %7 = plx.token_types %batch : tensor<?xi32>
  %8 = plx.embedding %7, %table : (tensor<?xi32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.call @print(%8) : (tensor<?x2xf32>) -> ()
  // CHECK: {{\[\[}}1, 2],
  // CHECK-NEXT: [3, 4]]
  %outside = arith.constant dense<[-5, 99]> : tensor<2xi32>
  %9 = tensor.cast %outside : tensor<2xi32> to tensor<?xi32>
  %10 = plx.embedding %9, %table : (tensor<?xi32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.call @print(%10) : (tensor<?x2xf32>) -> ()
  return
}

// CHECK: {{\[\[}}-1, -1, 1],
func.func @columns(%x: tensor<?x2xf32>) {
  %0 = plx.slice %x from 1 size 1 : tensor<?x2xf32> -> tensor<?x1xf32>
  %1 = plx.slice %x from 0 size 1 : tensor<?x2xf32> -> tensor<?x1xf32>
  %2 = plx.concat %0, %0, %1 : (tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x3xf32>
  %3 = tensor.cast %2 : tensor<?x3xf32> to tensor<*xf32>
  func.call @printMemrefF32(%3) : (tensor<*xf32>) -> ()
  return
}

func.func @main() attributes {llvm.emit_c_interface} {
  %c = arith.constant dense<[[1.0, -1.0], [2.0, -2.0], [3.0, -3.0], [6.0, -5.0], [2.0, -1.0]]> : tensor<5x2xf32>
  %x = tensor.cast %c : tensor<5x2xf32> to tensor<?x2xf32>
  func.call @batch(%x) : (tensor<?x2xf32>) -> ()
  func.call @columns(%x) : (tensor<?x2xf32>) -> ()
  return
}
