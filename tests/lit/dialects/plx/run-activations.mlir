// Activations, run: to four digits equal to their formulas in Python (math.erf, math.tanh, ...), and without overflow at 200.
// RUN: plexus-opt --test-plx-decompose --canonicalize %s | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)

func.func @identity(%x: tensor<?xf32>) {
  %0 = plx.activation identity %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @silu(%x: tensor<?xf32>) {
  %0 = plx.activation silu %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @gelu(%x: tensor<?xf32>) {
  %0 = plx.activation gelu %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @gelu_tanh(%x: tensor<?xf32>) {
  %0 = plx.activation gelu_tanh %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @gelu_quick(%x: tensor<?xf32>) {
  %0 = plx.activation gelu_quick %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @relu(%x: tensor<?xf32>) {
  %0 = plx.activation relu %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @relu2(%x: tensor<?xf32>) {
  %0 = plx.activation relu2 %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @relu6(%x: tensor<?xf32>) {
  %0 = plx.activation relu6 %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @tanh(%x: tensor<?xf32>) {
  %0 = plx.activation tanh %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @sigmoid(%x: tensor<?xf32>) {
  %0 = plx.activation sigmoid %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @softplus(%x: tensor<?xf32>) {
  %0 = plx.activation softplus %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @mish(%x: tensor<?xf32>) {
  %0 = plx.activation mish %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @elu(%x: tensor<?xf32>) {
  %0 = plx.activation elu %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @leaky_relu(%x: tensor<?xf32>) {
  %0 = plx.activation leaky_relu %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @hard_swish(%x: tensor<?xf32>) {
  %0 = plx.activation hard_swish %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @hard_sigmoid(%x: tensor<?xf32>) {
  %0 = plx.activation hard_sigmoid %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}
func.func @selu(%x: tensor<?xf32>) {
  %0 = plx.activation selu %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}

func.func @softsign(%x: tensor<?xf32>) {
  %0 = plx.activation softsign %x : tensor<?xf32>
  %1 = tensor.cast %0 : tensor<?xf32> to tensor<*xf32>
  func.call @printMemrefF32(%1) : (tensor<*xf32>) -> ()
  return
}

func.func @main() attributes {llvm.emit_c_interface} {
  %x = arith.constant dense<[-2.0, -1.0, 0.25, 0.5, 2.0, 8.0, 200.0]> : tensor<7xf32>
  %d = tensor.cast %x : tensor<7xf32> to tensor<?xf32>
  // identity
  // CHECK: [-2, -1, 0.25, 0.5, 2, 8, 200]
  func.call @identity(%d) : (tensor<?xf32>) -> ()
  // silu
  // CHECK: [-0.2384{{[0-9]*}}, -0.2689{{[0-9]*}}, 0.1405{{[0-9]*}}, 0.3112{{[0-9]*}}, 1.761{{[0-9]*}}, 7.997{{[0-9]*}}, 200]
  func.call @silu(%d) : (tensor<?xf32>) -> ()
  // gelu
  // CHECK: [-0.04550{{[0-9]*}}, -0.1586{{[0-9]*}}, 0.1496{{[0-9]*}}, 0.3457{{[0-9]*}}, 1.954{{[0-9]*}}, 8, 200]
  func.call @gelu(%d) : (tensor<?xf32>) -> ()
  // gelu_tanh
  // CHECK: [-0.04540{{[0-9]*}}, -0.1588{{[0-9]*}}, 0.1496{{[0-9]*}}, 0.3457{{[0-9]*}}, 1.954{{[0-9]*}}, 8, 200]
  func.call @gelu_tanh(%d) : (tensor<?xf32>) -> ()
  // gelu_quick
  // CHECK: [-0.06434{{[0-9]*}}, -0.1542{{[0-9]*}}, 0.1512, 0.3503{{[0-9]*}}, 1.935{{[0-9]*}}, 7.999{{[0-9]*}}, 200]
  func.call @gelu_quick(%d) : (tensor<?xf32>) -> ()
  // relu
  // CHECK: [0, 0, 0.25, 0.5, 2, 8, 200]
  func.call @relu(%d) : (tensor<?xf32>) -> ()
  // relu2
  // CHECK: [0, 0, 0.0625, 0.25, 4, 64, 40000]
  func.call @relu2(%d) : (tensor<?xf32>) -> ()
  // relu6
  // CHECK: [0, 0, 0.25, 0.5, 2, 6, 6]
  func.call @relu6(%d) : (tensor<?xf32>) -> ()
  // tanh
  // CHECK: [-0.9640{{[0-9]*}}, -0.7615{{[0-9]*}}, 0.2449{{[0-9]*}}, 0.4621{{[0-9]*}}, 0.9640{{[0-9]*}}, 1, 1]
  func.call @tanh(%d) : (tensor<?xf32>) -> ()
  // sigmoid
  // CHECK: [0.1192{{[0-9]*}}, 0.2689{{[0-9]*}}, 0.5621{{[0-9]*}}, 0.6224{{[0-9]*}}, 0.8807{{[0-9]*}}, 0.9996{{[0-9]*}}, 1]
  func.call @sigmoid(%d) : (tensor<?xf32>) -> ()
  // softplus
  // CHECK: [0.1269{{[0-9]*}}, 0.3132{{[0-9]*}}, 0.8259{{[0-9]*}}, 0.9740{{[0-9]*}}, 2.126{{[0-9]*}}, 8.000{{[0-9]*}}, 200]
  func.call @softplus(%d) : (tensor<?xf32>) -> ()
  // mish
  // CHECK: [-0.2525{{[0-9]*}}, -0.3034{{[0-9]*}}, 0.1695{{[0-9]*}}, 0.3752{{[0-9]*}}, 1.943{{[0-9]*}}, 8, 200]
  func.call @mish(%d) : (tensor<?xf32>) -> ()
  // elu
  // CHECK: [-0.8646{{[0-9]*}}, -0.6321{{[0-9]*}}, 0.25, 0.5, 2, 8, 200]
  func.call @elu(%d) : (tensor<?xf32>) -> ()
  // leaky_relu
  // CHECK: [-0.02, -0.01, 0.25, 0.5, 2, 8, 200]
  func.call @leaky_relu(%d) : (tensor<?xf32>) -> ()
  // hard_swish
  // CHECK: [-0.3333{{[0-9]*}}, -0.3333{{[0-9]*}}, 0.1354{{[0-9]*}}, 0.2916{{[0-9]*}}, 1.666{{[0-9]*}}, 8, 200]
  func.call @hard_swish(%d) : (tensor<?xf32>) -> ()
  // hard_sigmoid
  // CHECK: [0.1666{{[0-9]*}}, 0.3333{{[0-9]*}}, 0.5416{{[0-9]*}}, 0.5833{{[0-9]*}}, 0.8333{{[0-9]*}}, 1, 1]
  func.call @hard_sigmoid(%d) : (tensor<?xf32>) -> ()
  // selu
  // CHECK: [-1.520{{[0-9]*}}, -1.111{{[0-9]*}}, 0.2626{{[0-9]*}}, 0.5253{{[0-9]*}}, 2.101{{[0-9]*}}, 8.405{{[0-9]*}}, 210.1{{[0-9]*}}]
  func.call @selu(%d) : (tensor<?xf32>) -> ()
  // softsign
  // CHECK: [-0.6666{{[0-9]*}}, -0.5, 0.2, 0.3333{{[0-9]*}}, 0.6666{{[0-9]*}}, 0.8888{{[0-9]*}}, 0.995{{[0-9]*}}]
  func.call @softsign(%d) : (tensor<?xf32>) -> ()
  return
}
