// Decompositions of kan: the formulas as they read on paper, with whole basis matrices.
#include "dialects/kan/KanFunctions.h"
#include "dialects/kan/KanOps.h"
#include "dialects/plx/Activations.h"
#include "dialects/plx/LinalgBuild.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::kan;
using namespace mlir::plx;

using Values = FailureOr<SmallVector<Value>>;
using Code = ImplicitLocOpBuilder;

//===--- Shared -------------------------------------------------------------------------------===//

static Value add(Code &b, Value x, Value y) { return arith::AddFOp::create(b, x, y); }
static Value sub(Code &b, Value x, Value y) { return arith::SubFOp::create(b, x, y); }
static Value mul(Code &b, Value x, Value y) { return arith::MulFOp::create(b, x, y); }
static Value number(Code &b, double value) { return floatConstant(b, b.getF32Type(), value); }

/// `tensor[indices]` in f32.
static Value entry(Code &b, Value tensor, ValueRange indices) {
  return convertFloat(b, tensor::ExtractOp::create(b, tensor, indices), b.getF32Type());
}

static Value next(Code &b, Value index, int64_t step) {
  return step ? arith::AddIOp::create(b, index, indexConstant(b, step)).getResult() : index;
}

/// f32 [.., in, count], each of `body` over the input's entry.
static Value mapFunctions(Code &b, Value input, int64_t count, ScalarBody body) {
  int64_t rank = rankOf(input);
  SmallVector<OpFoldResult> sizes = sizesOf(b, input);
  sizes.push_back(b.getIndexAttr(count));
  return mapElements(b, sizes, b.getF32Type(), input, rangeMap(b, rank + 1, 0, rank), body);
}

/// `z[.., o] = sum_ij functions[.., i, j] coef[i, j, o]`, f32.
static Value contract(Code &b, Value functions, Value coef) {
  int64_t rows = rankOf(functions) - 2;
  SmallVector<OpFoldResult> sizes = sizesOf(b, functions);
  sizes.pop_back();
  sizes.back() = sizesOf(b, coef)[2];
  // Loops: the rows' axes, o, i, j.
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, rows));
  dims.append({rows + 1, rows + 2});
  return reduceElements(
      b, sizes, b.getF32Type(), 0.0, 2, {functions, coef},
      {dimsMap(b, rows + 3, dims), dimsMap(b, rows + 3, {rows + 1, rows + 2, rows})},
      [](Code &b, ValueRange v) { return add(b, v[2], mul(b, v[0], v[1])); });
}

/// `z[.., o] = sum_i body(x[.., i], weights[i, o]..., z)`, f32.
static Value sumEdges(Code &b, Value input, ArrayRef<Value> weights, ScalarBody body) {
  int64_t rank = rankOf(input);
  SmallVector<OpFoldResult> sizes = sizesOf(b, input);
  sizes.back() = sizesOf(b, weights[0])[1];
  // Loops: the rows' axes, o, i.
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
  dims.push_back(rank);
  SmallVector<Value> inputs = {input};
  SmallVector<AffineMap> maps = {dimsMap(b, rank + 1, dims)};
  for (Value weight : weights) {
    inputs.push_back(weight);
    maps.push_back(dimsMap(b, rank + 1, {rank, rank - 1}));
  }
  return reduceElements(b, sizes, b.getF32Type(), 0.0, 1, inputs, maps, body);
}

/// The sum of `terms`, all of one shape, and of the vector `bias` (may be null), as `type`.
static Values finish(Code &b, ArrayRef<Value> terms, Value bias, RankedTensorType type) {
  int64_t rank = rankOf(terms[0]);
  SmallVector<Value> inputs(terms);
  SmallVector<AffineMap> maps(terms.size(), rangeMap(b, rank, 0, rank));
  if (bias) {
    inputs.push_back(bias);
    maps.push_back(dimsMap(b, rank, {rank - 1}));
  }
  return SmallVector<Value>{mapElements(b, sizesOf(b, terms[0]), type.getElementType(), inputs,
                                        maps, [](Code &b, ValueRange v) {
                                          Value sum = v[0];
                                          for (Value term : v.drop_front())
                                            sum = add(b, sum, term);
                                          return sum;
                                        })};
}

//===--- Splines ------------------------------------------------------------------------------===//

/// (a / (to - from)) value, or 0 where to = from.
static Value weighted(Code &b, Value a, Value from, Value to, Value value) {
  Value width = sub(b, to, from), zero = number(b, 0);
  Value empty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, width, zero);
  Value term = mul(b, arith::DivFOp::create(b, a, width), value);
  return arith::SelectOp::create(b, empty, zero, term);
}

/// B_j of degree `order` of each input: [.., in, n].
static Value splines(Code &b, BSplineOp op) {
  Value input = op.getInput(), grid = op.getGrid();
  int64_t rank = rankOf(input), order = op.getOrder();
  int64_t knots = cast<RankedTensorType>(grid.getType()).getDimSize(0);
  auto knot = [&](Code &b, int64_t step) {
    return entry(b, grid, {next(b, loopIndex(b, rank), step), loopIndex(b, rank - 1)});
  };
  Value basis = mapFunctions(b, input, knots - 1, [&](Code &b, ValueRange v) -> Value {
    Value from = arith::CmpFOp::create(b, arith::CmpFPredicate::OLE, knot(b, 0), v[0]);
    Value to = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, v[0], knot(b, 1));
    return arith::SelectOp::create(b, arith::AndIOp::create(b, from, to), number(b, 1),
                                   number(b, 0));
  });
  for (int64_t degree = 1; degree <= order; ++degree) {
    Value lower = basis;
    basis = mapFunctions(b, input, knots - 1 - degree, [&](Code &b, ValueRange v) -> Value {
      SmallVector<Value> at;
      for (int64_t axis = 0; axis <= rank; ++axis)
        at.push_back(loopIndex(b, axis));
      Value left = entry(b, lower, at);
      at.back() = next(b, at.back(), 1);
      Value right = entry(b, lower, at);
      Value begin = knot(b, 0), end = knot(b, degree + 1);
      return add(b, weighted(b, sub(b, v[0], begin), begin, knot(b, degree), left),
                 weighted(b, sub(b, end, v[0]), knot(b, 1), end, right));
    });
  }
  return basis;
}

Values BSplineOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  SmallVector<Value> terms = {contract(b, splines(b, *this), getCoef())};
  if (getBase())
    terms.push_back(sumEdges(b, getInput(), getBase(), [&](Code &b, ValueRange v) {
      return add(b, v[2], mul(b, buildActivation(b, getBaseFunction(), v[0]), v[1]));
    }));
  return finish(b, terms, getBias(), getType());
}

//===--- Other bases --------------------------------------------------------------------------===//

Values RbfOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  int64_t count = cast<RankedTensorType>(getCoef().getType()).getDimSize(1);
  Value functions = mapFunctions(b, getInput(), count, [&](Code &b, ValueRange v) -> Value {
    Value distance = sub(b, v[0], entry(b, getCenters(), loopIndex(b, rank)));
    Value z = arith::DivFOp::create(b, distance, number(b, getWidth().convertToDouble()));
    return math::ExpOp::create(b, arith::NegFOp::create(b, mul(b, z, z)));
  });
  return finish(b, contract(b, functions, getCoef()), getBias(), getType());
}

Values ChebyshevOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  int64_t count = cast<RankedTensorType>(getCoef().getType()).getDimSize(1);
  // All of them are computed for each; which one it is decides the index.
  Value functions = mapFunctions(b, getInput(), count, [&](Code &b, ValueRange v) -> Value {
    Value u = math::TanhOp::create(b, v[0]), twice = mul(b, number(b, 2), u);
    Value before = number(b, 1), last = u, result = before;
    for (int64_t j = 1; j < count; ++j) {
      Value here = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loopIndex(b, rank),
                                         indexConstant(b, j));
      result = arith::SelectOp::create(b, here, last, result);
      Value following = sub(b, mul(b, twice, last), before);
      before = last;
      last = following;
    }
    return result;
  });
  return finish(b, contract(b, functions, getCoef()), getBias(), getType());
}

Values FourierOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  int64_t count = cast<RankedTensorType>(getCoef().getType()).getDimSize(1);
  Value functions = mapFunctions(b, getInput(), count, [&](Code &b, ValueRange v) -> Value {
    Value half = indexConstant(b, count / 2), j = loopIndex(b, rank);
    Value cosine = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, j, half);
    Value k = next(b, arith::RemUIOp::create(b, j, half), 1);
    Value factor = arith::UIToFPOp::create(b, b.getF32Type(),
                                           arith::IndexCastOp::create(b, b.getI32Type(), k));
    Value angle = mul(b, factor, v[0]);
    return arith::SelectOp::create(b, cosine, math::CosOp::create(b, angle),
                                   math::SinOp::create(b, angle));
  });
  return finish(b, contract(b, functions, getCoef()), getBias(), getType());
}

//===--- Edges with shapes of their own -------------------------------------------------------===//

Values WaveletOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  SmallVector<Value> weights = {getTranslation(), getScale(), getWeight()};
  if (getBase())
    weights.push_back(getBase());
  Value sums = sumEdges(b, getInput(), weights, [&](Code &b, ValueRange v) {
    Value z = arith::DivFOp::create(b, sub(b, v[0], v[1]), v[2]);
    Value term = mul(b, v[3], buildWavelet(b, getKind(), z));
    if (getBase())
      term = add(b, term, mul(b, v[4], v[0]));
    return add(b, v.back(), term);
  });
  return finish(b, sums, getBias(), getType());
}

Values SymbolicOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  sizes.back() = b.getIndexAttr(getSize());
  // One pass for each edge, which adds to its own column.
  SmallVector<Value> columns(getSize());
  for (size_t edge = 0; edge < getInputs().size(); ++edge) {
    SmallVector<OpFoldResult> rows(ArrayRef(sizes).drop_back());
    rows.push_back(b.getIndexAttr(1));
    Value previous = columns[getOutputs()[edge]];
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    if (previous) {
      inputs.push_back(previous);
      maps.push_back(rangeMap(b, rank, 0, rank));
    }
    StringRef function = cast<StringAttr>(getFunctions()[edge]).getValue();
    columns[getOutputs()[edge]] =
        mapElements(b, rows, b.getF32Type(), inputs, maps, [&](Code &b, ValueRange v) -> Value {
          SmallVector<Value> at;
          for (int64_t axis = 0; axis + 1 < rank; ++axis)
            at.push_back(loopIndex(b, axis));
          at.push_back(indexConstant(b, getInputs()[edge]));
          auto a = [&](int64_t i) {
            return entry(b, getAffine(), {indexConstant(b, edge), indexConstant(b, i)});
          };
          Value x = entry(b, getInput(), at);
          Value inner = add(b, mul(b, a(0), x), a(1));
          Value y = add(b, mul(b, a(2), buildNodeFunction(b, function, inner)), a(3));
          return v.empty() ? y : add(b, v[0], y);
        });
  }
  Value whole = mapElements(b, sizes, getType().getElementType(), {}, {},
                            [](Code &b, ValueRange) { return number(b, 0); });
  for (auto [column, value] : llvm::enumerate(columns)) {
    if (!value)
      continue;
    SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0)), strides(rank, b.getIndexAttr(1)),
        part = sizesOf(b, value);
    offsets.back() = b.getIndexAttr(column);
    if (getType().getElementType() != b.getF32Type())
      value = mapElements(b, part, getType().getElementType(), value, rangeMap(b, rank, 0, rank),
                          [](Code &, ValueRange v) { return v[0]; });
    whole = tensor::InsertSliceOp::create(b, value, whole, offsets, part, strides);
  }
  return SmallVector<Value>{whole};
}

//===--- Nodes --------------------------------------------------------------------------------===//

Values RationalOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  auto shape = [](Value v) { return cast<RankedTensorType>(v.getType()).getShape(); };
  ArrayRef<int64_t> numerator = shape(getNumerator()), denominator = shape(getDenominator());
  // [.., groups, channels of one], so that the coefficients are the same along the last axis.
  SmallVector<int64_t> split(shape(getInput()).drop_back());
  split.append({denominator[0], shape(getInput()).back() / denominator[0]});
  Value input = buildReshape(b, getInput(), RankedTensorType::get(split, elementOf(getInput())));
  int64_t rank = rankOf(input);
  Value result = mapElements(
      b, sizesOf(b, input), getType().getElementType(), input, rangeMap(b, rank, 0, rank),
      [&](Code &b, ValueRange v) -> Value {
        Value group = loopIndex(b, rank - 2);
        Value own = numerator[0] == 1 ? indexConstant(b, 0) : group;
        auto horner = [&](Value table, Value row, int64_t count) {
          Value sum = entry(b, table, {row, indexConstant(b, count - 1)});
          for (int64_t m = count - 2; m >= 0; --m)
            sum = add(b, mul(b, sum, v[0]), entry(b, table, {row, indexConstant(b, m)}));
          return sum;
        };
        Value above = horner(getNumerator(), own, numerator[1]), below = number(b, 0);
        if (denominator[1] > 0)
          below = mul(b, horner(getDenominator(), group, denominator[1]), v[0]);
        return arith::DivFOp::create(b, above,
                                     add(b, number(b, 1), math::AbsFOp::create(b, below)));
      });
  return SmallVector<Value>{buildReshape(b, result, getType())};
}

Values SelectOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  return SmallVector<Value>{mapElements(
      b, sizesOf(b, getInput()), getType().getElementType(), getInput(), rangeMap(b, rank, 0, rank),
      [&](Code &b, ValueRange v) -> Value {
        // Each function once, for the channels that have it.
        llvm::MapVector<Attribute, SmallVector<int64_t>> channels;
        for (auto [channel, function] : llvm::enumerate(getFunctions()))
          channels[function].push_back(channel);
        Value result = v[0];
        for (auto &[function, list] : channels) {
          Value y = buildNodeFunction(b, cast<StringAttr>(function).getValue(), v[0]);
          Value mine;
          for (int64_t channel : list) {
            Value here = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loopIndex(b, rank - 1),
                                               indexConstant(b, channel));
            mine = mine ? arith::OrIOp::create(b, mine, here).getResult() : here;
          }
          result = arith::SelectOp::create(b, mine, y, result);
        }
        return result;
      })};
}

Values MultiplyOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  int64_t rank = rankOf(getInput()), sums = getSums(), arity = getArity();
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  sizes.back() = b.getIndexAttr(getType().getShape().back());
  return SmallVector<Value>{
      mapElements(b, sizes, getType().getElementType(), {}, {}, [&](Code &b, ValueRange) -> Value {
        SmallVector<Value> at;
        for (int64_t axis = 0; axis < rank; ++axis)
          at.push_back(loopIndex(b, axis));
        Value column = at.back(), limit = indexConstant(b, sums);
        Value passes = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, column, limit);
        // sums + (column - sums) arity; a channel that passes stands for its factors.
        Value first =
            arith::AddIOp::create(b, limit,
                                  arith::MulIOp::create(b, arith::SubIOp::create(b, column, limit),
                                                        indexConstant(b, arity)));
        Value product;
        for (int64_t factor = 0; factor < arity; ++factor) {
          at.back() = arith::SelectOp::create(b, passes, column, next(b, first, factor));
          Value x = entry(b, getInput(), at);
          product = !product ? x : arith::SelectOp::create(b, passes, product, mul(b, product, x));
        }
        return product;
      })};
}

Values PickOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  SmallVector<int32_t> columns(getColumns().begin(), getColumns().end());
  auto type = RankedTensorType::get({static_cast<int64_t>(columns.size())}, b.getI32Type());
  Value table =
      arith::ConstantOp::create(b, DenseElementsAttr::get(type, ArrayRef<int32_t>(columns)));
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  sizes.back() = b.getIndexAttr(columns.size());
  return SmallVector<Value>{mapElements(b, sizes, getType().getElementType(), table,
                                        dimsMap(b, rank, {rank - 1}),
                                        [&](Code &b, ValueRange v) -> Value {
                                          SmallVector<Value> at;
                                          for (int64_t axis = 0; axis + 1 < rank; ++axis)
                                            at.push_back(loopIndex(b, axis));
                                          at.push_back(toIndex(b, v[0]));
                                          return entry(b, getInput(), at);
                                        })};
}

//===--- Images -------------------------------------------------------------------------------===//

Values PatchesOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  auto image = cast<RankedTensorType>(getInput().getType());
  bool last = getChannelsLast();
  ArrayRef<int64_t> kernel = getKernel();
  int64_t width = image.getDimSize(last ? 2 : 3);
  int64_t reach = getDilation()[1] * (kernel[1] - 1) + 1;
  int64_t across = (width + 2 * getPadding()[1] - reach) / getStride()[1] + 1;
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  sizes.resize(3);
  sizes[1] = b.getIndexAttr(getType().getDimSize(1));
  sizes[2] = b.getIndexAttr(getType().getDimSize(2));
  auto divided = [](Code &b, Value x, int64_t by) {
    Value divisor = indexConstant(b, by);
    return std::pair<Value, Value>(arith::DivUIOp::create(b, x, divisor),
                                   arith::RemUIOp::create(b, x, divisor));
  };
  return SmallVector<Value>{
      mapElements(b, sizes, getType().getElementType(), {}, {}, [&](Code &b, ValueRange) -> Value {
        auto [p, q] = divided(b, loopIndex(b, 1), across);
        auto [rest, v] = divided(b, loopIndex(b, 2), kernel[1]);
        auto [channel, u] = divided(b, rest, kernel[0]);
        SmallVector<Value> at;
        Value inside;
        for (auto [axis, position, offset] : {std::tuple<int64_t, Value, Value>(0, p, u),
                                              std::tuple<int64_t, Value, Value>(1, q, v)}) {
          Value scaled = arith::MulIOp::create(b, position, indexConstant(b, getStride()[axis]));
          Value moved = arith::MulIOp::create(b, offset, indexConstant(b, getDilation()[axis]));
          // Unsigned: what lies before the image is far behind it.
          Value index = arith::SubIOp::create(b, arith::AddIOp::create(b, scaled, moved),
                                              indexConstant(b, getPadding()[axis]));
          Value size = indexConstant(b, image.getDimSize(axis + (last ? 1 : 2)));
          Value in = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, index, size);
          at.push_back(arith::SelectOp::create(b, in, index, indexConstant(b, 0)));
          inside = inside ? arith::AndIOp::create(b, inside, in).getResult() : in;
        }
        at.insert(last ? at.end() : at.begin(), channel);
        at.insert(at.begin(), loopIndex(b, 0));
        return arith::SelectOp::create(b, inside, entry(b, getInput(), at), number(b, 0));
      })};
}

Values SwapOp::decompose(OpBuilder &builder) {
  Code b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  std::swap(dims[rank - 1], dims[rank - 2]);
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  std::swap(sizes[rank - 1], sizes[rank - 2]);
  return SmallVector<Value>{mapElements(b, sizes, getType().getElementType(), getInput(),
                                        dimsMap(b, rank, dims),
                                        [](Code &, ValueRange v) { return v[0]; })};
}
