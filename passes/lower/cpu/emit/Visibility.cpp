// What tokens see: ranges of slots, windows, and trees of drafted tokens.
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/lower/cpu/emit/AttentionParts.h"
#include <limits>
#include <numeric>

using namespace mlir;

namespace plexus::emit {

void Visibility::allocate(int64_t tokens) {
  lows = code.stackBuffer(tokens, code.builder.getIndexType());
  highs = code.stackBuffer(tokens, code.builder.getIndexType());
  mask = code.stackBuffer(kPageTokens, code.builder.getF32Type());
}

Value Visibility::hasTree() {
  Value null = code.make<LLVM::ZeroOp>(batch.tree.getType());
  return code.make<LLVM::ICmpOp>(LLVM::ICmpPredicate::ne, batch.tree, null);
}

/// {first visible slot, end of the slots that are visible without looking at the tree}.
std::pair<Value, Value> Visibility::visibleRange(const AttentionSegment &segment, Value token) {
  OpBuilder &b = code.builder;
  Value low = code.index(0);
  if (spec.window > 0) {
    Value index = loadI32(b, code.loc, batch.index, token);
    low = code.max(low, code.add(index, 1 - spec.window));
  }
  if (!spec.causal)
    return {low, segment.slots};
  Value own = hasState ? loadI32(b, code.loc, batch.slot, token)
                       : code.sub(token, loadI32(b, code.loc, batch.tokenBegin, segment.sequence));
  return {low, code.select(hasTree(), segment.past, code.add(own, 1))};
}

void Visibility::measure(AttentionSegment &segment) {
  OpBuilder &b = code.builder;
  Value zero = code.index(0), most = code.index(std::numeric_limits<int64_t>::max());
  Value end = loadI32(b, code.loc, batch.tokenBegin, code.add(segment.sequence, 1));
  segment.past = zero;
  segment.slots = code.sub(end, loadI32(b, code.loc, batch.tokenBegin, segment.sequence));
  if (hasState) {
    segment.past = loadI32(b, code.loc, batch.past, segment.sequence);
    Value last = loadI32(b, code.loc, batch.slot, code.add(end, -1));
    segment.slots = code.add(last, 1);
  }
  Code::Values limits = code.loop(segment.begin, segment.end, 1, {most, zero, most, zero},
                                  [&](Value token, ValueRange so) -> Code::Values {
                                    auto [low, high] = visibleRange(segment, token);
                                    Value local = code.sub(token, segment.begin);
                                    code.make<memref::StoreOp>(low, lows, ValueRange{local});
                                    code.make<memref::StoreOp>(high, highs, ValueRange{local});
                                    return {code.min(so[0], low), code.max(so[1], low),
                                            code.min(so[2], high), code.max(so[3], high)};
                                  });
  segment.lowMin = limits[0], segment.lowMax = limits[1];
  segment.highMin = limits[2], segment.highMax = limits[3];
  if (!spec.causal)
    return;
  auto pending = [&]() -> Code::Values {
    Value first = loadI32(b, code.loc, batch.pendingBegin, segment.sequence);
    Value end = loadI32(b, code.loc, batch.pendingBegin, code.add(segment.sequence, 1));
    return {code.add(segment.past, code.sub(end, first))};
  };
  segment.highMax = code.ifElse(hasTree(), b.getIndexType(), pending,
                                [&]() -> Code::Values { return {segment.highMax}; })[0];
}

Value Visibility::isPartial(const AttentionSegment &segment, Value first) const {
  Value early = code.less(first, segment.lowMax);
  Value late = code.less(segment.highMin, code.add(first, kPageTokens));
  return code.make<arith::OrIOp>(early, late);
}

void Visibility::hide(const AttentionSegment &segment, Value first, Hide body) {
  VectorType type = code.floats(lanes);
  code.loop(segment.begin, segment.end, 1, [&](Value token) {
    Value local = code.sub(token, segment.begin);
    maskRange(local, first);
    if (spec.causal)
      code.ifThen(hasTree(), [&] { maskTree(segment, first, token); });
    Code::Values hidden;
    for (int64_t i = 0; i < kPageTokens; i += lanes)
      hidden.push_back(code.make<arith::CmpFOp>(arith::CmpFPredicate::OLT,
                                                code.loadVector(type, mask, {code.index(i)}),
                                                code.constant(type, 0)));
    body(local, hidden);
  });
}

/// mask = 0 where the token sees the slot without looking at the tree, -1 where it does not.
void Visibility::maskRange(Value local, Value first) {
  auto type = code.vectorType(lanes, code.builder.getI32Type());
  llvm::SmallVector<int32_t> numbers(lanes);
  auto relative = [&](Value bounds) {
    Value bound = code.sub(code.loadScalar(bounds, {local}), first);
    bound = code.max(code.min(bound, code.index(kPageTokens)), code.index(-1));
    return code.splat(lanes, code.toI32(bound));
  };
  Value low = relative(lows), high = relative(highs);
  for (int64_t i = 0; i < kPageTokens; i += lanes) {
    std::iota(numbers.begin(), numbers.end(), i);
    Value slots = code.make<arith::ConstantOp>(
        DenseElementsAttr::get(type, llvm::ArrayRef<int32_t>(numbers)));
    Value above = code.make<arith::CmpIOp>(arith::CmpIPredicate::sge, slots, low);
    Value below = code.make<arith::CmpIOp>(arith::CmpIPredicate::slt, slots, high);
    Value seen = code.make<arith::AndIOp>(above, below);
    VectorType floats = code.floats(lanes);
    code.storeVector(code.select(seen, code.constant(floats, 0), code.constant(floats, -1)), mask,
                     {code.index(i)});
  }
}

/// Uncovers the pending slots of the page that the token's bits (and the window) let it see.
void Visibility::maskTree(const AttentionSegment &segment, Value first, Value token) {
  OpBuilder &b = code.builder;
  Type f32 = b.getF32Type();
  Value begin = code.max(first, segment.past);
  Value end = code.min(code.add(first, kPageTokens), segment.highMax);
  Value firstPending = loadI32(b, code.loc, batch.pendingBegin, segment.sequence);
  Value index = loadI32(b, code.loc, batch.index, token);
  code.loop(begin, end, 1, [&](Value slot) {
    Value bit = code.sub(slot, segment.past);
    Value wordPlace = code.add(code.mul(token, batch.treeWords), code.div(bit, 64));
    Value address = byteOffset(b, code.loc, batch.tree, code.mul(wordPlace, sizeof(uint64_t)));
    Value word = code.make<LLVM::LoadOp>(b.getI64Type(), address);
    Value shifted = code.make<arith::ShRUIOp>(word, code.toI64(code.rem(bit, 64)));
    Value seen = code.make<arith::TruncIOp>(b.getI1Type(), shifted);
    if (spec.window > 0) {
      Value other = loadI32(b, code.loc, batch.pendingIndex, code.add(firstPending, bit));
      Value inside = code.less(code.sub(index, other), code.index(spec.window));
      seen = code.make<arith::AndIOp>(seen, inside);
    }
    Value value = code.select(seen, code.constant(f32, 0), code.constant(f32, -1));
    code.make<memref::StoreOp>(value, mask, ValueRange{code.sub(slot, first)});
  });
}

} // namespace plexus::emit
