// Covariances of windows, and their logarithms: checks and meaning.
#include "dialects/brain/BrainOps.h"
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Number.h"
#include "dialects/ssm/Recurrence.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::brain;
using ssm::Number;

using Values = FailureOr<SmallVector<Value>>;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

//===--- Covariance ---------------------------------------------------------------------------===//

LogicalResult CovarianceOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto type = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  if (!type || type.getRank() != 2)
    return failure();
  types.push_back(RankedTensorType::get(
      {ShapedType::kDynamic, type.getDimSize(1), type.getDimSize(1)}, type.getElementType()));
  return success();
}

plx::SizeSymbol CovarianceOp::getResultRows(unsigned) { return plx::SizeSymbol::Sequences; }

LogicalResult CovarianceOp::verify() {
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyMinRank(*this, "input", getInput(), 2)))
    return failure();
  double shrinkage = getShrinkage().convertToDouble();
  if (!(shrinkage >= 0 && shrinkage <= 1))
    return emitOpError("'shrinkage' must be from 0 to 1, found ") << shrinkage;
  return success();
}

/// 1 / samples of each sequence, [S] of f64.
static Value inverseCounts(ImplicitLocOpBuilder &b, Value batch) {
  Value begins = batchField(b, BatchField::TokenBegin, batch);
  SmallVector<OpFoldResult> sizes{sizesOf(b, batchField(b, BatchField::Past, batch))[0]};
  return mapElements(b, sizes, b.getF64Type(), {}, {}, [&](ImplicitLocOpBuilder &b, ValueRange) {
    Value s = loopIndex(b, 0);
    Value next = arith::AddIOp::create(b, s, indexConstant(b, 1));
    Value count = arith::SubIOp::create(b, tensor::ExtractOp::create(b, begins, next),
                                        tensor::ExtractOp::create(b, begins, s));
    Number n(b, arith::SIToFPOp::create(b, b.getF64Type(), count));
    return (n.constant(1) / n).v;
  });
}

/// Sums over the tokens of sequence s (loop 0) of what `term` makes of loops and token; others
/// count for nothing. `axes` more sizes after S.
static Value sumOverTokens(ImplicitLocOpBuilder &b, CovarianceOp op, Value counts, int64_t axes,
                           llvm::function_ref<Number(ImplicitLocOpBuilder &, Value token)> term) {
  int64_t channels = typeOf(op.getInput()).getDimSize(1);
  SmallVector<OpFoldResult> sizes{sizesOf(b, counts)[0]};
  sizes.append(axes, b.getIndexAttr(channels));
  Value sequences = batchField(b, BatchField::Sequence, op.getBatch());
  return reduceElements(b, sizes, b.getF64Type(), 0.0, 1, sequences,
                        dimsMap(b, axes + 2, {axes + 1}),
                        [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                          Value token = loopIndex(b, axes + 1);
                          Value own = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                            toIndex(b, v[0]), loopIndex(b, 0));
                          Number more = Number(b, v[1]) + term(b, token);
                          return arith::SelectOp::create(b, own, more.v, v[1]);
                        });
}

Values CovarianceOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t channels = typeOf(getInput()).getDimSize(1);
  double w = getShrinkage().convertToDouble();
  Value inverse = inverseCounts(b, getBatch()), input = getInput();
  auto sampleAt = [&](ImplicitLocOpBuilder &b, Value token, int64_t loop) {
    Value x = tensor::ExtractOp::create(b, input, ValueRange{token, loopIndex(b, loop)});
    return Number(b, convertFloat(b, x, b.getF64Type()));
  };
  auto scaled = [&](ImplicitLocOpBuilder &b, Value sum) {
    Value factor = tensor::ExtractOp::create(b, inverse, loopIndex(b, 0));
    return Number(b, sum) * Number(b, factor);
  };
  Value mean;
  if (getCenter()) {
    Value sum = sumOverTokens(b, *this, inverse, 1, [&](ImplicitLocOpBuilder &b, Value token) {
      return sampleAt(b, token, 1);
    });
    mean = mapElements(b, sizesOf(b, sum), b.getF64Type(), sum, rangeMap(b, 2, 0, 2),
                       [&](ImplicitLocOpBuilder &b, ValueRange v) { return scaled(b, v[0]).v; });
  }
  Value sums = sumOverTokens(b, *this, inverse, 2, [&](ImplicitLocOpBuilder &b, Value token) {
    auto centered = [&](int64_t loop) {
      Number x = sampleAt(b, token, loop);
      if (!mean)
        return x;
      Value m = tensor::ExtractOp::create(b, mean, ValueRange{loopIndex(b, 0), loopIndex(b, loop)});
      return x - Number(b, m);
    };
    return centered(1) * centered(2);
  });
  AffineMap diagonal = dimsMap(b, 2, {0, 1, 1});
  SmallVector<OpFoldResult> rows{sizesOf(b, inverse)[0]};
  Value trace = reduceElements(
      b, rows, b.getF64Type(), 0.0, 1, sums, diagonal,
      [](ImplicitLocOpBuilder &b, ValueRange v) { return (Number(b, v[0]) + Number(b, v[1])).v; });
  SmallVector<OpFoldResult> sizes = sizesOf(b, sums);
  return SmallVector<Value>{mapElements(
      b, sizes, typeOf(getResult()).getElementType(), {sums, trace},
      {rangeMap(b, 3, 0, 3), dimsMap(b, 3, {0})}, [&](ImplicitLocOpBuilder &b, ValueRange v) {
        Number s(b, v[0]), t(b, v[1]);
        Value same =
            arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loopIndex(b, 1), loopIndex(b, 2));
        Number shrunk = s * s.constant(1 - w);
        Number moved = shrunk + t * t.constant(w / double(channels));
        return scaled(b, arith::SelectOp::create(b, same, moved.v, shrunk.v)).v;
      })};
}

//===--- Logarithm ----------------------------------------------------------------------------===//

LogicalResult MatrixLogOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult MatrixLogOp::verify() {
  RankedTensorType type = typeOf(getInput());
  if (type.isDynamicDim(1) || type.getDimSize(1) != type.getDimSize(2))
    return emitOpError("'input' must be square matrices, found ") << type;
  if (!(getFloor().convertToDouble() > 0) || !getFloor().isFinite())
    return emitOpError("'floor' must be finite and positive, found ")
           << getFloor().convertToDouble();
  return success();
}

namespace {

/// Jacobi's method on one matrix [n, n] of f64.
struct Jacobi {
  int64_t n;

  /// Row or column `i` of a matrix as [n].
  Value line(ImplicitLocOpBuilder &b, Value matrix, Value i, bool row) const {
    SmallVector<OpFoldResult> at, size, unit(2, b.getIndexAttr(1));
    place(b, i, row, at, size);
    return tensor::ExtractSliceOp::create(b, RankedTensorType::get({n}, b.getF64Type()), matrix, at,
                                          size, unit);
  }
  Value replace(ImplicitLocOpBuilder &b, Value matrix, Value with, Value i, bool row) const {
    SmallVector<OpFoldResult> at, size, unit(2, b.getIndexAttr(1));
    place(b, i, row, at, size);
    return tensor::InsertSliceOp::create(b, with, matrix, at, size, unit);
  }
  void place(ImplicitLocOpBuilder &b, Value i, bool row, SmallVectorImpl<OpFoldResult> &at,
             SmallVectorImpl<OpFoldResult> &size) const {
    OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1), all = b.getIndexAttr(n);
    at.assign({row ? OpFoldResult(i) : zero, row ? zero : OpFoldResult(i)});
    size.assign({row ? one : all, row ? all : one});
  }

  /// Lines p and q become c p - s q and s p + c q.
  Value turn(ImplicitLocOpBuilder &b, Value matrix, Value p, Value q, Number c, Number s,
             bool rows) const {
    Value lines[] = {line(b, matrix, p, rows), line(b, matrix, q, rows)}, made[2];
    AffineMap each = dimsMap(b, 1, {0});
    for (int which : {0, 1})
      made[which] = mapElements(b, sizesOf(b, lines[0]), b.getF64Type(), ValueRange(lines),
                                {each, each}, [&](ImplicitLocOpBuilder &b, ValueRange v) {
                                  Number x(b, v[0]), y(b, v[1]), cos(b, c.v), sin(b, s.v);
                                  return (which ? sin * x + cos * y : cos * x - sin * y).v;
                                });
    matrix = replace(b, matrix, made[0], p, rows);
    return replace(b, matrix, made[1], q, rows);
  }

  /// Makes element (p, q) zero: the matrix and the vectors after the rotation.
  SmallVector<Value> rotate(ImplicitLocOpBuilder &b, Value p, Value q, ValueRange values) const {
    Value matrix = values[0];
    auto at = [&](Value i, Value j) {
      return Number(b, tensor::ExtractOp::create(b, matrix, ValueRange{i, j}));
    };
    Number off = at(p, q), difference = at(q, q) - at(p, p);
    // t = tan of the angle, the smaller root of t^2 + 2 theta t - 1: 2 off / (d +- sqrt(d^2 + 4
    // off^2)).
    Number twice = off + off, root = (difference * difference + twice * twice).sqrt();
    Value negative =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, difference.v, off.constant(0).v);
    Number signedRoot =
        off.of(arith::SelectOp::create(b, negative, (off.constant(0) - root).v, root.v));
    Value done = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, off.v, off.constant(0).v);
    Number t = off.of(
        arith::SelectOp::create(b, done, off.constant(0).v, (twice / (difference + signedRoot)).v));
    Number c = off.constant(1) / (t * t + off.constant(1)).sqrt(), s = t * c;
    matrix = turn(b, turn(b, matrix, p, q, c, s, true), p, q, c, s, false);
    return {matrix, turn(b, values[1], p, q, c, s, false)};
  }

  static SmallVector<Value> loop(ImplicitLocOpBuilder &b, Value begin, Value end, ValueRange values,
                                 ssm::RecurrenceStep step) {
    auto made = scf::ForOp::create(b, begin, end, indexConstant(b, 1), values,
                                   [&](OpBuilder &inner, Location loc, Value i, ValueRange last) {
                                     ImplicitLocOpBuilder nested(loc, inner);
                                     scf::YieldOp::create(nested, step(nested, i, last));
                                   });
    return llvm::to_vector_of<Value>(made.getResults());
  }

  /// The diagonalised matrix and its vectors, in columns.
  SmallVector<Value> run(ImplicitLocOpBuilder &b, Value matrix) const {
    constexpr int64_t kSweeps = 12; // errors square in each
    SmallVector<OpFoldResult> sizes(2, b.getIndexAttr(n));
    Value identity = mapElements(
        b, sizes, b.getF64Type(), {}, {}, [](ImplicitLocOpBuilder &b, ValueRange) -> Value {
          Value same =
              arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loopIndex(b, 0), loopIndex(b, 1));
          return arith::UIToFPOp::create(b, b.getF64Type(), same);
        });
    Value zero = indexConstant(b, 0), size = indexConstant(b, n);
    return loop(b, zero, indexConstant(b, kSweeps), {matrix, identity},
                [&](ImplicitLocOpBuilder &b, Value, ValueRange last) {
                  return loop(b, zero, size, last,
                              [&](ImplicitLocOpBuilder &b, Value p, ValueRange last) {
                                Value next = arith::AddIOp::create(b, p, indexConstant(b, 1));
                                return loop(b, next, size, last,
                                            [&](ImplicitLocOpBuilder &b, Value q, ValueRange last) {
                                              return rotate(b, p, q, last);
                                            });
                              });
                });
  }
};

} // namespace

Values MatrixLogOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  RankedTensorType type = typeOf(getInput());
  Jacobi jacobi{type.getDimSize(1)};
  double floor = getFloor().convertToDouble();
  Value rows = ssm::rowCount(b, getInput());
  Value empty = tensor::EmptyOp::create(b, type.getShape(), type.getElementType(), rows);
  AffineMap all = rangeMap(b, 2, 0, 2);
  return Jacobi::loop(
      b, indexConstant(b, 0), rows, empty,
      [&](ImplicitLocOpBuilder &b, Value row, ValueRange last) -> SmallVector<Value> {
        Value given = ssm::rowAt(b, getInput(), row);
        SmallVector<OpFoldResult> sizes = sizesOf(b, given);
        Value wide = mapElements(b, sizes, b.getF64Type(), given, all,
                                 [](ImplicitLocOpBuilder &b, ValueRange v) {
                                   return convertFloat(b, v[0], b.getF64Type());
                                 });
        SmallVector<Value> found = jacobi.run(b, wide);
        Value logs = mapElements(b, {sizes[0]}, b.getF64Type(), found[0], dimsMap(b, 1, {0, 0}),
                                 [&](ImplicitLocOpBuilder &b, ValueRange v) {
                                   Number l(b, v[0]);
                                   return max(l, l.constant(floor)).apply<math::LogOp>().v;
                                 });
        Value sum = reduceElements(
            b, sizes, b.getF64Type(), 0.0, 1, {found[1], found[1], logs},
            {dimsMap(b, 3, {0, 2}), dimsMap(b, 3, {1, 2}), dimsMap(b, 3, {2})},
            [](ImplicitLocOpBuilder &b, ValueRange v) {
              return (Number(b, v[3]) + Number(b, v[0]) * Number(b, v[1]) * Number(b, v[2])).v;
            });
        Value narrowed = mapElements(b, sizes, type.getElementType(), sum, all,
                                     [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
        SmallVector<OpFoldResult> at{row, b.getIndexAttr(0), b.getIndexAttr(0)},
            unit(3, b.getIndexAttr(1)), whole{b.getIndexAttr(1), sizes[0], sizes[1]};
        return {tensor::InsertSliceOp::create(b, narrowed, last[0], at, whole, unit)};
      });
}
