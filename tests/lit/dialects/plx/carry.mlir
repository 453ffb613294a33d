// States of recurrences: their text, and what they cannot be.
// RUN: plexus-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK: plx.state @scan kind = replace : !plx.carry<1536 x 16>
// CHECK: plx.get_state @scan : !plx.carry<1536 x 16>
plx.model @m {
  plx.state @scan kind = replace : !plx.carry<1536 x 16>
  plx.segment @s(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
    %h = plx.get_state @scan : !plx.carry<1536 x 16>
    plx.return %x : tensor<?x8xf32>
  }
}

// -----

plx.model @m {
  // expected-error @+1 {{of kind kv cannot hold}}
  plx.state @scan kind = kv : !plx.carry<4>
}

// -----

plx.model @m {
  // expected-error @+1 {{of kind replace cannot hold}}
  plx.state @kv kind = replace : !attn.kv<2 x 4 x 4>
}

// -----

// expected-error @+1 {{!plx.carry needs one or more positive sizes}}
func.func private @f(!plx.carry<0>)
