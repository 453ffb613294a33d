//===- CallLayout.cpp - runtime/abi/Call.h as LLVM types --------------------------------------===//
// Builds the LLVM types of the calling convention and reads their fields.
//===----------------------------------------------------------------------------------------------===//
#include "passes/lower/cpu/CallLayout.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/abi/Call.h"

using namespace mlir;

namespace plexus::compiler::call {
namespace {

/// Offset of field `index` when every field takes eight bytes, as all do but matmul's two int32.
constexpr size_t word(auto index) { return static_cast<size_t>(index) * 8; }

static_assert(offsetof(plx_call, host) == word(CallField::Host));
static_assert(offsetof(plx_call, batch) == word(CallField::Batch));
static_assert(offsetof(plx_call, inputs) == word(CallField::Inputs));
static_assert(offsetof(plx_call, outputs) == word(CallField::Outputs));
static_assert(offsetof(plx_call, weights) == word(CallField::Weights));
static_assert(offsetof(plx_call, states) == word(CallField::States));
static_assert(offsetof(plx_call, scalars) == word(CallField::Scalars));
static_assert(offsetof(plx_call, scratch) == word(CallField::Scratch));
static_assert(sizeof(plx_call) == word(CallField::Scratch) + 8);
static_assert(offsetof(plx_batch, tokens) == word(BatchField::Tokens));
static_assert(offsetof(plx_batch, sequences) == word(BatchField::Sequences));
static_assert(offsetof(plx_batch, outputs) == word(BatchField::Outputs));
static_assert(offsetof(plx_batch, context) == word(BatchField::Context));
static_assert(offsetof(plx_batch, sequence) == word(BatchField::Sequence));
static_assert(offsetof(plx_batch, position) == word(BatchField::Position));
static_assert(offsetof(plx_batch, index) == word(BatchField::Index));
static_assert(offsetof(plx_batch, slot) == word(BatchField::Slot));
static_assert(offsetof(plx_batch, token_begin) == word(BatchField::TokenBegin));
static_assert(offsetof(plx_batch, past) == word(BatchField::Past));
static_assert(offsetof(plx_batch, output_row) == word(BatchField::OutputRow));
static_assert(offsetof(plx_batch, tree) == word(BatchField::Tree));
static_assert(offsetof(plx_batch, tree_words) == word(BatchField::TreeWords));
static_assert(offsetof(plx_batch, pending_index) == word(BatchField::PendingIndex));
static_assert(offsetof(plx_batch, pending_begin) == word(BatchField::PendingBegin));
static_assert(offsetof(plx_batch, token_type) == word(BatchField::TokenType));
static_assert(offsetof(plx_batch, carry_from) == word(BatchField::CarryFrom));
static_assert(offsetof(plx_batch, carry_to) == word(BatchField::CarryTo));
static_assert(sizeof(plx_batch) == word(BatchField::CarryTo) + 8);
static_assert(offsetof(plx_host, self) == word(HostField::Self));
static_assert(offsetof(plx_host, parallel_for) == word(HostField::ParallelFor));
static_assert(offsetof(plx_host, matmul) == word(HostField::Matmul));
static_assert(offsetof(plx_host, mark) == word(HostField::Mark));
static_assert(offsetof(plx_host, matrix_unit) == word(HostField::MatrixUnit));
static_assert(offsetof(plx_kv, pages) == word(KvField::Pages));
static_assert(offsetof(plx_kv, layer_offset) == word(KvField::LayerOffset));
static_assert(offsetof(plx_matmul, weight) == word(MatmulField::Weight));
static_assert(offsetof(plx_matmul, layout) == word(MatmulField::Layout));
static_assert(offsetof(plx_matmul, compute) == word(MatmulField::Layout) + 4);
static_assert(offsetof(plx_matmul, out) == word(MatmulField::Out) - 8);
static_assert(offsetof(plx_matmul, scratch) == word(MatmulField::Scratch) - 8);

LLVM::LLVMStructType structOf(MLIRContext *context, StringRef fields) {
  Type pointer = LLVM::LLVMPointerType::get(context);
  Type i64 = IntegerType::get(context, 64), i32 = IntegerType::get(context, 32);
  SmallVector<Type> types;
  for (char field : fields)
    types.push_back(field == 'p' ? pointer : field == 'l' ? i64 : i32);
  return LLVM::LLVMStructType::getLiteral(context, types);
}

} // namespace

// One letter a field: p pointer, l int64, i int32.
LLVM::LLVMStructType callType(MLIRContext *context) { return structOf(context, "pppppppp"); }
LLVM::LLVMStructType batchType(MLIRContext *context) {
  return structOf(context, "llllppppppppl"
                           "ppppp");
}
LLVM::LLVMStructType hostType(MLIRContext *context) { return structOf(context, "ppppl"); }
LLVM::LLVMStructType kvType(MLIRContext *context) { return structOf(context, "pl"); }
LLVM::LLVMStructType matmulType(MLIRContext *context) { return structOf(context, "lllplpiiplp"); }

Value fieldAddress(OpBuilder &builder, Location loc, LLVM::LLVMStructType type, Value base,
                   int32_t index) {
  return LLVM::GEPOp::create(builder, loc, LLVM::LLVMPointerType::get(builder.getContext()), type,
                             base, ArrayRef<LLVM::GEPArg>{0, index});
}

Value loadField(OpBuilder &builder, Location loc, LLVM::LLVMStructType type, Value base,
                int32_t index) {
  Value address = fieldAddress(builder, loc, type, base, index);
  auto load = LLVM::LoadOp::create(builder, loc, type.getBody()[index], address);
  // Nothing that a segment writes overlaps the structs of its call.
  load.setInvariant(true);
  return load;
}

Value loadCall(OpBuilder &b, Location loc, Value base, CallField field) {
  return loadField(b, loc, callType(b.getContext()), base, static_cast<int32_t>(field));
}
Value loadBatch(OpBuilder &b, Location loc, Value base, BatchField field) {
  return loadField(b, loc, batchType(b.getContext()), base, static_cast<int32_t>(field));
}
Value loadHost(OpBuilder &b, Location loc, Value base, HostField field) {
  return loadField(b, loc, hostType(b.getContext()), base, static_cast<int32_t>(field));
}
Value loadKv(OpBuilder &b, Location loc, Value base, KvField field) {
  return loadField(b, loc, kvType(b.getContext()), base, static_cast<int32_t>(field));
}

Value loadPointerAt(OpBuilder &builder, Location loc, Value array, int64_t index) {
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
  Value address = LLVM::GEPOp::create(builder, loc, pointer, pointer, array,
                                      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
  auto load = LLVM::LoadOp::create(builder, loc, pointer, address);
  load.setInvariant(true);
  return load;
}

LLVM::LLVMStructType descriptorType(MemRefType type) {
  MLIRContext *context = type.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = IntegerType::get(context, 64);
  SmallVector<Type> fields{pointer, pointer, i64};
  if (type.getRank() > 0)
    fields.append(2, LLVM::LLVMArrayType::get(i64, type.getRank()));
  return LLVM::LLVMStructType::getLiteral(context, fields);
}

Value memrefFromPointer(OpBuilder &builder, Location loc, MemRefType type, Value pointer,
                        ValueRange sizes) {
  LLVM::LLVMStructType structType = descriptorType(type);
  Type i64 = builder.getI64Type();
  auto constant = [&](int64_t value) -> Value {
    return LLVM::ConstantOp::create(builder, loc, i64, builder.getI64IntegerAttr(value));
  };
  Value descriptor = LLVM::PoisonOp::create(builder, loc, structType);
  auto insert = [&](Value value, ArrayRef<int64_t> position) {
    descriptor = LLVM::InsertValueOp::create(builder, loc, descriptor, value, position);
  };
  insert(pointer, {0});
  insert(pointer, {1});
  insert(constant(0), {2});
  SmallVector<Value> extents;
  for (int64_t extent : type.getShape()) {
    if (!ShapedType::isDynamic(extent)) {
      extents.push_back(constant(extent));
      continue;
    }
    extents.push_back(arith::IndexCastOp::create(builder, loc, i64, sizes.front()));
    sizes = sizes.drop_front();
  }
  Value stride = constant(1);
  for (int64_t dim = type.getRank() - 1; dim >= 0; --dim) {
    insert(extents[dim], {3, dim});
    insert(stride, {4, dim});
    if (dim > 0)
      stride = LLVM::MulOp::create(builder, loc, i64, stride, extents[dim]);
  }
  return UnrealizedConversionCastOp::create(builder, loc, type, descriptor).getResult(0);
}

Value pointerFromMemref(OpBuilder &builder, Location loc, Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  MLIRContext *context = builder.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context);
  Value descriptor =
      UnrealizedConversionCastOp::create(builder, loc, descriptorType(type), memref).getResult(0);
  Value aligned = LLVM::ExtractValueOp::create(builder, loc, descriptor, ArrayRef<int64_t>{1});
  if (type.getLayout().isIdentity())
    return aligned;
  Value offset = LLVM::ExtractValueOp::create(builder, loc, descriptor, ArrayRef<int64_t>{2});
  return LLVM::GEPOp::create(builder, loc, pointer, type.getElementType(), aligned,
                             ArrayRef<LLVM::GEPArg>{offset});
}

} // namespace plexus::compiler::call
