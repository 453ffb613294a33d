// What ops on maps and recipes of arithmetic refuse, and in which words.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<?x3x5xf32>, %w: tensor<4x2x2xf32>) {
  // expected-error @+1 {{'weight' [4, 2, 2] in 1 groups does not fit the 3 channels of 'input'}}
  %0 = plx.conv %x, %w : (tensor<?x3x5xf32>, tensor<4x2x2xf32>) -> tensor<?x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x2x5xf32>) {
  // expected-error @+1 {{axis 0: a window of 7 does not fit 5 places}}
  %0 = plx.pool_window max %x {kernel = array<i64: 7>} : tensor<?x2x5xf32> -> tensor<?x2x0xf32>
  return
}

// -----

func.func @f(%x: tensor<?x2x5xf32>) {
  // expected-error @+1 {{a window of 2 could lie in the pads 2 and 0 alone}}
  %0 = plx.pool_window mean %x {kernel = array<i64: 2>, pads_begin = array<i64: 2>} : tensor<?x2x5xf32> -> tensor<?x2x6xf32>
  return
}

// -----

func.func @f(%x: tensor<?x2x5xf32>, %v: tensor<3xf32>) {
  // expected-error @+1 {{'scale' has size 3, expected 2}}
  %0 = plx.channel_affine %x, %v, %v : tensor<?x2x5xf32>, tensor<3xf32>, tensor<3xf32>
  return
}

// -----

plx.model @m {
  // expected-error @+1 {{#plx.einsum "ok,kc->oc": axes "kc" do not fit 'tensor<4x2xf32>'}}
  plx.weight @w : tensor<8x2xf32> = #plx.einsum<"ok,kc->oc", [#plx.source<"a" : tensor<8x3xf32>>, #plx.source<"b" : tensor<4x2xf32>>]>
}

// -----

plx.model @m {
  // expected-error @+1 {{#plx.sum parts must have one shape, found 'tensor<8xf32>' and 'tensor<4xf32>'}}
  plx.weight @w : tensor<8xf32> = #plx.sum<[#plx.source<"a" : tensor<8xf32>>, #plx.source<"b" : tensor<4xf32>>]>
}

// -----

plx.model @m {
  // expected-error @+1 {{recipe gives 'tensor<8x6xf32>', expected the shape of 'tensor<8x4xf32>'}}
  plx.weight @w : tensor<8x4xf32> = #plx.box<1, 3, #plx.source<"a" : tensor<8x4xf32>>>
}

// -----

plx.model @m {
  // expected-error @+1 {{#plx.spectrum needs a power of 2 of at least 32 points, found 48}}
  plx.weight @w : tensor<8x48xf32> = #plx.spectrum<48, #plx.source<"a" : tensor<8x4xf32>>>
}

// -----

plx.model @m {
  // expected-error @+1 {{#plx.spectrum of 32 points does not hold the last axis of 'tensor<8x40xf32>'}}
  plx.weight @w : tensor<8x32xf32> = #plx.spectrum<32, #plx.source<"a" : tensor<8x40xf32>>>
}

// -----

func.func @points(%x: tensor<?x2x50xf32>, %w: tensor<192xf32>) {
  // expected-error @+1 {{'points' 24 must be a power of 2 of at least 32 and not less than the 4 places of the kernel}}
  %0 = plx.conv %x, %w {blocked = array<i64: 4, 2, 4>, points = 24} : (tensor<?x2x50xf32>, tensor<192xf32>) -> tensor<?x4x47xf32>
  return
}

// -----

func.func @strided_points(%x: tensor<?x2x50xf32>, %w: tensor<256xf32>) {
  // expected-error @+1 {{'points' needs 'blocked', one group, and stride and dilation 1 along the last axis}}
  %0 = plx.conv %x, %w {blocked = array<i64: 4, 2, 4>, points = 32, strides = array<i64: 2>} : (tensor<?x2x50xf32>, tensor<256xf32>) -> tensor<?x4x24xf32>
  return
}

// -----

func.func @spectra(%x: tensor<?x2x50xf32>, %w: tensor<32xf32>) {
  // expected-error @+1 {{'weight' has type 'tensor<32xf32>', expected a vector of the 256 elements that 'blocked' says}}
  %0 = plx.conv %x, %w {blocked = array<i64: 4, 2, 4>, points = 32} : (tensor<?x2x50xf32>, tensor<32xf32>) -> tensor<?x4x47xf32>
  return
}
