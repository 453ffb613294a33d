// How keys and values lie in pages, and the writing of them.
#include "passes/lower/cpu/emit/KvPages.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/KvCodes.h"
#include "passes/lower/cpu/emit/KvPairs.h"

using namespace mlir;

namespace plexus::emit {

Value elementAddress(const Code &code, Value base, Value elements) {
  return code.make<LLVM::GEPOp>(base.getType(), code.builder.getF32Type(), base,
                                llvm::ArrayRef<LLVM::GEPArg>{code.toI64(elements)});
}

Value loadAt(const Code &code, VectorType type, Value pointer) {
  return code.make<LLVM::LoadOp>(type, pointer, /*alignment=*/sizeof(float));
}

void storeAt(const Code &code, Value value, Value pointer) {
  code.make<LLVM::StoreOp>(value, pointer, /*alignment=*/sizeof(float));
}

static Value alignedPointer(const Code &code, Value memref) {
  Value address = code.make<memref::ExtractAlignedPointerAsIndexOp>(memref);
  auto type = LLVM::LLVMPointerType::get(code.builder.getContext());
  return code.make<LLVM::IntToPtrOp>(type, code.toI64(address));
}

Value bytesAddress(const Code &code, Value memref) { return alignedPointer(code, memref); }

RowAddress rowAddress(const Code &code, Value memref, Value row, Value column) {
  auto metadata = code.make<memref::ExtractStridedMetadataOp>(memref);
  Value stride = metadata.getStrides()[0];
  Value place = code.add(code.add(code.mul(row, stride), column), metadata.getOffset());
  return {elementAddress(code, alignedPointer(code, memref), place), stride};
}

/// Copies the token's keys, turned and transposed.
static void writePlainKey(const Code &code, const Isa &isa, const AttentionSpec &spec,
                          const KvSlot &slot, const KvRows &rows) {
  code.loop(0, spec.kvHeads, 1, [&](Value head) {
    Value base = code.mul(head, spec.keyDim);
    forHead(code, isa, spec.rope.value_or(RopeSpec()), rows.ropeTable, spec.keyDim, rows.key,
            rows.token, base, [&](Value entry, Value vector) {
              Value row = code.add(base, entry);
              for (int64_t i = 0; i < cast<VectorType>(vector.getType()).getNumElements(); ++i) {
                Value target = code.add(code.mul(code.add(row, i), kPageTokens), slot.place);
                Value one = code.make<vector::ExtractOp>(vector, llvm::ArrayRef<int64_t>{i});
                storeAt(code, one, elementAddress(code, slot.page, target));
              }
            });
  });
}

static void writePlainValue(const Code &code, const Isa &isa, const AttentionSpec &spec,
                            const KvSlot &slot, const KvRows &rows) {
  Value values = byteOffset(code.builder, code.loc, slot.page, code.index(spec.keys().bytes()));
  code.loop(0, spec.kvHeads, 1, [&](Value head) {
    Value row = code.add(code.mul(head, kPageTokens), slot.place);
    Value target = code.mul(row, spec.valueDim), source = code.mul(head, spec.valueDim);
    code.pieces(spec.valueDim, isa.lanes(), [&](Value i, VectorType type) {
      storeAt(code, code.loadVector(type, rows.value, {rows.token, code.add(source, i)}),
              elementAddress(code, values, code.add(target, i)));
    });
  });
}

/// Rounds the token's heads into the page.
template <typename Codes>
static void writeRounded(const Code &code, const Isa &isa, const AttentionSpec &spec,
                         const KvSlot &slot, const KvRows &rows) {
  KvPartLayout keys = spec.keys(), values = spec.values();
  Type f32 = code.builder.getF32Type();
  code.stackScope([&] {
    Value row = code.stackBuffer(std::max(keys.paddedDim(), values.paddedDim()), f32);
    Value valuePart = byteOffset(code.builder, code.loc, slot.page, code.index(keys.bytes()));
    code.loop(0, spec.kvHeads, 1, [&](Value head) {
      forHead(code, isa, spec.rope.value_or(RopeSpec()), rows.ropeTable, spec.keyDim, rows.key,
              rows.token, code.mul(head, spec.keyDim),
              [&](Value entry, Value vector) { code.storeVector(vector, row, {entry}); });
      Codes(code, isa, keys, true).write(slot.page, head, slot.place, row);
      code.pieces(spec.valueDim, isa.lanes(), [&](Value i, VectorType type) {
        Value source = code.add(code.mul(head, spec.valueDim), i);
        code.storeVector(code.loadVector(type, rows.value, {rows.token, source}), row, {i});
      });
      Codes(code, isa, values, false).write(valuePart, head, slot.place, row);
    });
  });
}

void writeSlot(const Code &code, const Isa &isa, const AttentionSpec &spec, const KvSlot &slot,
               const KvRows &rows) {
  if (spec.form == KvForm::BF16)
    return writeRounded<KvPairs>(code, isa, spec, slot, rows);
  if (spec.keys().isQuantized())
    return writeRounded<KvCodes>(code, isa, spec, slot, rows);
  writePlainKey(code, isa, spec, slot, rows);
  if (rows.value)
    writePlainValue(code, isa, spec, slot, rows);
}

void emitKvWrite(OpBuilder &builder, Location loc, const Isa &isa, const AttentionSpec &spec,
                 Value key, Value value, Value batch, Value kv, Value ropeTable) {
  Code code{builder, loc};
  BatchFields fields = loadBatch(builder, loc, batch);
  forTokens(builder, loc, fields.tokens, [&](Value token) {
    Value slot = loadI32(builder, loc, fields.slot, token);
    Value sequence = loadI32(builder, loc, fields.sequence, token);
    Value page = loadPage(builder, loc, kv, sequence, code.div(slot, kPageTokens));
    writeSlot(code, isa, spec, {page, code.rem(slot, kPageTokens)}, {key, value, token, ropeTable});
    if (spec.seals) {
      Value start = loadPage(builder, loc, kv, sequence, code.div(slot, kPageTokens), false);
      Value position = code.toI32(loadI32(builder, loc, fields.position, token));
      Value place = code.mul(code.rem(slot, kPageTokens), sizeof(int32_t));
      code.make<LLVM::StoreOp>(position, byteOffset(builder, loc, start, place), 4);
    }
  });
}

/// Pages that a row of index or in slot `row` reads sealed where its ancestors are in order.
static Value pagesBehind(const Code &code, Value row) {
  return code.add(code.max(code.div(row, kPageTokens), code.index(1)), -1);
}

Value sealedPages(const Code &code, const BatchFields &batch, Value token) {
  auto at = [&](Value array, Value i) { return loadI32(code.builder, code.loc, array, i); };
  Value index = at(batch.index, token), slot = at(batch.slot, token);
  Value committed = code.div(at(batch.past, at(batch.sequence, token)), kPageTokens);
  Value pages = pagesBehind(code, index);
  // Among rows that are no ancestors, only what is committed lies in order.
  return code.select(code.less(index, slot), code.min(pages, committed), pages);
}

void emitKvSeal(OpBuilder &builder, Location loc, Value batch, Value kv) {
  Code code{builder, loc};
  BatchFields fields = loadBatch(builder, loc, batch);
  auto endOf = [&](Value sequence) {
    Value end = loadI32(builder, loc, fields.tokenBegin, code.add(sequence, 1));
    return pagesBehind(code, loadI32(builder, loc, fields.slot, code.add(end, -1)));
  };
  auto isThere = [&](Value start) {
    Value null = code.make<LLVM::ZeroOp>(start.getType());
    return code.make<LLVM::ICmpOp>(LLVM::ICmpPredicate::ne, start, null).getResult();
  };
  // Pages that are not given back are the last ones: mostly, the last of a range tells of all.
  Value pages = code.loop(code.index(0), fields.sequences, 1, ValueRange{code.index(0)},
                          [&](Value sequence, ValueRange most) -> Code::Values {
                            Value end = endOf(sequence);
                            Value last = code.add(code.max(end, code.index(1)), -1);
                            Value page = loadPage(builder, loc, kv, sequence, last, false);
                            Value some = code.select(isThere(page), end, code.index(0));
                            return {code.max(most[0], some)};
                          })[0];
  code.parallel(code.mul(fields.sequences, pages), [&](Value item) {
    Value sequence = code.make<arith::DivUIOp>(item, pages);
    Value page = code.make<arith::RemUIOp>(item, pages);
    code.ifThen(code.less(page, endOf(sequence)), [&] {
      Value open = loadPage(builder, loc, kv, sequence, page, false);
      Value sealed = loadSealedPage(builder, loc, kv, sequence, page, false);
      Value both = code.make<arith::AndIOp>(isThere(open), isThere(sealed));
      code.ifThen(both, [&] { callSeal(builder, loc, kv, open, sealed); });
    });
  });
}

} // namespace plexus::emit
