// Convolutions with many filters and taps multiply spectra, of as many points as cost least; those with
// few, with a stride or in groups stay, and so does one whose spectra would be too large.
// RUN: plexus-opt --plx-spectral-convolutions %s | FileCheck %s

plx.model @m {
  // CHECK-DAG: plx.weight @{{.*}} : tensor<112640xf32> = #plx.reshape<[112640], #plx.transpose<[0, 3, 1, 2, 4], #plx.reshape<[40, 22, 2, 4, 16], #plx.spectrum<128, #plx.reshape<[40, 22, 25], #plx.source<"w" : tensor<40x22x25xf32>>>>>>>
  plx.weight @w : tensor<40x22x25xf32> = #plx.source<"w" : tensor<40x22x25xf32>>
  // CHECK-DAG: plx.weight @v : tensor<8x1x25xf32> = #plx.source<"v" : tensor<8x1x25xf32>>
  plx.weight @v : tensor<8x1x25xf32> = #plx.source<"v" : tensor<8x1x25xf32>>
  plx.weight @g : tensor<44x11x25xf32> = #plx.source<"g" : tensor<44x11x25xf32>>
  plx.weight @l : tensor<2000x1000x10xf32> = #plx.source<"l" : tensor<2000x1000x10xf32>>
  // Two segments read one weight: its spectra are packed once.
  // CHECK-LABEL: plx.segment @s
  // CHECK: plx.param @[[W:.*]] : tensor<112640xf32>
  // CHECK: plx.conv {{.*}}blocked = array<i64: 40, 22, 25>, points = 128
  plx.segment @s(%x: tensor<?x22x1000xf32>, %batch: !plx.batch) -> tensor<?x40x976xf32> {
    %w = plx.param @w : tensor<40x22x25xf32>
    %0 = plx.conv %x, %w {activation = #plx<activation_kind square>} : (tensor<?x22x1000xf32>, tensor<40x22x25xf32>) -> tensor<?x40x976xf32>
    plx.return %0 : tensor<?x40x976xf32>
  }
  // CHECK-LABEL: plx.segment @t
  // CHECK: plx.param @[[W]] : tensor<112640xf32>
  // CHECK: plx.conv {{.*}}points = 128
  plx.segment @t(%x: tensor<?x22x1000xf32>, %batch: !plx.batch) -> tensor<?x40x976xf32> {
    %w = plx.param @w : tensor<40x22x25xf32>
    %0 = plx.conv %x, %w : (tensor<?x22x1000xf32>, tensor<40x22x25xf32>) -> tensor<?x40x976xf32>
    plx.return %0 : tensor<?x40x976xf32>
  }
  // CHECK-LABEL: plx.segment @direct
  // CHECK-NOT: points
  plx.segment @direct(%x: tensor<?x1x1000xf32>, %y: tensor<?x22x1000xf32>, %z: tensor<?x44x1000xf32>, %u: tensor<?x1000x100xf32>, %batch: !plx.batch)
      -> (tensor<?x8x976xf32>, tensor<?x40x488xf32>, tensor<?x44x976xf32>, tensor<?x2000x91xf32>) {
    %v = plx.param @v : tensor<8x1x25xf32>
    %w = plx.param @w : tensor<40x22x25xf32>
    %g = plx.param @g : tensor<44x11x25xf32>
    %l = plx.param @l : tensor<2000x1000x10xf32>
    %0 = plx.conv %x, %v : (tensor<?x1x1000xf32>, tensor<8x1x25xf32>) -> tensor<?x8x976xf32>
    %1 = plx.conv %y, %w {strides = array<i64: 2>} : (tensor<?x22x1000xf32>, tensor<40x22x25xf32>) -> tensor<?x40x488xf32>
    %2 = plx.conv %z, %g {groups = 4 : i64} : (tensor<?x44x1000xf32>, tensor<44x11x25xf32>) -> tensor<?x44x976xf32>
    %3 = plx.conv %u, %l : (tensor<?x1000x100xf32>, tensor<2000x1000x10xf32>) -> tensor<?x2000x91xf32>
    plx.return %0, %1, %2, %3 : tensor<?x8x976xf32>, tensor<?x40x488xf32>, tensor<?x44x976xf32>, tensor<?x2000x91xf32>
  }
}
