// Mixtures of experts: checks and decompositions.
#include "dialects/plx/Activations.h"
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Verify.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;

using Values = FailureOr<SmallVector<Value>>;

static int64_t columnsOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getShape().back();
}

//===--- Route --------------------------------------------------------------------------------===//

LogicalResult RouteOp::verify() {
  if (failed(verifyMinRank(*this, "logits", getLogits(), 1)))
    return failure();
  auto kept = static_cast<int64_t>(getTopK());
  if (kept < 1 || kept > columnsOf(getLogits()))
    return emitOpError("'top_k' must be from 1 to the number of experts, ")
           << columnsOf(getLogits()) << ", found " << kept;
  return success();
}

/// How many experts come before each one of its row: those with a larger score, and of equal ones
/// the earlier.
static Value buildRanks(ImplicitLocOpBuilder &b, Value scores) {
  int64_t rank = rankOf(scores);
  SmallVector<int64_t> others = llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
  others.push_back(rank);
  return reduceElements(
      b, sizesOf(b, scores), b.getF32Type(), 0.0, 1, {scores, scores},
      {rangeMap(b, rank + 1, 0, rank), dimsMap(b, rank + 1, others)},
      [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value larger = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, v[1], v[0]);
        Value equal = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, v[1], v[0]);
        Value earlier = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, loopIndex(b, rank),
                                              loopIndex(b, rank - 1));
        Value before = arith::OrIOp::create(b, larger, arith::AndIOp::create(b, equal, earlier));
        Value one = floatConstant(b, v[2].getType(), 1.0);
        return arith::SelectOp::create(b, before, arith::AddFOp::create(b, v[2], one), v[2]);
      });
}

Values RouteOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = rankOf(getLogits());
  AffineMap all = rangeMap(b, rank, 0, rank), row = rangeMap(b, rank, 0, rank - 1);
  SmallVector<OpFoldResult> sizes = sizesOf(b, getLogits());
  Value scores = getScore() == RouteScore::Softmax
                     ? buildSoftmax(b, getLogits())
                     : mapElements(b, sizes, elementOf(getLogits()), getLogits(), all,
                                   [](ImplicitLocOpBuilder &b, ValueRange v) {
                                     return buildActivation(b, ActivationKind::Sigmoid, v[0]);
                                   });
  Value kept = mapElements(
      b, sizes, b.getF32Type(), {scores, buildRanks(b, scores)}, {all, all},
      [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value count = floatConstant(b, v[1].getType(), static_cast<double>(getTopK()));
        Value chosen = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, v[1], count);
        return arith::SelectOp::create(b, chosen, v[0], floatConstant(b, v[0].getType(), 0.0));
      });
  Value sum = reduceLastAxis(b, kept, 0.0, [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    return arith::AddFOp::create(b, v[1], v[0]);
  });
  auto finish = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value weight = getNormalize() ? arith::DivFOp::create(b, v[0], v[1]).getResult() : v[0];
    if (getScale().isExactlyValue(1.0))
      return weight;
    return arith::MulFOp::create(b, weight,
                                 floatConstant(b, weight.getType(), getScale().convertToDouble()));
  };
  return SmallVector<Value>{
      mapElements(b, sizes, elementOf(getLogits()), {kept, sum}, {all, row}, finish)};
}

//===--- Experts ------------------------------------------------------------------------------===//

SmallVector<unsigned> MoeOp::getProductWeights() { return {2, 3}; }

LogicalResult MoeOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto routes = cast<RankedTensorType>(getRoutes().getType());
  auto gateUp = cast<RankedTensorType>(getGateUp().getType());
  auto down = cast<RankedTensorType>(getDown().getType());
  if (input.getRank() != 2 || routes.getRank() != 2)
    return emitOpError("'input' and 'routes' must be rows, found ") << input << " and " << routes;
  int64_t columns = input.getDimSize(1), experts = getNumExperts();
  auto hidden = static_cast<int64_t>(getHidden()), kept = static_cast<int64_t>(getTopK());
  if (hidden < 1 || kept < 1 || kept > experts)
    return emitOpError("'hidden' must be positive and 'top_k' from 1 to ")
           << experts << ", found " << hidden << " and " << kept;
  if (failed(verifyEqual(*this, "gate_up", "rows", gateUp.getDimSize(0),
                         experts * paddedRows(2 * hidden))) ||
      failed(verifyEqual(*this, "gate_up", "columns", gateUp.getDimSize(1), columns)) ||
      failed(verifyEqual(*this, "down", "rows", down.getDimSize(0), experts * paddedRows(columns))))
    return failure();
  return verifyEqual(*this, "down", "columns", down.getDimSize(1), hidden);
}

/// Rows [begin, begin + size) of each expert's matrix: [E, size, K].
static Value expertRows(ImplicitLocOpBuilder &b, Value weight, int64_t experts, int64_t begin,
                        int64_t size) {
  Value dense = denseWeight(b, weight);
  auto type = cast<RankedTensorType>(dense.getType());
  int64_t rows = type.getDimSize(0) / experts, columns = type.getDimSize(1);
  Value each = buildReshape(b, dense,
                            RankedTensorType::get({experts, rows, columns}, type.getElementType()));
  SmallVector<OpFoldResult> offsets{b.getIndexAttr(0), b.getIndexAttr(begin), b.getIndexAttr(0)},
      sizes{b.getIndexAttr(experts), b.getIndexAttr(size), b.getIndexAttr(columns)},
      strides(3, b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(b, each, offsets, sizes, strides);
}

static Value multiplyAdd(ImplicitLocOpBuilder &b, Value x, Value w, Value sum) {
  return arith::AddFOp::create(b, sum, arith::MulFOp::create(b, x, w));
}

/// `z[t, e, f] = sum_d x[t, d] w[e, f, d]`.
static Value expandRows(ImplicitLocOpBuilder &b, Value x, Value weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  SmallVector<OpFoldResult> sizes{sizesOf(b, x)[0], b.getIndexAttr(type.getDimSize(0)),
                                  b.getIndexAttr(type.getDimSize(1))};
  return reduceElements(
      b, sizes, b.getF32Type(), 0.0, 1, {x, weight},
      {dimsMap(b, 4, {0, 3}), dimsMap(b, 4, {1, 2, 3})},
      [](ImplicitLocOpBuilder &b, ValueRange v) { return multiplyAdd(b, v[0], v[1], v[2]); });
}

Values MoeOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t experts = getNumExperts(), hidden = getHidden(), columns = columnsOf(getInput());
  Value gate = expandRows(b, getInput(), expertRows(b, getGateUp(), experts, 0, hidden));
  Value up = expandRows(b, getInput(), expertRows(b, getGateUp(), experts, hidden, hidden));
  // Loops: t, e, f.
  Value units = mapElements(b, sizesOf(b, gate), b.getF32Type(), {gate, up, getRoutes()},
                            {rangeMap(b, 3, 0, 3), rangeMap(b, 3, 0, 3), dimsMap(b, 3, {0, 1})},
                            [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                              Value unit = arith::MulFOp::create(
                                  b, buildActivation(b, getKind(), v[0]), v[1]);
                              return arith::MulFOp::create(b, unit, v[2]);
                            });
  // Loops: t, d, e, f.
  Value down = expertRows(b, getDown(), experts, 0, columns);
  Value sum = reduceElements(
      b, sizesOf(b, getInput()), b.getF32Type(), 0.0, 2, {units, down},
      {dimsMap(b, 4, {0, 2, 3}), dimsMap(b, 4, {2, 1, 3})},
      [](ImplicitLocOpBuilder &b, ValueRange v) { return multiplyAdd(b, v[0], v[1], v[2]); });
  if (elementOf(sum) == elementOf(getInput()))
    return SmallVector<Value>{sum};
  return SmallVector<Value>{mapElements(b, sizesOf(b, sum), elementOf(getInput()), sum,
                                        rangeMap(b, 2, 0, 2),
                                        [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; })};
}
