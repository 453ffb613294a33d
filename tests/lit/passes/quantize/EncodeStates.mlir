// RUN: plexus-opt %s --plx-encode-states=kv=int8 | FileCheck %s
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
