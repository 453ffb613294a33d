// Short spellings for the operations that emitters build all the time.
#include "passes/lower/cpu/emit/Code.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include <numeric>

using namespace mlir;

namespace plexus::emit {

Value Code::index(int64_t value) const { return make<arith::ConstantIndexOp>(value); }
// Offsets and sizes are far below 2^63: saying so lets LLVM split products of sums into constants.
static constexpr auto kNoWrap = arith::IntegerOverflowFlags::nsw;
Value Code::add(Value a, Value b) const { return make<arith::AddIOp>(a, b, kNoWrap); }
Value Code::sub(Value a, Value b) const { return make<arith::SubIOp>(a, b, kNoWrap); }
Value Code::mul(Value a, Value b) const { return make<arith::MulIOp>(a, b, kNoWrap); }
Value Code::div(Value a, int64_t b) const {
  return b == 1 ? a : make<arith::DivUIOp>(a, index(b)).getResult();
}
Value Code::rem(Value a, int64_t b) const { return make<arith::RemUIOp>(a, index(b)); }
Value Code::min(Value a, Value b) const { return make<arith::MinSIOp>(a, b); }
Value Code::max(Value a, Value b) const { return make<arith::MaxSIOp>(a, b); }
Value Code::less(Value a, Value b) const {
  return make<arith::CmpIOp>(arith::CmpIPredicate::slt, a, b);
}
Value Code::select(Value condition, Value yes, Value no) const {
  return make<arith::SelectOp>(condition, yes, no);
}
Value Code::toI64(Value value) const {
  return make<arith::IndexCastOp>(builder.getI64Type(), value);
}
Value Code::toI32(Value value) const {
  return make<arith::IndexCastOp>(builder.getI32Type(), value);
}
Value Code::toIndex(Value integer) const {
  return make<arith::IndexCastOp>(builder.getIndexType(), integer);
}

Value Code::constant(Type type, double value) const {
  Type element = getElementTypeOrSelf(type);
  TypedAttr scalar;
  if (auto floating = dyn_cast<FloatType>(element))
    scalar = builder.getFloatAttr(floating, value);
  else
    scalar = builder.getIntegerAttr(element, static_cast<int64_t>(value));
  if (auto vector = dyn_cast<VectorType>(type))
    return make<arith::ConstantOp>(DenseElementsAttr::get(vector, Attribute(scalar)));
  return make<arith::ConstantOp>(scalar);
}

Value Code::splat(int64_t lanes, Value scalar) const {
  return make<vector::BroadcastOp>(vectorType(lanes, scalar.getType()), scalar);
}

Value Code::fma(Value a, Value b, Value c) const { return make<math::FmaOp>(a, b, c); }

Value Code::loadVector(VectorType type, Value memref, ValueRange indices) const {
  return make<vector::LoadOp>(type, memref, indices);
}
void Code::storeVector(Value vector, Value memref, ValueRange indices) const {
  make<vector::StoreOp>(vector, memref, indices);
}
Value Code::loadScalar(Value memref, ValueRange indices) const {
  return make<memref::LoadOp>(memref, indices);
}

void Code::loop(Value begin, Value end, int64_t step, Body body) const {
  auto op = make<scf::ForOp>(begin, end, index(step));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

Code::Values Code::loop(Value begin, Value end, int64_t step, ValueRange inits,
                        LoopBody body) const {
  auto op = make<scf::ForOp>(begin, end, index(step), inits);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  Values next = body(op.getInductionVar(), op.getRegionIterArgs());
  make<scf::YieldOp>(next);
  return Values(op.getResults());
}

void Code::parallel(Value end, Body body) const {
  auto op = make<scf::ParallelOp>(ValueRange{index(0)}, ValueRange{end}, ValueRange{index(1)});
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  body(op.getInductionVars()[0]);
}

void Code::ifThen(Value condition, llvm::function_ref<void()> then) const {
  auto op = make<scf::IfOp>(condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.thenBlock());
  then();
}

void Code::ifElse(Value condition, llvm::function_ref<void()> then,
                  llvm::function_ref<void()> otherwise) const {
  auto op = make<scf::IfOp>(condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.thenBlock());
  then();
  builder.setInsertionPointToStart(op.elseBlock());
  otherwise();
}

Code::Values Code::ifElse(Value condition, TypeRange types, llvm::function_ref<Values()> then,
                          llvm::function_ref<Values()> otherwise) const {
  auto op = make<scf::IfOp>(types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.thenBlock());
  make<scf::YieldOp>(then());
  builder.setInsertionPointToStart(op.elseBlock());
  make<scf::YieldOp>(otherwise());
  return Values(op.getResults());
}

void Code::pieces(int64_t size, int64_t lanes,
                  llvm::function_ref<void(Value, VectorType)> body) const {
  int64_t full = size / lanes * lanes;
  if (full > 0)
    loop(0, full, lanes, [&](Value i) { body(i, floats(lanes)); });
  if (full < size)
    body(index(full), floats(size - full));
}

void Code::rowTiles(Value rows, int64_t tileRows, TileBody body) const {
  assert(tileRows <= 8);
  Value rest = rem(rows, tileRows), row = sub(rows, rest);
  loop(index(0), row, tileRows, [&](Value first) { body(tileRows, first); });
  for (int64_t size : {4, 2, 1}) {
    if (size >= tileRows)
      continue;
    Value bit = make<arith::AndIOp>(rest, index(size));
    ifThen(less(index(0), bit), [&] { body(size, row); });
    row = add(row, bit);
  }
}

void Code::wholeRowTiles(Value rows, int64_t tileRows, int64_t multiple, TileBody body) const {
  Value rest = rem(rows, tileRows), full = sub(rows, rest);
  loop(index(0), full, tileRows, [&](Value row) { body(tileRows, row); });
  llvm::SmallVector<int64_t> cases;
  int64_t step = std::gcd(multiple, tileRows);
  for (int64_t size = step; size < tileRows; size += step)
    cases.push_back(size);
  if (cases.empty())
    return;
  auto op = make<scf::IndexSwitchOp>(TypeRange{}, rest, cases, cases.size());
  OpBuilder::InsertionGuard guard(builder);
  for (auto [region, size] : llvm::zip_equal(op.getCaseRegions(), cases)) {
    builder.createBlock(&region);
    body(size, full);
    make<scf::YieldOp>();
  }
  builder.createBlock(&op.getDefaultRegion());
  make<scf::YieldOp>();
}

Value Code::stackBuffer(int64_t size, Type type) const {
  return make<memref::AllocaOp>(MemRefType::get({size}, type), builder.getI64IntegerAttr(64));
}

void Code::stackScope(llvm::function_ref<void()> body) const {
  Value top = make<LLVM::StackSaveOp>(LLVM::LLVMPointerType::get(builder.getContext()));
  body();
  make<LLVM::StackRestoreOp>(top);
}

Value Code::view(Value bytes, Value byteOffset, int64_t size, Type type) const {
  return make<memref::ViewOp>(MemRefType::get({size}, type), bytes, byteOffset, ValueRange{});
}

} // namespace plexus::emit
