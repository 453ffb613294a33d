// What the structure of a model refuses, and in which words.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics

plx.model @m {
  // expected-error @+1 {{recipe gives 'tensor<8x4xf32>', expected the shape of 'tensor<4x8xf32>'}}
  plx.weight @w : tensor<4x8xf32> = #plx.source<"w" : tensor<8x4xf32>>
}

// -----

plx.model @m {
  // expected-error @+1 {{source "a" needs a static float tensor type: #plx.source<"a" : tensor<...>>}}
  plx.weight @w : tensor<4x8xf32> = #plx.concat<0, [#plx.source<"a">]>
}

// -----

plx.model @m {
  // expected-error @+1 {{#plx.concat parts differ beyond axis 0: 'tensor<2x8xf32>' and 'tensor<2x7xf32>'}}
  plx.weight @w : tensor<4x8xf32> = #plx.concat<0, [#plx.source<"a" : tensor<2x8xf32>>, #plx.source<"b" : tensor<2x7xf32>>]>
}

// -----

plx.model @m {
  // expected-error @+1 {{recipe axis 2 is outside of 'tensor<2x8xf32>'}}
  plx.weight @w : tensor<4x8xf32> = #plx.concat<2, [#plx.source<"a" : tensor<2x8xf32>>]>
}

// -----

plx.model @m {
  // expected-error @+1 {{#plx.interleave of blocks of 32 needs a multiple of it along axis 0, found 'tensor<48x8xf32>'}}
  plx.weight @w : tensor<96x8xf32> = #plx.interleave<0, 32, [#plx.source<"a" : tensor<48x8xf32>>, #plx.source<"b" : tensor<48x8xf32>>]>
}

// -----

plx.model @m {
  // expected-error @+1 {{#plx.unsort needs one index for each column of a matrix}}
  plx.weight @u : tensor<4x8xf32> = #plx.unsort<[#plx.source<"o" : tensor<4xf32>>, #plx.source<"a" : tensor<4x8xf32>>]>
}

// -----

plx.model @m {
  // expected-error @+1 {{#plx.slice from 6 of size 4 leaves axis 1 of 'tensor<4x8xf32>'}}
  plx.weight @w : tensor<4x4xf32> = #plx.slice<1, 6, 4, #plx.source<"a" : tensor<4x8xf32>>>
}

// -----

plx.model @m {
  // expected-error @+1 {{#plx.reshape of 'tensor<7xf32>' to 'tensor<2x4xf32>' changes the element count}}
  plx.weight @w : tensor<2x4xf32> = #plx.reshape<[2, 4], #plx.source<"a" : tensor<7xf32>>>
}

// -----

plx.model @m {
  // expected-error @+1 {{expected a recipe (#plx.source, #plx.concat, ...), found 3 : i64}}
  plx.weight @w : tensor<2x4xf32> = 3
}

// -----

// expected-error @+1 {{#plx.transpose needs a permutation of 0..1, found [0, 0]}}
#bad = #plx.transpose<[0, 0], #plx.source<"a">>

// -----

plx.model @m {
  // expected-error @+1 {{part of a recipe must be a recipe (#plx.source, #plx.concat, ...), found 1 : i64}}
  plx.weight @w : tensor<4xf32> = #plx.concat<0, [1]>
}

// -----

// expected-error @+1 {{#plx.packed has no values 'i8'}}
func.func private @f(tensor<4x4xf32, #plx.packed<i8>>)

// -----

// expected-error @+1 {{#plx.packed<bf16> on elements of type 'f32', expected 'bf16'}}
func.func private @f(tensor<4x4xf32, #plx.packed<bf16>>)

// -----

// expected-error @+1 {{#plx.packed needs a static matrix [out, in], found rank 1}}
func.func private @f(tensor<4xbf16, #plx.packed<bf16>>)

// -----

plx.model @m {
  // expected-error @+1 {{must have the type of a state (such as !attn.kv), found 'f32'}}
  plx.state @s kind = kv : f32
}

// -----

plx.model @m {
  // expected-error @+1 {{of kind ring needs a window of one token or more}}
  plx.state @s kind = ring : !attn.kv<1 x 8 x 8>
}

// -----

plx.model @m {
  // expected-error @+1 {{'window' must be from 0 to 2^31 - 1, found 2147483648}}
  plx.state @s kind = ring window = 2147483648 : !attn.kv<1 x 8 x 8>
}

// -----

plx.model @m {
  // expected-error @+1 {{of kind kv has no window; use kind = ring}}
  plx.state @s kind = kv window = 8 : !attn.kv<1 x 8 x 8>
}

// -----

plx.model @m {
  // expected-error @+1 {{argument #0 has plx.rows = "Q", expected "T", "S" or "R"}}
  plx.segment @s(%x: tensor<?x8xf32> {plx.rows = "Q"}) {
    plx.return
  }
}

// -----

plx.model @m {
  // expected-error @+1 {{argument #0 has the attribute 'plx.row'; plx knows only 'plx.rows'}}
  plx.segment @s(%x: tensor<?x8xf32> {plx.row = "T"}) {
    plx.return
  }
}

// -----

plx.model @m {
  plx.segment @s(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
    // expected-error @+1 {{returns ('tensor<?x8xf32>'), expected the results of @s, ('tensor<?x4xf32>')}}
    plx.return %x : tensor<?x8xf32>
  }
}

// -----

plx.model @m {
  plx.segment @s() -> tensor<8xf32> {
    // expected-error @+1 {{names no weight of the model: @w}}
    %w = plx.param @w : tensor<8xf32>
    plx.return %w : tensor<8xf32>
  }
}

// -----

plx.model @m {
  plx.weight @w : tensor<8xf32> = #plx.source<"w">
  plx.segment @s() -> tensor<8xbf16> {
    // expected-error @+1 {{of @w has type 'tensor<8xbf16>', expected the weight's 'tensor<8xf32>'}}
    %w = plx.param @w : tensor<8xbf16>
    plx.return %w : tensor<8xbf16>
  }
}

// -----

plx.model @m {
  plx.state @kv kind = kv : !attn.kv<1 x 8 x 8>
  plx.segment @s() {
    // expected-error @+1 {{of @kv has type '!attn.kv<1 x 8 x 4>', expected the state's '!attn.kv<1 x 8 x 8>'}}
    %kv = plx.get_state @kv : !attn.kv<1 x 8 x 4>
    plx.return
  }
}

// -----

plx.model @m {
  plx.segment @s() {
    // expected-error @+1 {{names no state of the model: @kv}}
    %kv = plx.get_state @kv : !attn.kv<1 x 8 x 4>
    plx.return
  }
}

// -----

// Upstream ops drop encodings without a word: they may not see one.
plx.model @m {
  plx.weight @w : tensor<8x8xbf16, #plx.packed<bf16>> = #plx.source<"w">
  plx.segment @s() -> tensor<8x4xbf16> {
    %w = plx.param @w : tensor<8x8xbf16, #plx.packed<bf16>>
    // expected-error @+1 {{operand #0 is a packed weight, 'tensor<8x8xbf16, #plx.packed<bf16>>'; only products, lookups and plx.unpack take one}}
    %0 = tensor.extract_slice %w[0, 0] [8, 4] [1, 1] : tensor<8x8xbf16, #plx.packed<bf16>> to tensor<8x4xbf16>
    plx.return %0 : tensor<8x4xbf16>
  }
}

// -----

plx.model @m {
  plx.segment @s() {
    // expected-error @+1 {{result #0 has a packed encoding, 'tensor<8x8xbf16, #plx.packed<bf16>>'; only plx.param makes one}}
    %0 = tensor.empty() : tensor<8x8xbf16, #plx.packed<bf16>>
    plx.return
  }
}

// -----

plx.model @m {
  plx.schedule @f(%x: tensor<?x8xf32>) {
    // expected-error @+1 {{names no segment of the model: @s}}
    %0 = plx.run @s(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
    plx.outputs "x" = %0 : tensor<?x8xf32>
  }
}

// -----

plx.model @m {
  plx.segment @s(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
    plx.return %x : tensor<?x4xf32>
  }
  plx.schedule @f(%x: tensor<?x8xf32>) {
    // expected-error @+1 {{gives ('tensor<?x8xf32>') to @s, expected ('tensor<?x4xf32>')}}
    %0 = plx.run @s(%x) : (tensor<?x8xf32>) -> tensor<?x4xf32>
    plx.outputs "x" = %0 : tensor<?x4xf32>
  }
}

// -----

plx.model @m {
  plx.segment @s(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
    plx.return %x : tensor<?x4xf32>
  }
  plx.schedule @f(%x: tensor<?x4xf32>) {
    // expected-error @+1 {{takes ('tensor<?x8xf32>') from @s, expected ('tensor<?x4xf32>')}}
    %0 = plx.run @s(%x) : (tensor<?x4xf32>) -> tensor<?x8xf32>
    plx.outputs "x" = %0 : tensor<?x8xf32>
  }
}

// -----

plx.model @m {
  plx.segment @s(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
    %s = plx.scalar 1 : f32
    %0 = plx.scale %x by %s : tensor<?x4xf32>
    plx.return %0 : tensor<?x4xf32>
  }
  plx.schedule @f(%x: tensor<?x4xf32>) {
    // expected-error @+1 {{gives 1 scalars to @s, expected 2}}
    %0 = plx.run @s scalars [1.0] (%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    plx.outputs "x" = %0 : tensor<?x4xf32>
  }
}

// -----

plx.model @m {
  plx.weight @w : tensor<4xf32> = #plx.source<"layers.{layer}.w">
  plx.segment @s() -> tensor<4xf32> {
    %w = plx.param @w : tensor<4xf32>
    plx.return %w : tensor<4xf32>
  }
  plx.schedule @f() {
    // expected-error @+1 {{of @s needs a layer: the source of @w has a {layer} hole}}
    %0 = plx.run @s() : () -> tensor<4xf32>
    plx.outputs "x" = %0 : tensor<4xf32>
  }
}

// -----

plx.model @m {
  plx.state @kv kind = kv : !attn.kv<1 x 8 x 8>
  plx.segment @s(%x: tensor<4xf32>) -> tensor<4xf32> {
    %kv = plx.get_state @kv : !attn.kv<1 x 8 x 8>
    plx.return %x : tensor<4xf32>
  }
  plx.schedule @f(%x: tensor<4xf32>) {
    // expected-error @+1 {{of @s needs a layer: it uses the state @kv}}
    %0 = plx.run @s(%x) : (tensor<4xf32>) -> tensor<4xf32>
    plx.outputs "x" = %0 : tensor<4xf32>
  }
}

// -----

plx.model @m {
  plx.segment @s(%x: tensor<4xf32>) -> tensor<4xf32> {
    plx.return %x : tensor<4xf32>
  }
  plx.schedule @f(%x: tensor<4xf32>) {
    // expected-error @+1 {{layer must not be negative, found -1}}
    %0 = plx.run @s layer -1 (%x) : (tensor<4xf32>) -> tensor<4xf32>
    plx.outputs "x" = %0 : tensor<4xf32>
  }
}

// -----

plx.model @m {
  plx.schedule @f(%x: tensor<4xf32>) {
    // expected-error @+1 {{names two outputs "x"}}
    plx.outputs "x" = %x, "x" = %x : tensor<4xf32>, tensor<4xf32>
  }
}

// -----

plx.model @m {
  plx.schedule @f(%x: tensor<4xf32>) {
    // expected-error @+1 {{cannot stand in a schedule: only plx.run and plx.outputs can}}
    %0 = plx.softmax %x : tensor<4xf32>
    plx.outputs "x" = %0 : tensor<4xf32>
  }
}

// -----

plx.model @m {
  // expected-error @+1 {{has no results; its outputs are those of plx.outputs}}
  plx.schedule @f(%x: tensor<4xf32>) -> tensor<4xf32> {
    plx.outputs "x" = %x : tensor<4xf32>
  }
}

// -----

plx.model @m {
  // expected-error @+1 {{must end in plx.return}}
  plx.segment @s(%x: tensor<4xf32>) {
    ub.unreachable
  }
}

// -----

func.func @f() {
  // expected-error @+1 {{attribute 'index' failed to satisfy constraint: 64-bit signless integer attribute whose value is non-negative}}
  %0 = plx.scalar -1 : f32
  return
}

// -----

// expected-error @+1 {{expects parent op 'plx.model'}}
plx.weight @w : tensor<4xf32> = #plx.source<"w">

// -----

// expected-error @+1 {{#plx.packed: groups are 16, 32, 64, 128 or the whole channel, not 48}}
func.func private @f(tensor<4x4xf32, #plx.packed<q4, group = 48>>)

// -----

// expected-error @+1 {{#plx.packed<q4> on elements of type 'bf16', expected 'f32'}}
func.func private @f(tensor<4x4xbf16, #plx.packed<q4, group = 32>>)

// -----

// expected-error @+1 {{#plx.packed has no 'bits'; it has group, zeros, superblock}}
func.func private @f(tensor<4x4xf32, #plx.packed<q4, bits = 3>>)

// -----

// expected-error @+1 {{zeros are none, point or min, found 'max'}}
func.func private @f(tensor<4x4xf32, #plx.packed<q4, zeros = max>>)

// -----

// expected-error @+1 {{#plx.packed: bf16 takes no scales}}
func.func private @f(tensor<4x4xbf16, #plx.packed<bf16, group = 32>>)
