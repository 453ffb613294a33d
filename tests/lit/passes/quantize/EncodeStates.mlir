// RUN: plexus-opt %s --plx-encode-states=kv=int8 | FileCheck %s
// RUN: plexus-opt %s --plx-encode-states=kv=int4 | FileCheck %s --check-prefix=INT4
// RUN: not plexus-opt %s --plx-encode-states=kv=int3 2>&1 | FileCheck %s --check-prefix=BAD
// BAD: kv is 'int3'; known are auto, f32, bf16, int8, int4

plx.model @m {
  // CHECK: plx.state @kv kind = kv : !attn.kv<2 x 16 x 16, int8>
  plx.state @kv kind = kv : !attn.kv<2 x 16 x 16>
  plx.segment @s(%k: tensor<?x2x16xf32>, %v: tensor<?x2x16xf32>, %q: tensor<?x2x16xf32>, %batch: !plx.batch) -> tensor<?x2x16xf32> {
    // CHECK: plx.get_state @kv : !attn.kv<2 x 16 x 16, int8>
    %kv = plx.get_state @kv : !attn.kv<2 x 16 x 16>
    attn.kv_write %k, %v, %kv, %batch : tensor<?x2x16xf32>, tensor<?x2x16xf32>, !attn.kv<2 x 16 x 16>
    %a = attn.attention %q, %kv, %batch {scale = 0.25 : f32, causal} : (tensor<?x2x16xf32>, !attn.kv<2 x 16 x 16>, !plx.batch) -> tensor<?x2x16xf32>
    plx.return %a : tensor<?x2x16xf32>
  }
}

// With int4, keys that are all turned by one rope are kept before it: those of @one. Where some are
// not, or frequencies depend on the length of a sequence, they are kept as they were turned.
// INT4: [[ROPE:#.*]] = #attn.rope<dims = 4, inv_freq = dense<[1.000000e+00, 5.000000e-01]> : tensor<2xf32>>
// INT4-LABEL: plx.model @ropes
// INT4: plx.state @one kind = kv : !attn.kv<1 x 4 x 4, int4, [[ROPE]]>
// INT4: plx.state @two kind = kv : !attn.kv<1 x 4 x 4, int4>
// INT4: plx.state @long kind = kv : !attn.kv<1 x 4 x 4, int4>
#rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.5]> : tensor<2xf32>>
#other = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.02]> : tensor<2xf32>>
#grows = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>, original_context = 8, ntk_factor = 2.0 : f32>
plx.model @ropes {
  plx.state @one kind = kv : !attn.kv<1 x 4 x 4>
  plx.state @two kind = kv : !attn.kv<1 x 4 x 4>
  plx.state @long kind = kv : !attn.kv<1 x 4 x 4>
  plx.segment @s(%k: tensor<?x1x4xf32>, %batch: !plx.batch) -> tensor<?x1x4xf32> {
    %one = plx.get_state @one : !attn.kv<1 x 4 x 4>
    attn.kv_write %k, %k, %one, %batch {rope = #rope} : tensor<?x1x4xf32>, tensor<?x1x4xf32>, !attn.kv<1 x 4 x 4>
    %two = plx.get_state @two : !attn.kv<1 x 4 x 4>
    attn.kv_write %k, %k, %two, %batch {rope = #rope} : tensor<?x1x4xf32>, tensor<?x1x4xf32>, !attn.kv<1 x 4 x 4>
    attn.kv_write %k, %k, %two, %batch {rope = #other} : tensor<?x1x4xf32>, tensor<?x1x4xf32>, !attn.kv<1 x 4 x 4>
    %long = plx.get_state @long : !attn.kv<1 x 4 x 4>
    attn.kv_write %k, %k, %long, %batch {rope = #grows} : tensor<?x1x4xf32>, tensor<?x1x4xf32>, !attn.kv<1 x 4 x 4>
    plx.return %k : tensor<?x1x4xf32>
  }
}
