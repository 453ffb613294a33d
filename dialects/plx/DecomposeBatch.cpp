// Decompositions of the ops that read the batch.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;
using namespace mlir::plx;

using Values = FailureOr<SmallVector<Value>>;

/// `tensor[row, i1, i2, ...]` with the loops' own indices on all axes but the first.
static Value extractRow(ImplicitLocOpBuilder &b, Value tensor, Value row) {
  SmallVector<Value> indices = {row};
  for (int64_t axis = 1; axis < rankOf(tensor); ++axis)
    indices.push_back(loopIndex(b, axis));
  return tensor::ExtractOp::create(b, tensor, indices);
}

Values SelectRowsOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value rows = batchField(b, BatchField::OutputRow, getBatch());
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  sizes[0] = sizesOf(b, rows)[0];
  return SmallVector<Value>{mapElements(b, sizes, getType().getElementType(), rows,
                                        dimsMap(b, getType().getRank(), {0}),
                                        [&](ImplicitLocOpBuilder &b, ValueRange v) {
                                          return extractRow(b, getInput(), toIndex(b, v[0]));
                                        })};
}

//===--- Pool ---------------------------------------------------------------------------------===//

/// The begin and the end of the tokens of the sequence that loop 0 stands for.
static std::pair<Value, Value> tokenRange(ImplicitLocOpBuilder &b, Value tokenBegin) {
  Value sequence = loopIndex(b, 0);
  Value next = arith::AddIOp::create(b, sequence, indexConstant(b, 1));
  Value begin = tensor::ExtractOp::create(b, tokenBegin, ValueRange{sequence});
  Value end = tensor::ExtractOp::create(b, tokenBegin, ValueRange{next});
  return {toIndex(b, begin), toIndex(b, end)};
}

/// `value` where the sequence has tokens, otherwise zero.
static Value zeroIfEmpty(ImplicitLocOpBuilder &b, Value begin, Value end, Value value) {
  Value some = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, begin, end);
  return arith::SelectOp::create(b, some, value, floatConstant(b, value.getType(), 0.0));
}

/// Row of the first or the last token of each sequence.
static Value poolRow(ImplicitLocOpBuilder &b, PoolOp op, ArrayRef<OpFoldResult> sizes) {
  Value tokenBegin = batchField(b, BatchField::TokenBegin, op.getBatch());
  return mapElements(b, sizes, op.getType().getElementType(), {}, {},
                     [&](ImplicitLocOpBuilder &b, ValueRange) {
                       auto [begin, end] = tokenRange(b, tokenBegin);
                       Value one = indexConstant(b, 1), row = begin;
                       if (op.getMode() == PoolMode::Last)
                         row = arith::SubIOp::create(b, end, one);
                       // Any row will do where there is none: the value is not taken.
                       Value tokens = tensor::DimOp::create(b, op.getInput(), 0);
                       row = arith::MaxSIOp::create(b, row, indexConstant(b, 0));
                       row = arith::MinSIOp::create(b, row, arith::SubIOp::create(b, tokens, one));
                       return zeroIfEmpty(b, begin, end, extractRow(b, op.getInput(), row));
                     });
}

/// Sum or maximum over the tokens of each sequence, then the mean's division.
static Value poolReduce(ImplicitLocOpBuilder &b, PoolOp op, ArrayRef<OpFoldResult> sizes) {
  bool isMean = op.getMode() == PoolMode::Mean;
  double init = isMean ? 0.0 : -std::numeric_limits<double>::infinity();
  Value sequence = batchField(b, BatchField::Sequence, op.getBatch());
  int64_t rank = op.getType().getRank();
  // Loops: s, the columns, t.
  SmallVector<int64_t> inputDims = {rank};
  llvm::append_range(inputDims, llvm::seq<int64_t>(1, rank));
  auto fold = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value mine =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, toIndex(b, v[1]), loopIndex(b, 0));
    Value folded = isMean ? arith::AddFOp::create(b, v[2], v[0]).getResult()
                          : arith::MaximumFOp::create(b, v[2], v[0]).getResult();
    return arith::SelectOp::create(b, mine, folded, v[2]);
  };
  Value total = reduceElements(
      b, sizes, computeType(op.getType().getElementType()), init, 1, {op.getInput(), sequence},
      {dimsMap(b, rank + 1, inputDims), dimsMap(b, rank + 1, {rank})}, fold);
  Value tokenBegin = batchField(b, BatchField::TokenBegin, op.getBatch());
  auto finish = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    auto [begin, end] = tokenRange(b, tokenBegin);
    if (!isMean)
      return zeroIfEmpty(b, begin, end, v[0]);
    Value count =
        arith::IndexCastOp::create(b, b.getI64Type(), arith::SubIOp::create(b, end, begin));
    Value divisor = arith::SIToFPOp::create(b, v[0].getType(), count);
    return zeroIfEmpty(b, begin, end, arith::DivFOp::create(b, v[0], divisor));
  };
  return mapElements(b, sizes, op.getType().getElementType(), total, rangeMap(b, rank, 0, rank),
                     finish);
}

Values PoolOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  sizes[0] = sizesOf(b, batchField(b, BatchField::Past, getBatch()))[0];
  bool isRow = getMode() == PoolMode::Cls || getMode() == PoolMode::Last;
  return SmallVector<Value>{isRow ? poolRow(b, *this, sizes) : poolReduce(b, *this, sizes)};
}

//===--- Indices ------------------------------------------------------------------------------===//

Values PositionsOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value positions = batchField(b, BatchField::Position, getBatch());
  if (getOffset() == 0)
    return SmallVector<Value>{positions};
  return SmallVector<Value>{
      mapElements(b, sizesOf(b, positions), b.getI32Type(), positions, rangeMap(b, 1, 0, 1),
                  [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                    Value offset = arith::ConstantOp::create(b, b.getI32IntegerAttr(getOffset()));
                    return arith::AddIOp::create(b, v[0], offset);
                  })};
}

Values TokenTypesOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  return SmallVector<Value>{batchField(b, BatchField::TokenType, getBatch())};
}
