// How keys and values lie in pages, and the writing of them.
#include "passes/lower/cpu/emit/KvPages.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/lower/cpu/emit/Attention.h"
#include "passes/lower/cpu/emit/Batch.h"

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

void writeKey(const Code &code, int64_t kvHeads, int64_t keyDim, Value key, Value token, Value page,
              Value place) {
  code.loop(0, kvHeads * keyDim, 1, [&](Value i) {
    Value target = elementAddress(code, page, code.add(code.mul(i, kPageTokens), place));
    storeAt(code, code.loadScalar(key, {token, i}), target);
  });
}

void emitKvWrite(OpBuilder &builder, Location loc, const Isa &isa, const AttentionSpec &spec,
                 Value key, Value value, Value batch, Value kv) {
  Code code{builder, loc};
  BatchFields fields = loadBatch(builder, loc, batch);
  forTokens(builder, loc, fields.tokens, [&](Value token) {
    Value slot = loadI32(builder, loc, fields.slot, token);
    Value sequence = loadI32(builder, loc, fields.sequence, token);
    Value page = loadPage(builder, loc, kv, sequence, code.div(slot, kPageTokens));
    Value place = code.rem(slot, kPageTokens);
    writeKey(code, spec.kvHeads, spec.keyDim, key, token, page, place);
    Value values =
        byteOffset(builder, loc, page, code.index(pagePartBytes(spec.kvHeads, spec.keyDim)));
    code.loop(0, spec.kvHeads, 1, [&](Value head) {
      Value row = code.add(code.mul(head, kPageTokens), place);
      Value target = code.mul(row, spec.valueDim), source = code.mul(head, spec.valueDim);
      code.pieces(spec.valueDim, isa.lanes(), [&](Value i, VectorType type) {
        storeAt(code, code.loadVector(type, value, {token, code.add(source, i)}),
                elementAddress(code, values, code.add(target, i)));
      });
    });
  });
}

} // namespace plexus::emit
