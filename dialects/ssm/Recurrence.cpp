// Builds the loop over the tokens of a batch that the decomposition of a recurrence is.
#include "dialects/ssm/Recurrence.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::ssm;

/// The place of row `token` in a tensor of `type`.
static void rowSlice(ImplicitLocOpBuilder &b, RankedTensorType type, Value token,
                     SmallVectorImpl<OpFoldResult> &offsets, SmallVectorImpl<OpFoldResult> &sizes,
                     SmallVectorImpl<OpFoldResult> &strides) {
  offsets.assign(type.getRank(), b.getIndexAttr(0));
  strides.assign(type.getRank(), b.getIndexAttr(1));
  offsets[0] = token;
  sizes.push_back(b.getIndexAttr(1));
  for (int64_t size : type.getShape().drop_front())
    sizes.push_back(b.getIndexAttr(size));
}

Value ssm::rowAt(ImplicitLocOpBuilder &b, Value rows, Value token) {
  auto type = cast<RankedTensorType>(rows.getType());
  SmallVector<OpFoldResult> offsets, sizes, strides;
  rowSlice(b, type, token, offsets, sizes, strides);
  auto row = RankedTensorType::get(type.getShape().drop_front(), type.getElementType());
  return tensor::ExtractSliceOp::create(b, row, rows, offsets, sizes, strides);
}

Value ssm::rowCount(ImplicitLocOpBuilder &b, Value rows) {
  return getValueOrCreateConstantIndexOp(b, b.getLoc(), plx::sizesOf(b, rows)[0]);
}

/// The loop's initial values: for what is carried, then for the results.
static SmallVector<Value> initialValues(ImplicitLocOpBuilder &b, Value tokens,
                                        const Recurrence &recurrence) {
  SmallVector<Value> values;
  for (RankedTensorType type : recurrence.carried)
    values.push_back(tensor::EmptyOp::create(b, type.getShape(), type.getElementType()));
  for (RankedTensorType type : recurrence.results)
    values.push_back(
        tensor::EmptyOp::create(b, type.getShape(), type.getElementType(), ValueRange{tokens}));
  return values;
}

SmallVector<Value> ssm::buildRecurrence(ImplicitLocOpBuilder &builder, Value tokens,
                                        const Recurrence &recurrence, RecurrenceStep step) {
  size_t count = recurrence.carried.size();
  Value zero = plx::indexConstant(builder, 0), one = plx::indexConstant(builder, 1);
  auto body = [&](OpBuilder &inner, Location loc, Value number, ValueRange values) {
    ImplicitLocOpBuilder b(loc, inner);
    Value token = number;
    if (recurrence.reverse)
      token = arith::SubIOp::create(b, arith::SubIOp::create(b, tokens, number), one);
    SmallVector<Value> start;
    for (auto [last, state] : llvm::zip(values.take_front(count), recurrence.states))
      start.push_back(plx::CarryReadOp::create(b, last.getType(), last, recurrence.batch, token,
                                               state, recurrence.reverse));
    SmallVector<Value> made = step(b, token, start);
    for (auto [next, state] : llvm::zip(ArrayRef(made).take_front(count), recurrence.states))
      if (state)
        plx::CarryWriteOp::create(b, next, recurrence.batch, token, state, recurrence.reverse);
    for (size_t i = count; i < made.size(); ++i) {
      SmallVector<OpFoldResult> offsets, sizes, strides;
      rowSlice(b, recurrence.results[i - count], token, offsets, sizes, strides);
      made[i] = tensor::InsertSliceOp::create(b, made[i], values[i], offsets, sizes, strides);
    }
    scf::YieldOp::create(b, made);
  };
  auto loop = scf::ForOp::create(builder, zero, tokens, one,
                                 initialValues(builder, tokens, recurrence), body);
  return llvm::to_vector_of<Value>(loop.getResults().drop_front(count));
}
