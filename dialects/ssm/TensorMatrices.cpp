// Matrices of f64 as tensors of static shape: the algebra of LinearGaussian.h for decompositions.
#include "dialects/ssm/TensorMatrices.h"
#include "dialects/ssm/LinearGaussian.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

static RankedTensorType typeOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()); }

static SmallVector<OpFoldResult> sizes(ImplicitLocOpBuilder &b, ArrayRef<int64_t> values) {
  return getAsIndexOpFoldResult(b.getContext(), values);
}

Value TensorMatrices::of(Value tensor) {
  RankedTensorType type = typeOf(tensor);
  if (type.getRank() == 1) {
    tensor = buildReshape(b, tensor,
                          RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType()));
    type = typeOf(tensor);
  }
  return mapElements(
      b, sizes(b, type.getShape()), b.getF64Type(), tensor, rangeMap(b, 2, 0, 2),
      [](ImplicitLocOpBuilder &b, ValueRange v) { return convertFloat(b, v[0], b.getF64Type()); });
}

Value TensorMatrices::ofPairs(Value tensor) {
  RankedTensorType type = typeOf(tensor);
  return mapElements(b, sizes(b, type.getShape().drop_front()), b.getF64Type(), {}, {},
                     [&](ImplicitLocOpBuilder &b, ValueRange) {
                       auto part = [&](int64_t which) {
                         Value at = tensor::ExtractOp::create(
                             b, tensor,
                             ValueRange{indexConstant(b, which), loopIndex(b, 0), loopIndex(b, 1)});
                         return Number(b, convertFloat(b, at, b.getF64Type()));
                       };
                       return (part(0) + part(1)).v;
                     });
}

Value TensorMatrices::numberOf(Value pair) {
  auto part = [&](int64_t which) {
    Value at = tensor::ExtractOp::create(b, pair,
                                         ValueRange{indexConstant(b, which), indexConstant(b, 0)});
    return Number(b, convertFloat(b, at, b.getF64Type()));
  };
  return (part(0) + part(1)).v;
}

Value TensorMatrices::single(Value number) {
  return mapElements(b, sizes(b, {1, 1}), b.getF64Type(), {}, {},
                     [&](ImplicitLocOpBuilder &, ValueRange) { return number; });
}

Value TensorMatrices::as(RankedTensorType type, Value matrix) {
  Value made =
      mapElements(b, sizes(b, typeOf(matrix).getShape()), type.getElementType(), matrix,
                  rangeMap(b, 2, 0, 2), [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
  return buildReshape(b, made, type);
}

Value TensorMatrices::contract(int64_t rows, int64_t columns, Value x, ArrayRef<int64_t> xDims,
                               Value y, ArrayRef<int64_t> yDims) {
  return reduceElements(b, sizes(b, {rows, columns}), b.getF64Type(), 0.0, 1, {x, y},
                        {dimsMap(b, 3, xDims), dimsMap(b, 3, yDims)},
                        [](ImplicitLocOpBuilder &b, ValueRange v) {
                          return (Number(b, v[2]) + Number(b, v[0]) * Number(b, v[1])).v;
                        });
}

Value TensorMatrices::product(Value x, Value y) {
  return contract(typeOf(x).getDimSize(0), typeOf(y).getDimSize(1), x, {0, 2}, y, {2, 1});
}
Value TensorMatrices::productTransposed(Value x, Value y) {
  return contract(typeOf(x).getDimSize(0), typeOf(y).getDimSize(0), x, {0, 2}, y, {1, 2});
}
Value TensorMatrices::gram(Value x) {
  return contract(typeOf(x).getDimSize(1), typeOf(x).getDimSize(1), x, {2, 0}, x, {2, 1});
}

Value TensorMatrices::transposed(Value x) {
  RankedTensorType type = typeOf(x);
  return mapElements(b, sizes(b, {type.getDimSize(1), type.getDimSize(0)}), b.getF64Type(), x,
                     dimsMap(b, 2, {1, 0}),
                     [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
}

Value TensorMatrices::identity(Value like) {
  return mapElements(b, sizes(b, typeOf(like).getShape()), b.getF64Type(), {}, {},
                     [](ImplicitLocOpBuilder &b, ValueRange) -> Value {
                       Value same = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                          loopIndex(b, 0), loopIndex(b, 1));
                       return arith::SelectOp::create(b, same, floatConstant(b, b.getF64Type(), 1),
                                                      floatConstant(b, b.getF64Type(), 0));
                     });
}

Value TensorMatrices::map(ValueRange inputs, ScalarBody body) {
  SmallVector<AffineMap> maps(inputs.size(), rangeMap(b, 2, 0, 2));
  return mapElements(b, sizes(b, typeOf(inputs[0]).getShape()), b.getF64Type(), inputs, maps, body);
}

Value TensorMatrices::element(Value x, Value i, Value j) {
  return tensor::ExtractOp::create(b, x, ValueRange{i, j});
}

Value TensorMatrices::dot(Value x, Value y) {
  SmallVector<AffineMap> maps(2, dimsMap(b, 3, {1, 2}));
  Value sum = reduceElements(b, sizes(b, {1}), b.getF64Type(), 0.0, 2, {x, y}, maps,
                             [](ImplicitLocOpBuilder &b, ValueRange v) {
                               return (Number(b, v[2]) + Number(b, v[0]) * Number(b, v[1])).v;
                             });
  return tensor::ExtractOp::create(b, sum, ValueRange{indexConstant(b, 0)});
}

/// `body` from the number of a step and the matrices of the step before, for `count` steps.
static SmallVector<Value> iterate(ImplicitLocOpBuilder &b, int64_t count, ValueRange inits,
                                  function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, indexConstant(b, 0), indexConstant(b, count),
                                 indexConstant(b, 1), inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(b, body(loop.getInductionVar(), loop.getRegionIterArgs()));
  return llvm::to_vector_of<Value>(loop.getResults());
}

/// Outer products: step k takes row k of what is left as the factor's row.
Value TensorMatrices::factor(Value s) {
  SmallVector<OpFoldResult> shape = sizes(b, typeOf(s).getShape());
  auto zeros = [](ImplicitLocOpBuilder &b, ValueRange v) { return Number(b, v[0]).constant(0).v; };
  Value start = map(s, zeros);
  auto rest = map(s, [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
  AffineMap all = rangeMap(b, 2, 0, 2);
  auto step = [&](Value k, ValueRange last) -> SmallVector<Value> {
    Number pivot{b, element(last[1], k, k)}, limit{b, element(s, k, k)};
    Value vanishes = arith::CmpFOp::create(b, arith::CmpFPredicate::OLE, pivot.v,
                                           (limit * limit.constant(kVanishingPivot)).v);
    Value scale = arith::SelectOp::create(b, vanishes, limit.constant(0).v,
                                          (limit.constant(1) / pivot.sqrt()).v);
    auto rowEntry = [&](ImplicitLocOpBuilder &b, int64_t loop) {
      Value at = tensor::ExtractOp::create(b, last[1], ValueRange{k, loopIndex(b, loop)});
      return Number(b, at) * Number(b, scale);
    };
    Value factors = mapElements(
        b, shape, b.getF64Type(), last[0], all,
        [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
          Value row = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loopIndex(b, 0), k);
          Value right = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, loopIndex(b, 1), k);
          Value here = arith::AndIOp::create(b, row, right);
          return arith::SelectOp::create(b, here, rowEntry(b, 1).v, v[0]);
        });
    Value left = mapElements(b, shape, b.getF64Type(), last[1], all,
                             [&](ImplicitLocOpBuilder &b, ValueRange v) {
                               return (Number(b, v[0]) - rowEntry(b, 0) * rowEntry(b, 1)).v;
                             });
    return {factors, left};
  };
  return iterate(b, typeOf(s).getDimSize(0), {start, rest}, step)[0];
}

/// Row by row: from the first with u transposed, from the last without.
Value TensorMatrices::solveRows(Value u, Value rhs, bool transposed) {
  RankedTensorType type = typeOf(rhs);
  int64_t size = type.getDimSize(0), columns = type.getDimSize(1);
  SmallVector<OpFoldResult> shape = sizes(b, type.getShape());
  Value start =
      map(rhs, [](ImplicitLocOpBuilder &b, ValueRange v) { return Number(b, v[0]).constant(0).v; });
  auto step = [&](Value number, ValueRange last) -> SmallVector<Value> {
    Value row = number;
    if (!transposed)
      row = arith::SubIOp::create(b, indexConstant(b, size - 1), number);
    Number pivot{b, element(u, row, row)};
    Value vanishes =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, pivot.v, pivot.constant(0).v);
    Value scale =
        arith::SelectOp::create(b, vanishes, pivot.constant(0).v, (pivot.constant(1) / pivot).v);
    // Rows that are not solved yet are zeros.
    Value known = reduceElements(b, sizes(b, {columns}), b.getF64Type(), 0.0, 1, last[0],
                                 dimsMap(b, 2, {1, 0}), [&](ImplicitLocOpBuilder &b, ValueRange v) {
                                   Value k = loopIndex(b, 1);
                                   Value of = tensor::ExtractOp::create(
                                       b, u, transposed ? ValueRange{k, row} : ValueRange{row, k});
                                   return (Number(b, v[1]) + Number(b, of) * Number(b, v[0])).v;
                                 });
    return {mapElements(b, shape, b.getF64Type(), {last[0], rhs, known},
                        {rangeMap(b, 2, 0, 2), rangeMap(b, 2, 0, 2), dimsMap(b, 2, {1})},
                        [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                          Value here = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                             loopIndex(b, 0), row);
                          Number solved = (Number(b, v[1]) - Number(b, v[2])) * Number(b, scale);
                          return arith::SelectOp::create(b, here, solved.v, v[0]);
                        })};
  };
  return iterate(b, size, start, step)[0];
}

Value TensorMatrices::solveTransposed(Value u, Value rhs) { return solveRows(u, rhs, true); }
Value TensorMatrices::solve(Value u, Value rhs) { return solveRows(u, rhs, false); }

Value TensorMatrices::logDiagonal(Value u) {
  int64_t size = typeOf(u).getDimSize(0);
  Value logs = mapElements(b, sizes(b, {size}), b.getF64Type(), {}, {},
                           [&](ImplicitLocOpBuilder &b, ValueRange) -> Value {
                             Value i = loopIndex(b, 0);
                             Value at = tensor::ExtractOp::create(b, u, ValueRange{i, i});
                             return math::LogOp::create(b, at);
                           });
  Value sum = reduceElements(
      b, sizes(b, {1}), b.getF64Type(), 0.0, 1, logs, dimsMap(b, 2, {1}),
      [](ImplicitLocOpBuilder &b, ValueRange v) { return (Number(b, v[1]) + Number(b, v[0])).v; });
  return tensor::ExtractOp::create(b, sum, ValueRange{indexConstant(b, 0)});
}

//===--- Words --------------------------------------------------------------------------------===//

RankedTensorType TensorMatrices::wordsType(int64_t numbers) {
  return RankedTensorType::get({numbers, 2}, b.getF32Type());
}

/// The word `which` (index: 0 low, 1 high) of an f64.
static Value wordOf(ImplicitLocOpBuilder &b, Value number, Value which) {
  Value bits = arith::BitcastOp::create(b, b.getI64Type(), number);
  Value shift = arith::MulIOp::create(b, arith::IndexCastOp::create(b, b.getI64Type(), which),
                                      arith::ConstantOp::create(b, b.getI64IntegerAttr(32)));
  Value word = arith::TruncIOp::create(b, b.getI32Type(), arith::ShRUIOp::create(b, bits, shift));
  return arith::BitcastOp::create(b, b.getF32Type(), word);
}

Value TensorMatrices::toWords(int64_t numbers, ValueRange values) {
  Value all = tensor::EmptyOp::create(b, ArrayRef<int64_t>{numbers}, b.getF64Type());
  int64_t first = 0;
  for (Value value : values) {
    int64_t size = 1;
    Value flat = value;
    if (auto type = dyn_cast<RankedTensorType>(value.getType())) {
      size = type.getNumElements();
      flat = buildReshape(b, value, RankedTensorType::get({size}, b.getF64Type()));
    } else {
      flat = mapElements(b, sizes(b, {1}), b.getF64Type(), {}, {},
                         [&](ImplicitLocOpBuilder &, ValueRange) { return value; });
    }
    all = tensor::InsertSliceOp::create(b, flat, all, sizes(b, {first}), sizes(b, {size}),
                                        sizes(b, {1}));
    first += size;
  }
  return mapElements(
      b, sizes(b, {numbers, 2}), b.getF32Type(), all, dimsMap(b, 2, {0}),
      [](ImplicitLocOpBuilder &b, ValueRange v) { return wordOf(b, v[0], loopIndex(b, 1)); });
}

/// The f64 of number `number` (index).
static Value joined(ImplicitLocOpBuilder &b, Value words, Value number) {
  auto word = [&](int64_t which) -> Value {
    Value at = tensor::ExtractOp::create(b, words, ValueRange{number, indexConstant(b, which)});
    return arith::ExtUIOp::create(b, b.getI64Type(),
                                  arith::BitcastOp::create(b, b.getI32Type(), at));
  };
  Value shift = arith::ConstantOp::create(b, b.getI64IntegerAttr(32));
  Value bits = arith::OrIOp::create(b, arith::ShLIOp::create(b, word(1), shift), word(0));
  return arith::BitcastOp::create(b, b.getF64Type(), bits);
}

Value TensorMatrices::fromWords(Value words, int64_t first, int64_t rows, int64_t columns) {
  return mapElements(
      b, sizes(b, {rows, columns}), b.getF64Type(), {}, {},
      [&](ImplicitLocOpBuilder &b, ValueRange) {
        Value row = arith::MulIOp::create(b, loopIndex(b, 0), indexConstant(b, columns));
        Value at = arith::AddIOp::create(b, row, loopIndex(b, 1));
        return joined(b, words, arith::AddIOp::create(b, at, indexConstant(b, first)));
      });
}

Value TensorMatrices::numberFromWords(Value words, int64_t number) {
  return joined(b, words, indexConstant(b, number));
}
