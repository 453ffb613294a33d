// Pairs of bf16: rounding to them, taking them apart, multiplying them.
#include "passes/lower/cpu/emit/Pairs.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace plexus::emit {

/// The vector with zeros behind it.
static Value filledUp(const Code &code, Value vector, int64_t lanes) {
  auto type = cast<VectorType>(vector.getType());
  if (type.getNumElements() == lanes)
    return vector;
  Value zero = code.constant(code.vectorType(lanes, type.getElementType()), 0);
  return code.make<vector::InsertStridedSliceOp>(vector, zero, int64_t(0), int64_t(1));
}

Value pairDot(const Code &code, Value x, Value w, Value sum) {
  constexpr int64_t kLanes = 16;
  int64_t lanes = cast<VectorType>(sum.getType()).getNumElements();
  VectorType pairs = code.vectorType(2 * kLanes, code.builder.getBF16Type());
  auto operand = [&](Value words) -> Value {
    return code.make<vector::BitCastOp>(pairs, filledUp(code, words, kLanes));
  };
  Value operands[] = {filledUp(code, sum, kLanes), operand(x), operand(w)};
  auto name = code.builder.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512");
  Value result = code.make<LLVM::CallIntrinsicOp>(code.floats(kLanes), name, ValueRange(operands))
                     .getResult(0);
  if (lanes == kLanes)
    return result;
  return code.make<vector::ExtractStridedSliceOp>(result, int64_t(0), lanes, int64_t(1));
}

Value roundToPairs(const Code &code, Value first, Value second) {
  constexpr int64_t kLanes = 16;
  VectorType halves = code.vectorType(2 * kLanes, code.builder.getBF16Type());
  auto name = code.builder.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512");
  Value behind =
      code.make<LLVM::CallIntrinsicOp>(halves, name, ValueRange{second, first}).getResult(0);
  llvm::SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < kLanes; ++lane)
    order.append({lane, kLanes + lane});
  return code.make<vector::ShuffleOp>(behind, behind, order);
}

std::pair<Value, Value> widenPairs(const Code &code, Value pairs) {
  // bf16 is the upper half of f32.
  auto type = cast<VectorType>(pairs.getType());
  VectorType floats = code.floats(type.getNumElements());
  Value low = code.make<arith::ShLIOp>(pairs, code.constant(type, 16));
  Value high = code.make<arith::AndIOp>(pairs, code.constant(type, -65536));
  return {code.make<arith::BitcastOp>(floats, low), code.make<arith::BitcastOp>(floats, high)};
}

Value roundToBf16(const Code &code, const Isa &isa, Value vector) {
  OpBuilder &b = code.builder;
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  VectorType halves = code.vectorType(lanes, b.getI16Type());
  if (isa.bf16Dot) {
    Value rounded = code.make<arith::TruncFOp>(code.vectorType(lanes, b.getBF16Type()), vector);
    return code.make<arith::BitcastOp>(halves, rounded);
  }
  VectorType words = code.vectorType(lanes, b.getI32Type());
  Value bits = code.make<arith::BitcastOp>(words, vector);
  auto shifted = [&](Value value) -> Value {
    return code.make<arith::ShRUIOp>(value, code.constant(words, 16));
  };
  Value odd = code.make<arith::AndIOp>(shifted(bits), code.constant(words, 1));
  Value bias = code.make<arith::AddIOp>(odd, code.constant(words, 0x7fff));
  Value up = shifted(code.make<arith::AddIOp>(bits, bias));
  Value quiet = code.make<arith::OrIOp>(shifted(bits), code.constant(words, 0x40));
  Value isNan = code.make<arith::CmpFOp>(arith::CmpFPredicate::UNO, vector, vector);
  return code.make<arith::TruncIOp>(halves, code.select(isNan, quiet, up));
}

} // namespace plexus::emit
