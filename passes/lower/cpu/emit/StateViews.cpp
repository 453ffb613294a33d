// Generates dense views of a batch's states: what decompositions end in, not what is fast.
#include "passes/lower/cpu/emit/StateViews.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/KvCodes.h"
#include "passes/lower/cpu/emit/KvPages.h"
#include "passes/lower/cpu/emit/KvPairs.h"
#include "passes/lower/cpu/emit/KvSealed.h"
#include "passes/lower/cpu/emit/VectorMath.h"

using namespace mlir;

namespace plexus::emit {

namespace {

/// Questions that a slot is asked.
class Slots {
public:
  Slots(const Code &code, Value batch)
      : code(code), fields(loadBatch(code.builder, code.loc, batch)) {
    Value null = code.make<LLVM::ZeroOp>(fields.tree.getType());
    hasTree = code.make<LLVM::ICmpOp>(LLVM::ICmpPredicate::ne, fields.tree, null);
  }

  Value at(Value array, Value i) const { return loadI32(code.builder, code.loc, array, i); }

  /// Slots of `sequence` that are filled once this batch is.
  Value filled(Value sequence) const {
    Value past = at(fields.past, sequence), next = code.add(sequence, 1);
    return choose(
        hasTree, index(),
        [&] {
          Value pending =
              code.sub(at(fields.pendingBegin, next), at(fields.pendingBegin, sequence));
          return code.add(past, pending);
        },
        [&] {
          Value end = at(fields.tokenBegin, next);
          Value some = code.less(at(fields.tokenBegin, sequence), end);
          return choose(
              some, index(), [&] { return code.add(at(fields.slot, code.add(end, -1)), 1); },
              [&] { return past; });
        });
  }

  /// Committed tokens and depth below them: what windows count in.
  Value indexOf(Value sequence, Value slot) const {
    return choose(
        hasTree, index(),
        [&] {
          Value past = at(fields.past, sequence);
          return choose(
              code.less(slot, past), index(), [&] { return slot; },
              [&] {
                Value first = at(fields.pendingBegin, sequence);
                return at(fields.pendingIndex, code.add(first, code.sub(slot, past)));
              });
        },
        [&] { return slot; });
  }

  /// i1: whether causal order lets `token` see `slot`, a filled one.
  Value isBefore(Value token, Value sequence, Value slot) const {
    Value past = at(fields.past, sequence);
    Value yes = code.make<arith::ConstantIntOp>(1, 1);
    return choose(
        hasTree, flag(),
        [&] {
          return choose(
              code.less(slot, past), flag(), [&] { return yes; },
              [&] { return treeBit(token, code.sub(slot, past)); });
        },
        [&] { return code.less(slot, code.add(at(fields.slot, token), 1)); });
  }

  const BatchFields &batch() const { return fields; }

private:
  Type index() const { return code.builder.getIndexType(); }
  Type flag() const { return code.builder.getI1Type(); }

  using Make = llvm::function_ref<Value()>;

  Value choose(Value condition, Type type, Make yes, Make no) const {
    return code.ifElse(
        condition, type, [&]() -> Code::Values { return {yes()}; },
        [&]() -> Code::Values { return {no()}; })[0];
  }

  Value treeBit(Value token, Value pending) const {
    Value word = code.add(code.mul(token, fields.treeWords), code.div(pending, 64));
    Value address = byteOffset(code.builder, code.loc, fields.tree, code.mul(word, 8));
    Value bits = code.make<LLVM::LoadOp>(code.builder.getI64Type(), address);
    Value shifted = code.make<arith::ShRUIOp>(bits, code.toI64(code.rem(pending, 64)));
    return code.make<arith::TruncIOp>(code.builder.getI1Type(), shifted);
  }

  const Code &code;
  BatchFields fields;
  Value hasTree;
};

/// i1: whether a page is there; a window may have left it behind.
Value isThere(const Code &code, Value start) {
  Value null = code.make<LLVM::ZeroOp>(start.getType());
  return code.make<LLVM::ICmpOp>(LLVM::ICmpPredicate::ne, start, null);
}

using Element = llvm::function_ref<Value(Value head, Value entry)>;

/// Entry `entry` of a key, turned by its position (index).
Value turnedElement(const Code &code, const Isa &isa, const RopeSpec &rope, Value frequencies,
                    Value position, Value entry, llvm::function_ref<Value(Value)> at) {
  Type f32 = code.builder.getF32Type();
  int64_t half = rope.dims / 2;
  auto turned = [&]() -> Code::Values {
    Value second = rope.interleaved ? code.less(code.index(0), code.rem(entry, 2))
                                    : code.less(code.index(half - 1), entry);
    int64_t step = rope.interleaved ? 1 : half;
    Value other = code.select(second, code.add(entry, -step), code.add(entry, step));
    Value pair = rope.interleaved ? code.div(entry, 2) : code.rem(entry, half);
    Value angle = code.make<arith::MulFOp>(code.make<arith::SIToFPOp>(f32, code.toI32(position)),
                                           code.loadScalar(frequencies, {pair}));
    auto [sines, cosines] = emitSinCos(code.builder, code.loc, code.splat(isa.lanes(), angle));
    auto scaled = [&](Value vector) -> Value {
      Value one = code.make<vector::ExtractOp>(vector, llvm::ArrayRef<int64_t>{0});
      return code.make<arith::MulFOp>(one, code.constant(f32, rope.attentionScaling));
    };
    Value sine = scaled(sines);
    sine = code.select(second, sine, code.make<arith::NegFOp>(sine));
    return {code.fma(at(entry), scaled(cosines), code.make<arith::MulFOp>(at(other), sine))};
  };
  return code.ifElse(code.less(entry, code.index(rope.dims)), f32, turned,
                     [&]() -> Code::Values { return {at(entry)}; })[0];
}

/// An entry of a slot of a page that is not sealed, whose part is at `part`.
Value openElement(const Code &code, const Isa &isa, const KvPartLayout &layout, bool keys,
                  Value part, Value head, Value place, Value entry) {
  if (layout.isQuantized())
    return KvCodes(code, isa, layout, keys).element(part, head, place, entry);
  if (layout.form == KvForm::BF16)
    return KvPairs(code, isa, layout, keys).element(part, head, place, entry);
  Value column = code.add(code.mul(head, layout.dim), entry);
  Value row = code.add(code.mul(head, kPageTokens), place);
  Value number = keys ? code.add(code.mul(column, kPageTokens), place)
                      : code.add(code.mul(row, layout.dim), entry);
  return code.make<LLVM::LoadOp>(code.builder.getF32Type(), elementAddress(code, part, number));
}

} // namespace

void emitKvView(OpBuilder &builder, Location loc, const Isa &isa, const AttentionSpec &spec,
                KvPart part, Value batch, Value kv, Value context, Value out, Value frequencies) {
  Code code{builder, loc};
  Slots slots(code, batch);
  bool keys = part == KvPart::Keys;
  int64_t dim = keys ? spec.keyDim : spec.valueDim;
  KvPartLayout layout = keys ? spec.keys() : spec.values();
  Value zero = code.constant(builder.getF32Type(), 0);
  auto forEntries = [&](Element element, Value sequence, Value slot) {
    code.loop(0, spec.kvHeads, 1, [&](Value head) {
      code.loop(0, dim, 1, [&](Value entry) {
        code.make<memref::StoreOp>(element(head, entry), out,
                                   ValueRange{sequence, slot, head, entry});
      });
    });
  };
  code.parallel(code.mul(slots.batch().sequences, context), [&](Value item) {
    Value sequence = code.make<arith::DivUIOp>(item, context);
    Value slot = code.make<arith::RemUIOp>(item, context), place = code.rem(slot, kPageTokens);
    auto clear = [&] { forEntries([&](Value, Value) { return zero; }, sequence, slot); };
    Value number = code.div(slot, kPageTokens);
    // Entries of the page that starts at `start`.
    auto write = [&](Value start, llvm::function_ref<Value(Value, Value)> element) {
      if (!keys || !spec.keptRope)
        return forEntries(element, sequence, slot);
      Value position = loadI32(builder, loc, start, place);
      auto turned = [&](Value head, Value entry) {
        return turnedElement(code, isa, *spec.keptRope, frequencies, position, entry,
                             [&](Value other) { return element(head, other); });
      };
      forEntries(turned, sequence, slot);
    };
    auto copyOpen = [&](Value start) {
      Value page = loadPage(builder, loc, kv, sequence, number);
      Value part = keys ? page : byteOffset(builder, loc, page, code.index(spec.keys().bytes()));
      write(start, [&](Value head, Value entry) {
        return openElement(code, isa, layout, keys, part, head, place, entry);
      });
    };
    auto copySealed = [&] {
      Value start = loadSealedPage(builder, loc, kv, sequence, number, /*toLayer=*/false);
      KvSealed sealed(code, isa, spec, frequencies);
      auto copy = [&] {
        Value page = loadSealedPage(builder, loc, kv, sequence, number);
        write(start, [&](Value head, Value entry) {
          return keys ? sealed.keyElement(page, head, place, entry)
                      : sealed.valueElement(page, head, place, entry);
        });
      };
      code.ifElse(isThere(code, start), copy, clear);
    };
    auto copy = [&] {
      Value start = loadPage(builder, loc, kv, sequence, number, /*toLayer=*/false);
      code.ifElse(
          isThere(code, start), [&] { copyOpen(start); },
          [&] { spec.seals ? copySealed() : clear(); });
    };
    code.ifElse(code.less(slot, slots.filled(sequence)), copy, clear);
  });
}

void emitVisible(OpBuilder &builder, Location loc, bool causal, int64_t window, Value batch,
                 Value context, Value out) {
  Code code{builder, loc};
  Slots slots(code, batch);
  auto both = [&](Value x, Value y) { return code.make<arith::AndIOp>(x, y).getResult(); };
  code.parallel(code.mul(slots.batch().tokens, context), [&](Value item) {
    Value token = code.make<arith::DivUIOp>(item, context);
    Value slot = code.make<arith::RemUIOp>(item, context);
    Value sequence = slots.at(slots.batch().sequence, token);
    Value filled = code.less(slot, slots.filled(sequence));
    auto look = [&]() -> Code::Values {
      Value seen = code.make<arith::ConstantIntOp>(1, 1);
      if (causal)
        seen = slots.isBefore(token, sequence, slot);
      if (window > 0) {
        Value own = slots.at(slots.batch().index, token), other = slots.indexOf(sequence, slot);
        seen = both(seen, code.less(code.sub(own, other), code.index(window)));
        if (!causal)
          seen = both(seen, code.less(code.sub(other, own), code.index(window)));
      }
      return {seen};
    };
    Value seen = code.ifElse(filled, builder.getI1Type(), look, [&]() -> Code::Values {
      return {code.make<arith::ConstantIntOp>(0, 1)};
    })[0];
    code.make<memref::StoreOp>(seen, out, ValueRange{token, slot});
  });
}

} // namespace plexus::emit
