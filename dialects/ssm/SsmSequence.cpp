// Ops over whole sequences: checks and meaning.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Number.h"
#include "dialects/ssm/SsmOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

using Values = FailureOr<SmallVector<Value>>;

//===--- Standardize --------------------------------------------------------------------------===//

LogicalResult StandardizeOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.assign(3, adaptor.getInput().getType());
  return success();
}

plx::SizeSymbol StandardizeOp::getResultRows(unsigned result) {
  return result == 0 ? plx::SizeSymbol::Tokens : plx::SizeSymbol::Sequences;
}

LogicalResult StandardizeOp::verify() {
  if (getEps().isNegative() || !getEps().isFinite())
    return emitOpError("'eps' must be finite and not negative, found ")
           << getEps().convertToDouble();
  return verifyRows(*this, "input", getInput());
}

/// `body` of each row's entries and those of its sequence in `perSequence` [S, C].
static Value withSequence(ImplicitLocOpBuilder &b, Value rows, Value batch, Value perSequence,
                          ScalarBody body) {
  Value sequence = batchField(b, BatchField::Sequence, batch);
  return mapElements(b, sizesOf(b, rows), elementOf(rows), {rows, sequence},
                     {rangeMap(b, 2, 0, 2), dimsMap(b, 2, {0})},
                     [&](ImplicitLocOpBuilder &b, ValueRange v) {
                       Value of = tensor::ExtractOp::create(
                           b, perSequence, ValueRange{toIndex(b, v[1]), loopIndex(b, 1)});
                       return body(b, {v[0], convertFloat(b, of, v[0].getType())});
                     });
}

Values StandardizeOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Type type = getInput().getType();
  auto mode = PoolModeAttr::get(b.getContext(), PoolMode::Mean);
  auto pool = [&](Value rows) -> Value {
    return PoolOp::create(b, type, mode, rows, getBatch()).getResult();
  };
  Value mean = pool(getInput());
  Value centered =
      withSequence(b, getInput(), getBatch(), mean, [](ImplicitLocOpBuilder &b, ValueRange v) {
        return (Number(b, v[0]) - Number(b, v[1])).v;
      });
  AffineMap all = rangeMap(b, 2, 0, 2);
  Value squares = mapElements(
      b, sizesOf(b, centered), elementOf(centered), centered, all,
      [](ImplicitLocOpBuilder &b, ValueRange v) { return (Number(b, v[0]) * Number(b, v[0])).v; });
  Value variance = pool(squares);
  Value deviation = mapElements(b, sizesOf(b, variance), elementOf(variance), variance, all,
                                [&](ImplicitLocOpBuilder &b, ValueRange v) {
                                  Number root = Number(b, v[0]).sqrt();
                                  return (root + root.constant(getEps().convertToDouble())).v;
                                });
  Value y =
      withSequence(b, centered, getBatch(), deviation, [](ImplicitLocOpBuilder &b, ValueRange v) {
        return (Number(b, v[0]) / Number(b, v[1])).v;
      });
  return SmallVector<Value>{y, mean, deviation};
}

//===--- Legendre -----------------------------------------------------------------------------===//

LogicalResult LegendreOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                           SmallVectorImpl<Type> &types) {
  auto type = dyn_cast<RankedTensorType>(adaptor.getCoefficients().getType());
  if (!type || type.getRank() != 3)
    return failure();
  types.push_back(RankedTensorType::get(
      {type.getDimSize(0), static_cast<int64_t>(adaptor.getHorizon()), type.getDimSize(1)},
      type.getElementType()));
  return success();
}

LogicalResult LegendreOp::verify() {
  auto type = cast<RankedTensorType>(getCoefficients().getType());
  if (getHorizon() < 1 || getBase() < 1)
    return emitOpError("'horizon' and 'base' must be positive");
  auto channels = [&](StringRef name, Value value) {
    return verifyEqual(*this, name, "columns",
                       cast<RankedTensorType>(value.getType()).getDimSize(1), type.getDimSize(1));
  };
  if (failed(channels("mean", getMean())) || failed(channels("deviation", getDeviation())))
    return failure();
  return verifyEqual<int64_t>(*this, "step_scale", "size",
                              cast<RankedTensorType>(getStepScale().getType()).getDimSize(0), 1);
}

/// P_n(x) for n = 0 .. count - 1, by (n + 1) P_{n+1} = (2 n + 1) x P_n - n P_{n-1}.
static SmallVector<Number> polynomials(Number x, int64_t count) {
  SmallVector<Number> p{x.constant(1), x};
  for (int64_t n = 1; n + 1 < count; ++n) {
    Number next = x.constant(2 * n + 1) * x * p[n] - x.constant(n) * p[n - 1];
    p.push_back(next * x.constant(1.0 / (n + 1)));
  }
  p.erase(p.begin() + count, p.end());
  return p;
}

Values LegendreOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  auto type = cast<RankedTensorType>(getCoefficients().getType());
  SmallVector<OpFoldResult> sizes{sizesOf(b, getMean())[0], b.getIndexAttr(getHorizon()),
                                  b.getIndexAttr(type.getDimSize(1))};
  // Loops: s, j, c.
  AffineMap channel = dimsMap(b, 3, {0, 2});
  auto body = [&](ImplicitLocOpBuilder &b, ValueRange v) {
    Value scale = tensor::ExtractOp::create(b, getStepScale(), ValueRange{indexConstant(b, 0)});
    Value step = arith::IndexCastOp::create(b, b.getI64Type(), loopIndex(b, 1));
    Number j(b, arith::SIToFPOp::create(b, b.getF32Type(), step));
    Number factor(b, convertFloat(b, scale, b.getF32Type()));
    Number t = (j + j.constant(1)) * factor * j.constant(2.0 / double(getBase())) - j.constant(1);
    Number sum = j.constant(0);
    for (auto [n, value] : llvm::enumerate(polynomials(t, type.getDimSize(2)))) {
      Value of = tensor::ExtractOp::create(
          b, getCoefficients(),
          ValueRange{loopIndex(b, 0), loopIndex(b, 2), indexConstant(b, static_cast<int64_t>(n))});
      sum = sum + Number(b, convertFloat(b, of, b.getF32Type())) * value;
    }
    return (sum * Number(b, v[1]) + Number(b, v[0])).v;
  };
  return SmallVector<Value>{mapElements(b, sizes, type.getElementType(),
                                        {getMean(), getDeviation()}, {channel, channel}, body)};
}
