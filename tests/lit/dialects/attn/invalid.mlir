// What attn refuses, and in which words.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{!attn.kv needs positive sizes, found 0 x 8 x 8}}
func.func private @f(!attn.kv<0 x 8 x 8>)

// -----

// expected-error @+1 {{expected heads x keyDim x valueDim, found 2 sizes}}
func.func private @f(!attn.kv<2 x 8>)

// -----

#rope = #attn.rope<dims = 4, inv_freq = dense<1.0> : tensor<2xf32>>
// expected-error @+1 {{!attn.kv keeps keys before a rope as int4 alone}}
func.func private @f(!attn.kv<2 x 8 x 8, int8, #rope>)

// -----

#rope = #attn.rope<dims = 4, inv_freq = dense<1.0> : tensor<2xf32>>
// expected-error @+1 {{!attn.kv has a rope that turns 4 entries of a head of 2}}
func.func private @f(!attn.kv<2 x 2 x 8, int4, #rope>)

// -----

#rope = #attn.rope<dims = 4, inv_freq = dense<1.0> : tensor<2xf32>, original_context = 8, ntk_factor = 2.0 : f32>
// expected-error @+1 {{!attn.kv has a rope whose frequencies depend on the length of the sequence: keys are kept as they were turned}}
func.func private @f(!attn.kv<2 x 8 x 8, int4, #rope>)

// -----

#rope = #attn.rope<dims = 4, inv_freq = dense<1.0> : tensor<2xf32>>
func.func @f(%k: tensor<?x2x8xf32>, %kv: !attn.kv<2 x 8 x 8, int4, #rope>, %batch: !plx.batch) {
  // expected-error @+1 {{'state' keeps keys as they are before its rope, which must be the op's}}
  attn.kv_write %k, %k, %kv, %batch : tensor<?x2x8xf32>, tensor<?x2x8xf32>, !attn.kv<2 x 8 x 8, int4, #rope>
  return
}

// -----

// expected-error @+1 {{#attn.rope dims must be even and positive, found 3}}
#rope = #attn.rope<dims = 3, inv_freq = dense<[1.0]> : tensor<1xf32>>

// -----

// expected-error @+1 {{#attn.rope inv_freq has type 'tensor<1xf32>', expected 'tensor<2xf32>' (dims / 2)}}
#rope = #attn.rope<dims = 4, inv_freq = dense<[1.0]> : tensor<1xf32>>

// -----

// expected-error @+1 {{#attn.rope long_inv_freq or ntk_factor and a positive original_context belong together}}
#rope = #attn.rope<dims = 2, inv_freq = dense<[1.0]> : tensor<1xf32>, original_context = 8>

// -----

// expected-error @+1 {{#attn.rope long_inv_freq or ntk_factor and a positive original_context belong together}}
#rope = #attn.rope<dims = 4, inv_freq = dense<1.0> : tensor<2xf32>, ntk_factor = 2.0 : f32>

// -----

// expected-error @+1 {{#attn.rope has long_inv_freq or ntk_factor, not both}}
#rope = #attn.rope<dims = 4, inv_freq = dense<1.0> : tensor<2xf32>, long_inv_freq = dense<1.0> : tensor<2xf32>, original_context = 8, ntk_factor = 2.0 : f32>

// -----

// expected-error @+1 {{#attn.rope ntk_factor must be f32 and needs dims of 4 or more}}
#rope = #attn.rope<dims = 2, inv_freq = dense<1.0> : tensor<1xf32>, original_context = 8, ntk_factor = 2.0 : f32>

// -----

// expected-error @+1 {{#attn.rope attention_scaling must be f32, found 'f64'}}
#rope = #attn.rope<dims = 2, inv_freq = dense<[1.0]> : tensor<1xf32>, attention_scaling = 1.0 : f64>

// -----

func.func @f(%x: tensor<?x2x4xf32>, %batch: !plx.batch) {
  // expected-error @+1 {{'rope' turns 8 entries of a head of 4}}
  %0 = attn.rope %x, %batch {rope = #attn.rope<dims = 8, inv_freq = dense<1.0> : tensor<4xf32>>} : tensor<?x2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %batch: !plx.batch) {
  // expected-error @+1 {{operand #0 must be float tensor [T, heads, headDim], but got 'tensor<?x8xf32>'}}
  %0 = attn.rope %x, %batch {rope = #attn.rope<dims = 8, inv_freq = dense<1.0> : tensor<4xf32>>} : tensor<?x8xf32>
  return
}

// -----

func.func @f(%k: tensor<?x4x8xf32>, %v: tensor<?x2x8xf32>, %kv: !attn.kv<2 x 8 x 8>, %batch: !plx.batch) {
  // expected-error @+1 {{'key' has heads 4, expected 2}}
  attn.kv_write %k, %v, %kv, %batch : tensor<?x4x8xf32>, tensor<?x2x8xf32>, !attn.kv<2 x 8 x 8>
  return
}

// -----

func.func @f(%k: tensor<?x2x8xf32>, %v: tensor<?x2x4xf32>, %kv: !attn.kv<2 x 8 x 8>, %batch: !plx.batch) {
  // expected-error @+1 {{'value' has head size 4, expected 8}}
  attn.kv_write %k, %v, %kv, %batch : tensor<?x2x8xf32>, tensor<?x2x4xf32>, !attn.kv<2 x 8 x 8>
  return
}

// -----

func.func @f(%q: tensor<?x3x8xf32>, %kv: !attn.kv<2 x 8 x 8>, %batch: !plx.batch) {
  // expected-error @+1 {{'query' has 3 heads, expected a multiple of the 2 key heads}}
  %0 = attn.attention %q, %kv, %batch {scale = 1.0 : f32} : (tensor<?x3x8xf32>, !attn.kv<2 x 8 x 8>, !plx.batch) -> tensor<?x3x8xf32>
  return
}

// -----

func.func @f(%q: tensor<?x4x4xf32>, %kv: !attn.kv<2 x 8 x 8>, %batch: !plx.batch) {
  // expected-error @+1 {{'state' has key size 8, expected 4}}
  %0 = attn.attention %q, %kv, %batch {scale = 1.0 : f32} : (tensor<?x4x4xf32>, !attn.kv<2 x 8 x 8>, !plx.batch) -> tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<?x4x8xf32>, %k: tensor<?x2x4xf32>, %batch: !plx.batch) {
  // expected-error @+1 {{'key' has head size 4, expected 8}}
  %0 = attn.attention %q, %k, %k, %batch {scale = 1.0 : f32} : (tensor<?x4x8xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>, !plx.batch) -> tensor<?x4x4xf32>
  return
}

// -----

func.func @f(%q: tensor<?x4x8xf32>, %k: tensor<?x2x8xf32>, %v: tensor<?x4x8xf32>, %batch: !plx.batch) {
  // expected-error @+1 {{'value' has heads 4, expected 2}}
  %0 = attn.attention %q, %k, %v, %batch {scale = 1.0 : f32} : (tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x4x8xf32>, !plx.batch) -> tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<?x4x8xf32>, %batch: !plx.batch) {
  // expected-error @+1 {{expected 'query, state, batch' or 'query, key, value, batch', found 2 operands}}
  %0 = attn.attention %q, %batch {scale = 1.0 : f32} : (tensor<?x4x8xf32>, !plx.batch) -> tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<?x4x8xf32>, %kv: !attn.kv<2 x 8 x 8>, %batch: !plx.batch) {
  // expected-error @+1 {{'window' must be from 0 to 2^31 - 1, found -1}}
  %0 = attn.attention %q, %kv, %batch {scale = 1.0 : f32, window = -1} : (tensor<?x4x8xf32>, !attn.kv<2 x 8 x 8>, !plx.batch) -> tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<?x4x8xf32>, %kv: !attn.kv<2 x 8 x 8>, %batch: !plx.batch) {
  // expected-error @+1 {{'softcap' must be positive, found 0.0}}
  %0 = attn.attention %q, %kv, %batch {scale = 1.0 : f32, softcap = 0.0 : f32} : (tensor<?x4x8xf32>, !attn.kv<2 x 8 x 8>, !plx.batch) -> tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%kv: !attn.kv<2 x 8 x 8>, %batch: !plx.batch) {
  // expected-error @+1 {{'result' has type 'tensor<?x?x2x4xf32>', expected 'tensor<?x?x2x8xf32>'}}
  %0 = attn.kv_keys %kv, %batch : !attn.kv<2 x 8 x 8> -> tensor<?x?x2x4xf32>
  return
}

// -----

func.func @f(%kv: !attn.kv<2 x 8 x 8>, %batch: !plx.batch) {
  // expected-error @+1 {{'result' has type 'tensor<?x?x4x8xf32>', expected 'tensor<?x?x2x8xf32>'}}
  %0 = attn.kv_values %kv, %batch : !attn.kv<2 x 8 x 8> -> tensor<?x?x4x8xf32>
  return
}

// -----

func.func @f(%batch: !plx.batch) {
  // expected-error @+1 {{'window' must be from 0 to 2^31 - 1, found -2}}
  %0 = attn.visible %batch {window = -2} : tensor<?x?xi1>
  return
}
