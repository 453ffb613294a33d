// What the computing ops refuse, and in which words.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics

func.func @f(%ids: tensor<?xi32>, %w: tensor<100x64xbf16>) {
  // expected-error @+1 {{'result' has type 'tensor<?x32xf32>', expected 'tensor<?x64xf32>'}}
  %0 = plx.embedding %ids, %w : (tensor<?xi32>, tensor<100x64xbf16>) -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%ids: tensor<?xi64>, %w: tensor<100x64xbf16>) {
  // expected-error @+1 {{operand #0 must be vector of i32 indices, but got 'tensor<?xi64>'}}
  %0 = plx.embedding %ids, %w : (tensor<?xi64>, tensor<100x64xbf16>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x32xf32>, %order: tensor<16xf32>) {
  // expected-error @+1 {{'order' must have an f32 index for each of the 32 columns of 'input'}}
  %0 = plx.reorder %x by %order : tensor<?x32xf32>, tensor<16xf32>
  return
}

// -----

func.func @f(%x: tensor<?x32xf32>, %w: tensor<96x64xbf16>) {
  // expected-error @+1 {{'weight' has input columns 64, expected 32}}
  %0 = plx.linear %x, %w : (tensor<?x32xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<96x64xbf16>, %b: tensor<64xf32>) {
  // expected-error @+1 {{'bias' has size 64, expected 96}}
  %0 = plx.linear %x, %w bias %b : (tensor<?x64xf32>, tensor<96x64xbf16>, tensor<64xf32>) -> tensor<?x96xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<96x64xbf16>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<?x96xf32>' are incompatible with return type(s) of operation 'tensor<?x64xf32>'}}
  %0 = plx.linear %x, %w : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xi32>, %w: tensor<96x64xbf16>) {
  // expected-error @+1 {{operand #0 must be ranked float tensor without an encoding, but got 'tensor<?x64xi32>'}}
  %0 = plx.linear %x, %w : (tensor<?x64xi32>, tensor<96x64xbf16>) -> tensor<?x96xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<96x64xbf16>, %b: tensor<64xf32>) {
  // expected-error @+1 {{extra operand #0 has type 'tensor<64xf32>', expected a vector of 96 or the shape of 'tensor<?x96xf32>'}}
  %0 = plx.fused_linear %x, %w, %b : (tensor<?x64xf32>, tensor<96x64xbf16>, tensor<64xf32>) -> tensor<?x96xf32> {
  ^bb0(%acc: f32, %bias: f32):
    plx.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<96x64xbf16>) {
  // expected-error @+1 {{'weight' of a gated product needs a multiple of 64 rows, found 96}}
  %0 = plx.fused_linear gated %x, %w : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x48xf32> {
  ^bb0(%gate: f32, %up: f32):
    plx.yield %up : f32
  }
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<96x64xbf16>) {
  // expected-error @+1 {{'epilogue' has arguments 2, expected 1}}
  %0 = plx.fused_linear %x, %w : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32> {
  ^bb0(%acc: f32, %bias: f32):
    plx.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<96x64xbf16>) {
  // expected-error @+1 {{'epilogue' argument #0 has type 'bf16', expected f32}}
  %0 = plx.fused_linear %x, %w : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32> {
  ^bb0(%acc: bf16):
    %y = arith.extf %acc : bf16 to f32
    plx.yield %y : f32
  }
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: tensor<96x64xbf16>) {
  %0 = plx.fused_linear %x, %w : (tensor<?x64xf32>, tensor<96x64xbf16>) -> tensor<?x96xf32> {
  ^bb0(%acc: f32):
    // expected-error @+1 {{'values' has size 0, expected 1}}
    plx.yield
  }
  return
}

// -----

func.func @f(%w: tensor<96x64xbf16, #plx.packed<bf16>>) {
  // expected-error @+1 {{'result' has type 'tensor<64x96xf32>', expected the shape of 'tensor<96x64xbf16, #plx.packed<bf16>>'}}
  %0 = plx.unpack %w : tensor<96x64xbf16, #plx.packed<bf16>> -> tensor<64x96xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %g: tensor<32xf32>) {
  // expected-error @+1 {{'weight' has size 32, expected 64}}
  %0 = plx.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %g: tensor<64xf32>) {
  // expected-error @+1 {{'eps' must be finite and not negative, found -1.0}}
  %0 = plx.rms_norm %x, %g {eps = -1.0 : f32} : tensor<?x64xf32>, tensor<64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %g: tensor<64xf32>, %b: tensor<32xf32>) {
  // expected-error @+1 {{'bias' has size 32, expected 64}}
  %0 = plx.layer_norm %x, %g bias %b {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>, tensor<32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?xf32>) {
  // expected-error @+1 {{'input' must have rank 1 or more and a static last axis, found 'tensor<?x?xf32>'}}
  %0 = plx.l2_normalize %x {eps = 1.0e-5 : f32} : tensor<?x?xf32>
  return
}

// -----

func.func @f(%x: tensor<f32>) {
  // expected-error @+1 {{'input' must have rank 1 or more and a static last axis, found 'tensor<f32>'}}
  %0 = plx.softmax %x : tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+2 {{expected ::mlir::plx::ActivationKind to be one of: identity, silu, gelu}}
  // expected-error @+1 {{failed to parse Plx_ActivationAttr}}
  %0 = plx.activation swish %x : tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %y: tensor<?x32xf32>) {
  // expected-error @+1 {{failed to verify that all of {gate, up, result} have same type}}
  %0 = "plx.glu"(%x, %y) {kind = #plx<activation_kind silu>} : (tensor<?x64xf32>, tensor<?x32xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %y: tensor<32xf32>) {
  // expected-error @+1 {{'rhs' has type 'tensor<32xf32>', expected the shape of 'tensor<?x64xf32>' or its trailing part}}
  %0 = plx.add %x, %y : tensor<?x64xf32>, tensor<32xf32>
  return
}

// -----

func.func @f(%x: tensor<64xf32>, %y: tensor<?x64xf32>) {
  // expected-error @+1 {{'rhs' has type 'tensor<?x64xf32>', expected the shape of 'tensor<64xf32>' or its trailing part}}
  %0 = plx.sub %x, %y : tensor<64xf32>, tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %y: tensor<1x64xf32>) {
  // expected-error @+1 {{'rhs' has type 'tensor<1x64xf32>', expected the shape of 'tensor<?x64xf32>' or its trailing part}}
  %0 = plx.mul %x, %y : tensor<?x64xf32>, tensor<1x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{needs either a 'scalar' operand or a 'factor' attribute}}
  %0 = "plx.scale"(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{'cap' must be positive, found 0.0}}
  %0 = plx.softcap %x at 0.0 : tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{'result' has type 'tensor<?x65xf32>', expected one with the elements of 'tensor<?x64xf32>'}}
  %0 = plx.reshape %x : tensor<?x64xf32> -> tensor<?x65xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{from 48 size 32 leaves the 64 columns of 'input'}}
  %0 = plx.slice %x from 48 size 32 : tensor<?x64xf32> -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %y: tensor<?x4x64xf32>) {
  // expected-error @+1 {{operand #1 has type 'tensor<?x4x64xf32>', expected that of operand #0, 'tensor<?x64xf32>', but for the last axis}}
  %0 = plx.concat %x, %y : (tensor<?x64xf32>, tensor<?x4x64xf32>) -> tensor<?x128xf32>
  return
}

// -----

func.func @f(%x: tensor<7x64xf32>, %batch: !plx.batch) {
  // expected-error @+1 {{'input' must have a dynamic leading axis (rows of the batch), found 'tensor<7x64xf32>'}}
  %0 = plx.select_rows %x, %batch : tensor<7x64xf32>
  return
}

// -----

func.func @f(%x: tensor<7x64xf32>, %batch: !plx.batch) {
  // expected-error @+1 {{'input' must have a dynamic leading axis (rows of the batch), found 'tensor<7x64xf32>'}}
  %0 = plx.pool mean %x, %batch : tensor<7x64xf32>
  return
}

// -----

func.func @f(%batch: !plx.batch) {
  // expected-error @+1 {{'offset' must be from 0 to 2^31 - 1, found -1}}
  %0 = plx.positions %batch {offset = -1} : tensor<?xi32>
  return
}

// -----

func.func @f(%batch: !plx.batch) {
  // expected-error @+1 {{result #0 must be vector of i32 indices, but got 'tensor<?xi64>'}}
  %0 = plx.token_types %batch : tensor<?xi64>
  return
}

// -----

func.func @f(%batch: !plx.batch) {
  // expected-error @+2 {{expected ::mlir::plx::BatchField to be one of: sequence, position}}
  // expected-error @+1 {{failed to parse Plx_BatchFieldAttr}}
  %0 = plx.batch_field parents %batch : tensor<?xi32>
  return
}

// -----

func.func @f(%x: tensor<4x4xbf16, #plx.packed<bf16>>) {
  // expected-error @+1 {{operand #0 must be ranked float tensor without an encoding}}
  %0 = plx.tap %x "a" : tensor<4x4xbf16, #plx.packed<bf16>>
  return
}
