// Products inside the forms of other ops: how activations enter them, and where their parts lie.
// RUN: plexus-opt --plx-assign-encodings=weights=q8 --plx-number-parameters --plx-decompose "--plx-lower-segments=isa=avx512" %s | FileCheck %s
// RUN: plexus-opt --plx-assign-encodings=weights=q8 --plx-number-parameters --plx-decompose "--plx-lower-segments=isa=avx512 compute=f32" %s | FileCheck %s --check-prefix=F32
// RUN: plexus-opt --plx-assign-encodings=weights=bf16 --plx-number-parameters --plx-decompose "--plx-lower-segments=isa=avx512" %s | FileCheck %s --check-prefix=BF16

// 64 units: one product of three gates. Bytes are multiplied unless f32 is asked for; bf16 in pairs.
// CHECK-LABEL: func.func private @gru
// CHECK: memref.alloc(%{{.*}}) {{.*}}: memref<?x192xf32>
// CHECK: vpdpbusd
// F32-LABEL: func.func private @gru
// F32-NOT: vpdpbusd
// F32: math.fma {{.*}} : vector<16xf32>
// BF16-LABEL: func.func private @gru
// BF16: dpbf16ps
plx.model @m {
  plx.state @h kind = replace : !plx.carry<64>
  plx.weight @u : tensor<192x64xf32> = #plx.source<"u">
  plx.segment @gru(%x: tensor<?x192xf32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %u = plx.param @u : tensor<192x64xf32>
    %h = plx.get_state @h : !plx.carry<64>
    %y = ssm.gru %x, %u, %batch state %h : (tensor<?x192xf32>, tensor<192x64xf32>, !plx.batch, !plx.carry<64>) -> tensor<?x64xf32>
    plx.return %y : tensor<?x64xf32>
  }
}
