// What the ops of kan refuse, and in which words.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<?x5xf32>, %t: tensor<11x5xf32>, %c: tensor<5x8x7xf32>) {
  // expected-error @+1 {{'grid' has knots 11, expected 12}}
  %0 = kan.bspline %x, %t, %c {order = 3 : i64} : (tensor<?x5xf32>, tensor<11x5xf32>, tensor<5x8x7xf32>) -> tensor<?x7xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %t: tensor<12x5xf32>, %c: tensor<5x8x7xf32>) {
  // expected-error @+1 {{'coef' has inputs 5, expected 4}}
  %0 = kan.bspline %x, %t, %c {order = 3 : i64} : (tensor<?x4xf32>, tensor<12x5xf32>, tensor<5x8x7xf32>) -> tensor<?x7xf32>
  return
}

// -----

func.func @f(%x: tensor<?x5xf32>, %t: tensor<7x5xf32>, %c: tensor<5x3x7xf32>) {
  // expected-error @+1 {{'coef' has 3 functions, expected more than the order, 3}}
  %0 = kan.bspline %x, %t, %c {order = 3 : i64} : (tensor<?x5xf32>, tensor<7x5xf32>, tensor<5x3x7xf32>) -> tensor<?x7xf32>
  return
}

// -----

func.func @f(%x: tensor<?x5xf32>, %c: tensor<5x3x7xf32>) {
  // expected-error @+1 {{'coef' has 3 functions, expected as many cosines as sines}}
  %0 = kan.fourier %x, %c : (tensor<?x5xf32>, tensor<5x3x7xf32>) -> tensor<?x7xf32>
  return
}

// -----

func.func @f(%x: tensor<?x5xf32>, %a: tensor<1x4xf32>) {
  // expected-error @+1 {{'functions' has 'cosh'; known are x, x^2,}}
  %0 = kan.symbolic %x, %a {inputs = array<i64: 0>, outputs = array<i64: 0>, functions = ["cosh"], size = 1 : i64} : (tensor<?x5xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  return
}

// -----

func.func @f(%x: tensor<?x5xf32>, %a: tensor<1x4xf32>) {
  // expected-error @+1 {{'inputs' must be from 0 to 4}}
  %0 = kan.symbolic %x, %a {inputs = array<i64: 5>, outputs = array<i64: 0>, functions = ["sin"], size = 1 : i64} : (tensor<?x5xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  return
}

// -----

func.func @f(%x: tensor<?x5xf32>, %n: tensor<1x6xf32>, %d: tensor<2x4xf32>) {
  // expected-error @+1 {{'denominator' has 2 groups, which do not divide 5 channels}}
  %0 = kan.rational %x, %n, %d : (tensor<?x5xf32>, tensor<1x6xf32>, tensor<2x4xf32>) -> tensor<?x5xf32>
  return
}

// -----

func.func @f(%x: tensor<?x5xf32>) {
  // expected-error @+1 {{'input' has 5 channels, expected 2 and a multiple of 2}}
  %0 = kan.multiply %x {sums = 2 : i64, arity = 2 : i64} : tensor<?x5xf32> -> tensor<?x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x5xf32>) {
  // expected-error @+1 {{'columns' must be from 0 to 4}}
  %0 = kan.pick %x {columns = array<i64: 5>} : tensor<?x5xf32> -> tensor<?x1xf32>
  return
}
