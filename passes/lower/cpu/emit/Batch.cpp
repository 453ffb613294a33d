// Reads the structs of runtime/abi/Call.h from generated code.
#include "passes/lower/cpu/emit/Batch.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/lower/cpu/emit/Code.h"

using namespace mlir;

namespace plexus::emit {

/// The address `bytes` (i64 or a constant) behind `base`.
static Value address(const Code &code, Value base, LLVM::GEPArg bytes) {
  return code.make<LLVM::GEPOp>(base.getType(), code.builder.getI8Type(), base,
                                llvm::ArrayRef<LLVM::GEPArg>{bytes});
}

static Value field(const Code &code, Value base, size_t offset, Type type) {
  return code.make<LLVM::LoadOp>(type,
                                 address(code, base, LLVM::GEPArg(static_cast<int32_t>(offset))));
}

Value byteOffset(OpBuilder &builder, Location loc, Value base, Value bytes) {
  Code code{builder, loc};
  return address(code, base, code.toI64(bytes));
}

BatchFields loadBatch(OpBuilder &builder, Location loc, Value batch) {
  Code code{builder, loc};
  auto size = [&](size_t offset) {
    return code.toIndex(field(code, batch, offset, builder.getI64Type()));
  };
  auto array = [&](size_t offset) { return field(code, batch, offset, batch.getType()); };
  BatchFields fields;
  fields.tokens = size(offsetof(plx_batch, tokens));
  fields.sequences = size(offsetof(plx_batch, sequences));
  fields.context = size(offsetof(plx_batch, context));
  fields.treeWords = size(offsetof(plx_batch, tree_words));
  fields.sequence = array(offsetof(plx_batch, sequence));
  fields.position = array(offsetof(plx_batch, position));
  fields.index = array(offsetof(plx_batch, index));
  fields.slot = array(offsetof(plx_batch, slot));
  fields.tokenBegin = array(offsetof(plx_batch, token_begin));
  fields.past = array(offsetof(plx_batch, past));
  fields.tree = array(offsetof(plx_batch, tree));
  fields.pendingIndex = array(offsetof(plx_batch, pending_index));
  fields.pendingBegin = array(offsetof(plx_batch, pending_begin));
  fields.carryFrom = array(offsetof(plx_batch, carry_from));
  fields.carryTo = array(offsetof(plx_batch, carry_to));
  return fields;
}

Value loadI32(OpBuilder &builder, Location loc, Value array, Value i) {
  Code code{builder, loc};
  Value place = byteOffset(builder, loc, array, code.mul(i, sizeof(int32_t)));
  return code.toIndex(code.make<LLVM::LoadOp>(builder.getI32Type(), place));
}

Value loadPointer(OpBuilder &builder, Location loc, Value array, Value i) {
  Code code{builder, loc};
  Value place = byteOffset(builder, loc, array, code.mul(i, sizeof(void *)));
  return code.make<LLVM::LoadOp>(array.getType(), place);
}

Value isNull(OpBuilder &builder, Location loc, Value pointer) {
  Value null = LLVM::ZeroOp::create(builder, loc, pointer.getType());
  return LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::eq, pointer, null);
}

void forTokens(OpBuilder &builder, Location loc, Value tokens,
               llvm::function_ref<void(Value)> body) {
  constexpr int64_t kTokens = 16;
  Code code{builder, loc};
  code.parallel(code.ceilDiv(tokens, kTokens), [&](Value block) {
    Value begin = code.mul(block, kTokens);
    code.loop(begin, code.min(code.add(begin, kTokens), tokens), 1, body);
  });
}

/// A page from the table in field `table`, or behind its start what field `offset` says.
static Value pageOf(const Code &code, Value kv, size_t table, std::optional<size_t> offset,
                    Value sequence, Value page) {
  OpBuilder &b = code.builder;
  Value lists = field(code, kv, table, kv.getType());
  Value start = loadPointer(b, code.loc, loadPointer(b, code.loc, lists, sequence), page);
  return offset ? address(code, start, field(code, kv, *offset, b.getI64Type())) : start;
}

Value loadPage(OpBuilder &builder, Location loc, Value kv, Value sequence, Value page,
               bool toLayer) {
  std::optional<size_t> offset;
  if (toLayer)
    offset = offsetof(plx_kv, layer_offset);
  return pageOf({builder, loc}, kv, offsetof(plx_kv, pages), offset, sequence, page);
}

Value loadSealedPage(OpBuilder &builder, Location loc, Value kv, Value sequence, Value page,
                     bool toLayer) {
  std::optional<size_t> offset;
  if (toLayer)
    offset = offsetof(plx_kv, sealed_offset);
  return pageOf({builder, loc}, kv, offsetof(plx_kv, sealed), offset, sequence, page);
}

void callSeal(OpBuilder &builder, Location loc, Value kv, Value page, Value sealed) {
  Code code{builder, loc};
  Type pointer = kv.getType();
  Value seal = field(code, kv, offsetof(plx_kv, seal), pointer);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(builder.getContext()),
                                          {pointer, pointer, pointer});
  code.make<LLVM::CallOp>(type, ValueRange{seal, kv, page, sealed});
}

} // namespace plexus::emit
