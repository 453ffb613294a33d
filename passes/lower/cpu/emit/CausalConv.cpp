// Generates depthwise causal convolutions over ragged batches.
#include "passes/lower/cpu/emit/CausalConv.h"
#include "dialects/plx/Activations.h"
#include "passes/lower/cpu/emit/Carry.h"

using namespace mlir;

namespace plexus::emit {
namespace {

/// One block of channels of one sequence.
struct Block {
  const Code &code;
  const CausalConvSpec &spec;
  const CausalConvOperands &operands;
  Value channel;
  llvm::ArrayRef<VectorType> types;
  int64_t lanes;

  Value place(int64_t vector) const { return code.add(channel, vector * lanes); }

  /// The inputs before a token, oldest first, each as vectors.
  llvm::SmallVector<CarryPiece> pieces() const {
    llvm::SmallVector<CarryPiece> made;
    for (int64_t tap = 0; tap < spec.kernel - 1; ++tap)
      for (auto [v, type] : llvm::enumerate(types))
        made.push_back({code.add(place(v), tap * spec.channels), type});
    return made;
  }

  Code::Values weights() const {
    Code::Values made;
    for (int64_t tap = 0; tap < spec.kernel; ++tap)
      for (auto [v, type] : llvm::enumerate(types))
        made.push_back(loadFloats(code, type, operands.weight, {code.index(tap), place(v)}));
    return made;
  }

  Code::Values biases() const {
    Code::Values made;
    for (auto [v, type] : llvm::enumerate(types))
      made.push_back(operands.bias ? loadFloats(code, type, operands.bias, {place(v)})
                                   : code.constant(type, 0));
    return made;
  }

  /// Writes the token's outputs and returns the window of the next one.
  Code::Values step(Value token, ValueRange past, ValueRange weight, ValueRange bias) const {
    Code::Values window(past);
    size_t width = types.size();
    for (auto [v, type] : llvm::enumerate(types))
      window.push_back(code.loadVector(type, operands.input, {token, place(v)}));
    for (size_t v = 0; v < width; ++v) {
      Value sum = bias[v];
      for (int64_t tap = 0; tap < spec.kernel; ++tap)
        sum = code.fma(window[tap * width + v], weight[tap * width + v], sum);
      ImplicitLocOpBuilder b(code.loc, code.builder);
      code.storeVector(plx::buildActivation(b, spec.activation, sum), operands.out,
                       {token, place(v)});
    }
    window.erase(window.begin(), window.begin() + width);
    return window;
  }
};

} // namespace

void emitCausalConv(OpBuilder &builder, Location loc, const Isa &isa, const CausalConvSpec &spec,
                    const CausalConvOperands &operands) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, operands.batch, operands.state);
  // Weights, window and sums of a block share the registers.
  int64_t vectors = std::max<int64_t>(1, isa.vectorRegisters / (2 * spec.kernel));
  forChannelBlocks(code, fields.batch.sequences, spec.channels, isa.lanes(), vectors,
                   [&](Value sequence, Value channel, llvm::ArrayRef<VectorType> types) {
                     Block block{code, spec, operands, channel, types, isa.lanes()};
                     Code::Values weight = block.weights(), bias = block.biases();
                     forTokensOf(code, fields, sequence, block.pieces(), spec.reverse,
                                 [&](Value token, ValueRange past) {
                                   return block.step(token, past, weight, bias);
                                 });
                   });
}

} // namespace plexus::emit
