// A pair of keys is two entries of one token, a pair of values one entry of two tokens: what a
// product of attention adds up.
#include "passes/lower/cpu/emit/KvPairs.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/Pairs.h"
#include "runtime/abi/Call.h"

using namespace mlir;

namespace plexus::emit {

static constexpr int64_t kTokens = PLX_PAGE_TOKENS;

void KvPairs::write(Value part, Value head, Value token, Value row) const {
  Type f32 = code.builder.getF32Type();
  for (int64_t i = layout.dim; i < layout.paddedDim(); ++i)
    code.make<memref::StoreOp>(code.constant(f32, 0), row, ValueRange{code.index(i)});
  code.pieces(layout.paddedDim(), isa.lanes(), [&](Value entry, VectorType type) {
    Value halves = roundToBf16(code, isa, code.loadVector(type, row, {entry}));
    if (keys)
      writeKey(part, head, token, entry, halves);
    else
      writeValue(part, head, token, entry, halves);
  });
}

void KvPairs::writeKey(Value part, Value head, Value token, Value entry, Value halves) const {
  int64_t pairs = cast<VectorType>(halves.getType()).getNumElements() / 2;
  Value words =
      code.make<vector::BitCastOp>(code.vectorType(pairs, code.builder.getI32Type()), halves);
  Value first = code.div(code.add(code.mul(head, layout.paddedDim()), entry), 2);
  for (int64_t i = 0; i < pairs; ++i) {
    Value place = code.add(code.mul(code.add(first, i), kTokens), token);
    Value word = code.make<vector::ExtractOp>(words, llvm::ArrayRef<int64_t>{i});
    code.make<LLVM::StoreOp>(word, byteOffset(code.builder, code.loc, part, code.mul(place, 4)), 4);
  }
}

void KvPairs::writeValue(Value part, Value head, Value token, Value entry, Value halves) const {
  OpBuilder &b = code.builder;
  int64_t count = cast<VectorType>(halves.getType()).getNumElements();
  VectorType words = code.vectorType(count, b.getI32Type());
  Value pair = code.add(code.mul(head, kTokens / 2), code.div(token, 2));
  Value place = code.add(code.mul(pair, layout.paddedDim()), entry);
  Value address = byteOffset(b, code.loc, part, code.mul(place, 4));
  Value wide = code.make<arith::ExtUIOp>(words, halves);
  auto store = [&](bool second) {
    Value value = second ? code.make<arith::ShLIOp>(wide, code.constant(words, 16)) : wide;
    llvm::SmallVector<bool> lanes(2 * count);
    for (int64_t i = 0; i < count; ++i)
      lanes[2 * i + second] = true;
    auto type = code.vectorType(2 * count, b.getI1Type());
    Value mask = code.make<arith::ConstantOp>(
        DenseElementsAttr::get(type, llvm::ArrayRef<bool>(lanes.data(), lanes.size())));
    value = code.make<vector::BitCastOp>(code.vectorType(2 * count, b.getI16Type()), value);
    code.make<LLVM::MaskedStoreOp>(value, address, mask, b.getI32IntegerAttr(2));
  };
  Value isSecond = code.less(code.index(0), code.rem(token, 2));
  code.ifElse(isSecond, [&] { store(true); }, [&] { store(false); });
}

Value KvPairs::element(Value part, Value head, Value token, Value entry) const {
  OpBuilder &b = code.builder;
  Value pair, half;
  if (keys) {
    Value line = code.div(code.add(code.mul(head, layout.paddedDim()), entry), 2);
    pair = code.add(code.mul(line, kTokens), token);
    half = code.rem(entry, 2);
  } else {
    Value line = code.add(code.mul(head, kTokens / 2), code.div(token, 2));
    pair = code.add(code.mul(line, layout.paddedDim()), entry);
    half = code.rem(token, 2);
  }
  Value bytes = code.add(code.mul(pair, 4), code.mul(half, 2));
  Value bits = code.make<LLVM::LoadOp>(b.getI16Type(), byteOffset(b, code.loc, part, bytes), 2);
  Value word = code.make<arith::ExtUIOp>(b.getI32Type(), bits);
  word = code.make<arith::ShLIOp>(word, code.constant(b.getI32Type(), 16));
  return code.make<arith::BitcastOp>(b.getF32Type(), word);
}

} // namespace plexus::emit
