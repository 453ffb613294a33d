// What banks, sensors, retrieval, CTC and codes refuse, and in which words.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics

func.func @parts(%x: tensor<?x16xf32>, %i: tensor<?xi32>, %w: tensor<100x16xf32>) -> tensor<?x20xf32> {
  // expected-error @+1 {{'weight' has 100 rows, expected 6 parts of 20 or more each}}
  %0 = brain.switched_linear %x, %i, %w {parts = 6, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<100x16xf32>) -> tensor<?x20xf32>
  return %0 : tensor<?x20xf32>
}

// -----

func.func @columns(%x: tensor<?x16xf32>, %i: tensor<?xi32>, %w: tensor<64x15xf32>) -> tensor<?x20xf32> {
  // expected-error @+1 {{'weight' has columns 15, expected 16}}
  %0 = brain.switched_linear %x, %i, %w {parts = 1, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<64x15xf32>) -> tensor<?x20xf32>
  return %0 : tensor<?x20xf32>
}

// -----

func.func @bias(%x: tensor<?x16xf32>, %i: tensor<?xi32>, %w: tensor<64x16xf32>, %b: tensor<2x20xf32>) -> tensor<?x20xf32> {
  // expected-error @+1 {{'bias' has rows 2, expected 1}}
  %0 = brain.switched_linear %x, %i, %w bias %b {parts = 1, columns = 20} : (tensor<?x16xf32>, tensor<?xi32>, tensor<64x16xf32>, tensor<2x20xf32>) -> tensor<?x20xf32>
  return %0 : tensor<?x20xf32>
}

// -----

func.func @positions(%x: tensor<?x64xf32>, %p: tensor<63x2xf32>, %c: tensor<6x6x20xf32>) -> tensor<?x20xf32> {
  // expected-error @+1 {{'positions' has rows 63, expected 64}}
  %0 = brain.sensor_attention %x, %p, %c, %c : (tensor<?x64xf32>, tensor<63x2xf32>, tensor<6x6x20xf32>, tensor<6x6x20xf32>) -> tensor<?x20xf32>
  return %0 : tensor<?x20xf32>
}

// -----

func.func @gallery(%x: tensor<?x32xf32>, %g: tensor<200x31xf32>) -> tensor<?x200xf32> {
  // expected-error @+1 {{'gallery' has columns 31, expected 32}}
  %0, %1 = brain.retrieve %x, %g {top_k = 5} : (tensor<?x32xf32>, tensor<200x31xf32>) -> (tensor<?x200xf32>, tensor<?x5xi32>)
  return %0 : tensor<?x200xf32>
}

// -----

func.func @best(%x: tensor<?x32xf32>, %g: tensor<4x32xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{'top_k' must be from 1 to the gallery's 4 rows, found 5}}
  %0, %1 = brain.retrieve %x, %g {top_k = 5} : (tensor<?x32xf32>, tensor<4x32xf32>) -> (tensor<?x4xf32>, tensor<?x5xi32>)
  return %0 : tensor<?x4xf32>
}

// -----

func.func @blank(%x: tensor<?x41xf32>, %batch: !plx.batch) -> tensor<?xi32> {
  // expected-error @+1 {{'blank' must be one of the 41 labels, found 41}}
  %0 = brain.ctc_collapse %x, %batch {blank = 41} : (tensor<?x41xf32>, !plx.batch) -> tensor<?xi32>
  return %0 : tensor<?xi32>
}

// -----

func.func @taps(%x: tensor<?x4xf32>, %batch: !plx.batch) -> tensor<?x0xf32> {
  // expected-error @+1 {{'taps' must be positive, found 0}}
  %0 = brain.context %x, %batch {taps = 0} : (tensor<?x4xf32>, !plx.batch) -> tensor<?x0xf32>
  return %0 : tensor<?x0xf32>
}

// -----

func.func @codes(%x: tensor<?x32xf32>, %z: tensor<1x64x31xf32>) -> tensor<?x32xf32> {
  // expected-error @+1 {{'codebooks' has columns 31, expected 32}}
  %0, %1 = brain.vector_quantize %x, %z : tensor<?x32xf32>, tensor<1x64x31xf32> -> tensor<?x32xf32>, tensor<?x1xi32>
  return %0 : tensor<?x32xf32>
}
