//===- LowerBatch.cpp - ops that read the batch -----------------------------------------------===//
// Handlers of the accessor of a batch's arrays, and of pooling.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/lower/cpu/CallLayout.h"
#include "passes/lower/cpu/SegmentArgs.h"
#include "passes/lower/cpu/SegmentLowering.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// Token types may be absent: then they are zeros.
LogicalResult lowerTokenTypes(SegmentLowering &segment, plx::BatchFieldOp op) {
  Location loc = op.getLoc();
  OpBuilder &b = segment.builder();
  Value array = call::loadBatch(b, loc, segment.batch(), call::BatchField::TokenType);
  Value null = LLVM::ZeroOp::create(b, loc, array.getType());
  Value absent = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::eq, array, null);
  Value tokens = segment.size(plx::SizeSymbol::Tokens);
  Value given = call::memrefFromPointer(
      b, loc, MemRefType::get({ShapedType::kDynamic}, b.getI32Type()), array, tokens);
  Value out = segment.allocate(op.getResult());
  Value zero = segment.indexConstant(loc, 0), one = segment.indexConstant(loc, 1);
  auto loop = scf::ForOp::create(b, loc, zero, tokens, one);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  auto branch = scf::IfOp::create(
      b, loc, absent,
      [](OpBuilder &inner, Location place) {
        Value none = arith::ConstantIntOp::create(inner, place, 0, 32);
        scf::YieldOp::create(inner, place, none);
      },
      [&](OpBuilder &inner, Location place) {
        Value type = memref::LoadOp::create(inner, place, given, loop.getInductionVar());
        scf::YieldOp::create(inner, place, type);
      });
  memref::StoreOp::create(b, loc, branch.getResult(0), out, loop.getInductionVar());
  return success();
}

LogicalResult lowerBatchField(SegmentLowering &segment, plx::BatchFieldOp op) {
  if (op.getField() == plx::BatchField::TokenType)
    return lowerTokenTypes(segment, op);
  segment.bind(op.getResult(), segment.batchArray(op.getField()));
  return success();
}

//===--- Pooling ------------------------------------------------------------------------------===//

/// Sequence `sequence`'s token range, [begin, end).
std::pair<Value, Value> tokenRange(SegmentLowering &segment, Location loc, Value sequence) {
  OpBuilder &b = segment.builder();
  Value begins = segment.batchArray(plx::BatchField::TokenBegin);
  auto at = [&](Value index) -> Value {
    Value token = memref::LoadOp::create(b, loc, begins, index);
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), token);
  };
  Value next = arith::AddIOp::create(b, loc, sequence, segment.indexConstant(loc, 1));
  return {at(sequence), at(next)};
}

/// Sum or maximum of column `column` over tokens [begin, end).
Value reduceColumn(SegmentLowering &segment, Location loc, Value x, Value begin, Value end,
                   Value column, plx::PoolMode mode) {
  OpBuilder &b = segment.builder();
  float initial = mode == plx::PoolMode::Max ? -std::numeric_limits<float>::infinity() : 0.0f;
  Value start = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(initial));
  Value one = segment.indexConstant(loc, 1);
  auto loop = scf::ForOp::create(b, loc, begin, end, one, start);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value value = memref::LoadOp::create(b, loc, x, ValueRange{loop.getInductionVar(), column});
  Value carried = loop.getRegionIterArg(0);
  Value next = mode == plx::PoolMode::Max
                   ? arith::MaximumFOp::create(b, loc, carried, value).getResult()
                   : arith::AddFOp::create(b, loc, carried, value).getResult();
  scf::YieldOp::create(b, loc, next);
  return loop.getResult(0);
}

/// The pooled value of one column; `nonEmpty` and `count` belong to the sequence.
Value poolColumn(SegmentLowering &segment, Location loc, Value x, Value begin, Value end,
                 Value column, plx::PoolMode mode) {
  OpBuilder &b = segment.builder();
  if (mode == plx::PoolMode::Cls || mode == plx::PoolMode::Last) {
    Value row = mode == plx::PoolMode::Cls
                    ? begin
                    : arith::SubIOp::create(b, loc, end, segment.indexConstant(loc, 1)).getResult();
    return memref::LoadOp::create(b, loc, x, ValueRange{row, column});
  }
  Value reduced = reduceColumn(segment, loc, x, begin, end, column, mode);
  if (mode == plx::PoolMode::Max)
    return reduced;
  Value count = arith::SubIOp::create(b, loc, end, begin);
  Value integer = arith::IndexCastOp::create(b, loc, b.getI64Type(), count);
  Value divisor = arith::SIToFPOp::create(b, loc, b.getF32Type(), integer);
  return arith::DivFOp::create(b, loc, reduced, divisor);
}

LogicalResult lowerPool(SegmentLowering &segment, plx::PoolOp op) {
  Location loc = op.getLoc();
  OpBuilder &b = segment.builder();
  Value x = segment.asMatrix(loc, segment.buffer(op.getInput()));
  Value out = segment.asMatrix(loc, segment.allocate(op.getResult()));
  int64_t columns = cast<MemRefType>(x.getType()).getDimSize(1);
  Value zero = segment.indexConstant(loc, 0), one = segment.indexConstant(loc, 1);
  Value width = segment.indexConstant(loc, columns);
  Value begins = segment.batchArray(plx::BatchField::TokenBegin);
  (void)begins; // an argument: made before the loop
  auto parallel =
      scf::ParallelOp::create(b, loc, zero, segment.size(plx::SizeSymbol::Sequences), one);
  parallel->setAttr(kWorkAttr, b.getI64IntegerAttr(64 * columns));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(parallel.getBody());
  Value sequence = parallel.getInductionVars().front();
  auto [begin, end] = tokenRange(segment, loc, sequence);
  Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, begin, end);
  auto loop = scf::ForOp::create(b, loc, zero, width, one);
  b.setInsertionPointToStart(loop.getBody());
  Value column = loop.getInductionVar();
  auto branch = scf::IfOp::create(b, loc, b.getF32Type(), some, true);
  {
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b, loc, poolColumn(segment, loc, x, begin, end, column, op.getMode()));
    b.setInsertionPointToStart(branch.elseBlock());
    Value none = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0.0f));
    scf::YieldOp::create(b, loc, none);
  }
  memref::StoreOp::create(b, loc, branch.getResult(0), out, ValueRange{sequence, column});
  segment.report(op, "generated", "one loop over each sequence's tokens");
  return success();
}

} // namespace

void addBatchHandlers(HandlerTable &table) {
  addHandler<plx::BatchFieldOp, lowerBatchField>(table);
  addHandler<plx::PoolOp, lowerPool>(table);
}

} // namespace plexus::compiler
