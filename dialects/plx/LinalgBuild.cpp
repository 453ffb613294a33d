// Small builders of linalg for decompositions: elementwise maps and reductions whose bodies compute
// in f32.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include <limits>
#include <numeric>

using namespace mlir;
using namespace mlir::plx;

//===--- Scalars ------------------------------------------------------------------------------===//

Type plx::computeType(Type element) {
  return element.isF64() ? element : Float32Type::get(element.getContext());
}

Value plx::convertFloat(ImplicitLocOpBuilder &builder, Value value, Type type) {
  Type from = value.getType();
  if (from == type || !isa<FloatType>(from) || !isa<FloatType>(type))
    return value;
  unsigned fromWidth = from.getIntOrFloatBitWidth(), toWidth = type.getIntOrFloatBitWidth();
  if (fromWidth < toWidth)
    return arith::ExtFOp::create(builder, type, value);
  if (fromWidth > toWidth)
    return arith::TruncFOp::create(builder, type, value);
  // f16 and bf16: neither holds the other.
  return convertFloat(builder, convertFloat(builder, value, builder.getF32Type()), type);
}

Value plx::floatConstant(ImplicitLocOpBuilder &builder, Type type, double value) {
  return arith::ConstantOp::create(builder, builder.getFloatAttr(type, value));
}

Value plx::indexConstant(ImplicitLocOpBuilder &builder, int64_t value) {
  return arith::ConstantIndexOp::create(builder, value);
}

Value plx::toIndex(ImplicitLocOpBuilder &builder, Value value) {
  return arith::IndexCastOp::create(builder, builder.getIndexType(), value);
}

Value plx::batchField(ImplicitLocOpBuilder &builder, BatchField which, Value batch) {
  return BatchFieldOp::create(builder, which, batch);
}

Value plx::loopIndex(ImplicitLocOpBuilder &builder, int64_t loop) {
  return linalg::IndexOp::create(builder, loop);
}

SmallVector<OpFoldResult> plx::sizesOf(ImplicitLocOpBuilder &builder, Value tensor) {
  return tensor::getMixedSizes(builder, builder.getLoc(), tensor);
}

int64_t plx::rankOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getRank(); }

Type plx::elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

//===--- linalg.generic -----------------------------------------------------------------------===//

AffineMap plx::dimsMap(ImplicitLocOpBuilder &builder, int64_t loops, ArrayRef<int64_t> dims) {
  SmallVector<AffineExpr> exprs;
  for (int64_t dim : dims)
    exprs.push_back(builder.getAffineDimExpr(dim));
  return AffineMap::get(loops, 0, exprs, builder.getContext());
}

AffineMap plx::rangeMap(ImplicitLocOpBuilder &builder, int64_t loops, int64_t first,
                        int64_t count) {
  SmallVector<int64_t> dims(count);
  std::iota(dims.begin(), dims.end(), first);
  return dimsMap(builder, loops, dims);
}

/// The op behind mapElements and reduceElements: writes into `init`, whose axes are the leading
/// loops.
static Value buildGeneric(ImplicitLocOpBuilder &builder, Value init, int64_t reductions,
                          ValueRange inputs, ArrayRef<AffineMap> inputMaps, ScalarBody body) {
  int64_t rank = rankOf(init), loops = rank + reductions;
  SmallVector<AffineMap> maps(inputMaps);
  maps.push_back(rangeMap(builder, loops, 0, rank));
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  iterators.append(reductions, utils::IteratorType::reduction);
  Type element = elementOf(init);
  auto buildBody = [&](OpBuilder &inner, Location loc, ValueRange arguments) {
    ImplicitLocOpBuilder nested(loc, inner);
    SmallVector<Value> scalars;
    for (Value argument : reductions ? arguments : arguments.drop_back())
      scalars.push_back(convertFloat(nested, argument, computeType(argument.getType())));
    Value result = convertFloat(nested, body(nested, scalars), element);
    linalg::YieldOp::create(nested, result);
  };
  return linalg::GenericOp::create(builder, init.getType(), inputs, init, maps, iterators,
                                   buildBody)
      .getResult(0);
}

Value plx::mapElements(ImplicitLocOpBuilder &builder, ArrayRef<OpFoldResult> sizes, Type element,
                       ValueRange inputs, ArrayRef<AffineMap> maps, ScalarBody body) {
  Value init = tensor::EmptyOp::create(builder, sizes, element);
  return buildGeneric(builder, init, 0, inputs, maps, body);
}

Value plx::reduceElements(ImplicitLocOpBuilder &builder, ArrayRef<OpFoldResult> sizes, Type element,
                          double init, int64_t reductions, ValueRange inputs,
                          ArrayRef<AffineMap> maps, ScalarBody body) {
  Value empty = tensor::EmptyOp::create(builder, sizes, element);
  Value start = floatConstant(builder, element, init);
  Value filled = linalg::FillOp::create(builder, start, empty).getResult(0);
  return buildGeneric(builder, filled, reductions, inputs, maps, body);
}

Value plx::reduceLastAxis(ImplicitLocOpBuilder &builder, Value input, double init,
                          ScalarBody body) {
  int64_t rank = rankOf(input);
  SmallVector<OpFoldResult> sizes = sizesOf(builder, input);
  sizes.pop_back();
  return reduceElements(builder, sizes, computeType(elementOf(input)), init, 1, input,
                        rangeMap(builder, rank, 0, rank), body);
}

//===--- Shared formulas ----------------------------------------------------------------------===//

Value plx::buildSoftmax(ImplicitLocOpBuilder &builder, Value input) {
  int64_t rank = rankOf(input);
  AffineMap all = rangeMap(builder, rank, 0, rank), row = rangeMap(builder, rank, 0, rank - 1);
  SmallVector<OpFoldResult> sizes = sizesOf(builder, input);
  Type compute = computeType(elementOf(input));
  Value max = reduceLastAxis(builder, input, -std::numeric_limits<double>::infinity(),
                             [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                               return arith::MaximumFOp::create(b, v[0], v[1]);
                             });
  Value exps = mapElements(builder, sizes, compute, {input, max}, {all, row},
                           [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                             return math::ExpOp::create(b, arith::SubFOp::create(b, v[0], v[1]));
                           });
  Value sum =
      reduceLastAxis(builder, exps, 0.0, [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        return arith::AddFOp::create(b, v[0], v[1]);
      });
  return mapElements(builder, sizes, elementOf(input), {exps, sum}, {all, row},
                     [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       return arith::DivFOp::create(b, v[0], v[1]);
                     });
}

Value plx::buildReshape(ImplicitLocOpBuilder &builder, Value input, RankedTensorType type) {
  auto from = cast<RankedTensorType>(input.getType());
  if (from == type)
    return input;
  if (auto groups = getReassociationIndicesForReshape(from, type)) {
    if (from.getRank() > type.getRank())
      return tensor::CollapseShapeOp::create(builder, type, input, *groups);
    return tensor::ExpandShapeOp::create(builder, type, input, *groups);
  }
  // No common grouping of axes: by way of one axis.
  ReassociationIndices whole(from.getRank());
  std::iota(whole.begin(), whole.end(), 0);
  Value flat = input;
  if (from.getRank() > 1)
    flat = tensor::CollapseShapeOp::create(builder, input, ArrayRef<ReassociationIndices>(whole));
  if (type.getRank() == 1)
    return flat;
  whole.resize(type.getRank());
  std::iota(whole.begin(), whole.end(), 0);
  return tensor::ExpandShapeOp::create(builder, type, flat, ArrayRef<ReassociationIndices>(whole));
}
