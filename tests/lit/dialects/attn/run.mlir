// Rope and attention, run: to four digits equal to their formulas evaluated in double precision, for two sequences of two tokens.
// RUN: plexus-opt --test-plx-decompose --canonicalize %s | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)

#rope = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.1]> : tensor<2xf32>>
#interleaved = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.1]> : tensor<2xf32>, interleaved = true, attention_scaling = 1.5 : f32>
#partial = #attn.rope<dims = 2, inv_freq = dense<[0.1]> : tensor<1xf32>>
#long = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.1]> : tensor<2xf32>, long_inv_freq = dense<[0.5, 0.01]> : tensor<2xf32>, original_context = 32>
#dynamic = #attn.rope<dims = 4, inv_freq = dense<[1.0, 0.1]> : tensor<2xf32>, original_context = 32, ntk_factor = 2.0 : f32>

func.func @ropes(%q: tensor<?x2x4xf32>) attributes {accessors = {sequence = dense<[0, 0, 1, 1]> : tensor<4xi32>, position = dense<[3, 4, 0, 40]> : tensor<4xi32>, index = dense<[3, 4, 0, 1]> : tensor<4xi32>}} {
  %batch = ub.poison : !plx.batch
  // CHECK: [1.060{{[0-9]*}}, -0.6426{{[0-9]*}}, 0.3538{{[0-9]*}}, -0.4604{{[0-9]*}}]
  // CHECK-NEXT: [0.4949{{[0-9]*}}, -0.3127{{[0-9]*}}, -0.07056, 0.1649{{[0-9]*}}]
  // CHECK-NEXT: [0.3268{{[0-9]*}}, -0.3276{{[0-9]*}}, 0.3784{{[0-9]*}}, 0.1329{{[0-9]*}}]
  // CHECK-NEXT: [0.3784{{[0-9]*}}, -0.06179{{[0-9]*}}, -0.3268{{[0-9]*}}, 0.7881{{[0-9]*}}]
  // CHECK-NEXT: [0, 0.25, 0.5, 0.75]
  // CHECK-NEXT: [0.5, 0.75, 1, 1.25]
  // CHECK-NEXT: [-1.078{{[0-9]*}}, 0.4557{{[0-9]*}}, -0.2943{{[0-9]*}}, -1.384{{[0-9]*}}]
  // CHECK-NEXT: [-1.784{{[0-9]*}}, 0.5073{{[0-9]*}}, -0.2552{{[0-9]*}}, -2.089{{[0-9]*}}]
  %0 = attn.rope %q, %batch {rope = #rope} : tensor<?x2x4xf32>
  %c0 = tensor.cast %0 : tensor<?x2x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%c0) : (tensor<*xf32>) -> ()
  // CHECK: [1.643{{[0-9]*}}, 0.9020{{[0-9]*}}, -0.6056{{[0-9]*}}, -0.5798{{[0-9]*}}]
  // CHECK-NEXT: [0.7954{{[0-9]*}}, 0.2654{{[0-9]*}}, -0.1108{{[0-9]*}}, 0.3582{{[0-9]*}}]
  // CHECK-NEXT: [0.2064{{[0-9]*}}, 0.8127{{[0-9]*}}, -0.1460{{[0-9]*}}, 0.3453{{[0-9]*}}]
  // CHECK-NEXT: [0.2838{{[0-9]*}}, -0.2451{{[0-9]*}}, 0.2527, 1.328{{[0-9]*}}]
  // CHECK-NEXT: [0, 0.375, 0.75, 1.125]
  // CHECK-NEXT: [0.75, 1.125, 1.5, 1.875]
  // CHECK-NEXT: [-1.338{{[0-9]*}}, -0.1914{{[0-9]*}}, 0.4385{{[0-9]*}}, -2.360{{[0-9]*}}]
  // CHECK-NEXT: [-2.397{{[0-9]*}}, -0.1328{{[0-9]*}}, 0.5159{{[0-9]*}}, -3.418{{[0-9]*}}]
  %1 = attn.rope %q, %batch {rope = #interleaved} : tensor<?x2x4xf32>
  %c1 = tensor.cast %1 : tensor<?x2x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%c1) : (tensor<*xf32>) -> ()
  // CHECK: [-0.7336{{[0-9]*}}, -1.012{{[0-9]*}}, -0.5, -0.25]
  // CHECK-NEXT: [-0.4037{{[0-9]*}}, -0.3865{{[0-9]*}}, 0, 0.25]
  // CHECK-NEXT: [-0.3631{{[0-9]*}}, -0.4249{{[0-9]*}}, 0, 0.25]
  // CHECK-NEXT: [-0.09735{{[0-9]*}}, 0.2302{{[0-9]*}}, 0.5, 0.75]
  // CHECK-NEXT: [0, 0.25, 0.5, 0.75]
  // CHECK-NEXT: [0.5, 0.75, 1, 1.25]
  // CHECK-NEXT: [0.2407{{[0-9]*}}, -0.8686{{[0-9]*}}, 1, 1.25]
  // CHECK-NEXT: [0.2923{{[0-9]*}}, -1.573{{[0-9]*}}, 1.5, 1.75]
  %2 = attn.rope %q, %batch {rope = #partial} : tensor<?x2x4xf32>
  %c2 = tensor.cast %2 : tensor<?x2x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%c2) : (tensor<*xf32>) -> ()
  // Position 40 makes the second sequence long.
  // CHECK: [1.060{{[0-9]*}}, -0.6426{{[0-9]*}}, 0.3538{{[0-9]*}}, -0.4604{{[0-9]*}}]
  // CHECK-NEXT: [0.4949{{[0-9]*}}, -0.3127{{[0-9]*}}, -0.07056, 0.1649{{[0-9]*}}]
  // CHECK-NEXT: [0.3268{{[0-9]*}}, -0.3276{{[0-9]*}}, 0.3784{{[0-9]*}}, 0.1329{{[0-9]*}}]
  // CHECK-NEXT: [0.3784{{[0-9]*}}, -0.06179{{[0-9]*}}, -0.3268{{[0-9]*}}, 0.7881{{[0-9]*}}]
  // CHECK-NEXT: [0, 0.25, 0.5, 0.75]
  // CHECK-NEXT: [0.5, 0.75, 1, 1.25]
  // CHECK-NEXT: [-0.7089{{[0-9]*}}, 0.2040{{[0-9]*}}, 0.8645{{[0-9]*}}, 1.443{{[0-9]*}}]
  // CHECK-NEXT: [-0.9613{{[0-9]*}}, 0.4698{{[0-9]*}}, 1.525{{[0-9]*}}, 2.098{{[0-9]*}}]
  %3 = attn.rope %q, %batch {rope = #long} : tensor<?x2x4xf32>
  %c3 = tensor.cast %3 : tensor<?x2x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%c3) : (tensor<*xf32>) -> ()
  // Position 40 makes s = 2 * 41 / 32 - 1 for the second sequence.
  // CHECK: [1.060{{[0-9]*}}, -0.6426{{[0-9]*}}, 0.3538{{[0-9]*}}, -0.4604{{[0-9]*}}]
  // CHECK-NEXT: [0.4949{{[0-9]*}}, -0.3127{{[0-9]*}}, -0.07056, 0.1649{{[0-9]*}}]
  // CHECK-NEXT: [0.3268{{[0-9]*}}, -0.3276{{[0-9]*}}, 0.3784{{[0-9]*}}, 0.1329{{[0-9]*}}]
  // CHECK-NEXT: [0.3784{{[0-9]*}}, -0.06179{{[0-9]*}}, -0.3268{{[0-9]*}}, 0.7881{{[0-9]*}}]
  // CHECK-NEXT: [0, 0.25, 0.5, 0.75]
  // CHECK-NEXT: [0.5, 0.75, 1, 1.25]
  // CHECK-NEXT: [-1.078{{[0-9]*}}, -1.313{{[0-9]*}}, -0.2943{{[0-9]*}}, -0.6324{{[0-9]*}}]
  // CHECK-NEXT: [-1.784{{[0-9]*}}, -2.005{{[0-9]*}}, -0.2552{{[0-9]*}}, -0.7755{{[0-9]*}}]
  %4 = attn.rope %q, %batch {rope = #dynamic} : tensor<?x2x4xf32>
  %c4 = tensor.cast %4 : tensor<?x2x4xf32> to tensor<*xf32>
  func.call @printMemrefF32(%c4) : (tensor<*xf32>) -> ()
  return
}

func.func @own_tokens(%q: tensor<?x2x4xf32>) attributes {accessors = {sequence = dense<[0, 0, 1, 1]> : tensor<4xi32>, position = dense<[3, 4, 0, 40]> : tensor<4xi32>, index = dense<[3, 4, 0, 1]> : tensor<4xi32>}} {
  %batch = ub.poison : !plx.batch
  %ks = arith.constant dense<[[[0.841470985, 0.909297427, 0.141120008, -0.756802495]], [[-0.958924275, -0.279415498, 0.656986599, 0.989358247]], [[0.412118485, -0.544021111, -0.999990207, -0.536572918]], [[0.420167037, 0.990607356, 0.650287840, -0.287903317]]]> : tensor<4x1x4xf32>
  %vs = arith.constant dense<[[[1.000000000, 1.000000000]], [[2.000000000, 0.000000000]], [[3.000000000, 1.000000000]], [[4.000000000, 4.000000000]]]> : tensor<4x1x2xf32>
  %k = tensor.cast %ks : tensor<4x1x4xf32> to tensor<?x1x4xf32>
  %v = tensor.cast %vs : tensor<4x1x2xf32> to tensor<?x1x2xf32>
  // CHECK: [1.730{{[0-9]*}}, 0.2691{{[0-9]*}}]
  // CHECK-NEXT: [1.693{{[0-9]*}}, 0.3064{{[0-9]*}}]
  // CHECK-NEXT: [1.693{{[0-9]*}}, 0.3064{{[0-9]*}}]
  // CHECK-NEXT: [1.653{{[0-9]*}}, 0.3463{{[0-9]*}}]
  // CHECK-NEXT: [3.667{{[0-9]*}}, 3.003]
  // CHECK-NEXT: [3.826{{[0-9]*}}, 3.478{{[0-9]*}}]
  // CHECK-NEXT: [3.826{{[0-9]*}}, 3.478{{[0-9]*}}]
  // CHECK-NEXT: [3.918{{[0-9]*}}, 3.754{{[0-9]*}}]
  %0 = attn.attention %q, %k, %v, %batch {scale = 0.5 : f32} : (tensor<?x2x4xf32>, tensor<?x1x4xf32>, tensor<?x1x2xf32>, !plx.batch) -> tensor<?x2x2xf32>
  %c0 = tensor.cast %0 : tensor<?x2x2xf32> to tensor<*xf32>
  func.call @printMemrefF32(%c0) : (tensor<*xf32>) -> ()
  // CHECK: [1, 1]
  // CHECK-NEXT: [1, 1]
  // CHECK-NEXT: [1.689{{[0-9]*}}, 0.3106{{[0-9]*}}]
  // CHECK-NEXT: [1.649{{[0-9]*}}, 0.3504{{[0-9]*}}]
  // CHECK-NEXT: [3, 1]
  // CHECK-NEXT: [3, 1]
  // CHECK-NEXT: [3.805{{[0-9]*}}, 3.415{{[0-9]*}}]
  // CHECK-NEXT: [3.879{{[0-9]*}}, 3.639{{[0-9]*}}]
  %1 = attn.attention %q, %k, %v, %batch {scale = 0.5 : f32, causal, softcap = 1.5 : f32} : (tensor<?x2x4xf32>, tensor<?x1x4xf32>, tensor<?x1x2xf32>, !plx.batch) -> tensor<?x2x2xf32>
  %c1 = tensor.cast %1 : tensor<?x2x2xf32> to tensor<*xf32>
  func.call @printMemrefF32(%c1) : (tensor<*xf32>) -> ()
  // A window of one token: the values themselves.
  // CHECK: [1, 1]
  // CHECK-NEXT: [1, 1]
  // CHECK-NEXT: [2, 0]
  // CHECK-NEXT: [2, 0]
  // CHECK-NEXT: [3, 1]
  // CHECK-NEXT: [3, 1]
  // CHECK-NEXT: [4, 4]
  // CHECK-NEXT: [4, 4]
  %2 = attn.attention %q, %k, %v, %batch {scale = 0.5 : f32, window = 1} : (tensor<?x2x4xf32>, tensor<?x1x4xf32>, tensor<?x1x2xf32>, !plx.batch) -> tensor<?x2x2xf32>
  %c2 = tensor.cast %2 : tensor<?x2x2xf32> to tensor<*xf32>
  func.call @printMemrefF32(%c2) : (tensor<*xf32>) -> ()
  return
}

func.func @state(%q: tensor<?x2x4xf32>) attributes {accessors = {sequence = dense<[0, 0, 1, 1]> : tensor<4xi32>, position = dense<[3, 4, 0, 40]> : tensor<4xi32>, index = dense<[3, 4, 0, 1]> : tensor<4xi32>,
    kv_keys = dense<[[[[1.000000000, 0.540302306, -0.416146837, -0.989992497]], [[-0.416146837, -0.989992497, -0.653643621, 0.283662185]], [[-0.653643621, 0.283662185, 0.960170287, 0.753902254]]], [[[0.540302306, -0.416146837, -0.989992497, -0.653643621]], [[-0.989992497, -0.653643621, 0.283662185, 0.960170287]], [[0.283662185, 0.960170287, 0.753902254, -0.145500034]]]]> : tensor<2x3x1x4xf32>,
    kv_values = dense<[[[[0.000000000, 0.000000000]], [[1.000000000, 1.000000000]], [[2.000000000, 4.000000000]]], [[[1.000000000, 0.000000000]], [[2.000000000, 1.000000000]], [[3.000000000, 4.000000000]]]]> : tensor<2x3x1x2xf32>,
    visible = dense<[[true, true, false], [true, true, true], [true, false, false], [false, true, false]]> : tensor<4x3xi1>}} {
  %batch = ub.poison : !plx.batch
  %kv = ub.poison : !attn.kv<1 x 4 x 2>
  // CHECK: [0.7653{{[0-9]*}}, 0.7653{{[0-9]*}}]
  // CHECK-NEXT: [0.6691{{[0-9]*}}, 0.6691{{[0-9]*}}]
  // CHECK-NEXT: [1.189{{[0-9]*}}, 1.971{{[0-9]*}}]
  // CHECK-NEXT: [1.333{{[0-9]*}}, 2.409{{[0-9]*}}]
  // CHECK-NEXT: [1, 0]
  // CHECK-NEXT: [1, 0]
  // CHECK-NEXT: [2, 1]
  // CHECK-NEXT: [2, 1]
  %0 = attn.attention %q, %kv, %batch {scale = 0.5 : f32, causal} : (tensor<?x2x4xf32>, !attn.kv<1 x 4 x 2>, !plx.batch) -> tensor<?x2x2xf32>
  %c0 = tensor.cast %0 : tensor<?x2x2xf32> to tensor<*xf32>
  func.call @printMemrefF32(%c0) : (tensor<*xf32>) -> ()
  return
}

func.func @main() attributes {llvm.emit_c_interface} {
  %c = arith.constant dense<[[[-1.000000000, -0.750000000, -0.500000000, -0.250000000], [-0.500000000, -0.250000000, 0.000000000, 0.250000000]], [[-0.500000000, -0.250000000, 0.000000000, 0.250000000], [0.000000000, 0.250000000, 0.500000000, 0.750000000]], [[0.000000000, 0.250000000, 0.500000000, 0.750000000], [0.500000000, 0.750000000, 1.000000000, 1.250000000]], [[0.500000000, 0.750000000, 1.000000000, 1.250000000], [1.000000000, 1.250000000, 1.500000000, 1.750000000]]]> : tensor<4x2x4xf32>
  %q = tensor.cast %c : tensor<4x2x4xf32> to tensor<?x2x4xf32>
  func.call @ropes(%q) : (tensor<?x2x4xf32>) -> ()
  func.call @own_tokens(%q) : (tensor<?x2x4xf32>) -> ()
  func.call @state(%q) : (tensor<?x2x4xf32>) -> ()
  return
}
