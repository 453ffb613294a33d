// Decompositions of products, lookups and normalisations.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::plx;

using Values = FailureOr<SmallVector<Value>>;

//===--- Weights ------------------------------------------------------------------------------===//

Value plx::denseWeight(ImplicitLocOpBuilder &b, Value weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  if (!type.getEncoding())
    return weight;
  return UnpackOp::create(b, RankedTensorType::get(type.getShape(), type.getElementType()), weight);
}

Values UnpackOp::decompose(OpBuilder &builder) {
  if (getPacked(getInput().getType()))
    return failure();
  ImplicitLocOpBuilder b(getLoc(), builder);
  return SmallVector<Value>{mapElements(b, sizesOf(b, getInput()), getType().getElementType(),
                                        getInput(), rangeMap(b, 2, 0, 2),
                                        [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; })};
}

Values EmbeddingOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value table = denseWeight(b, getTable());
  int64_t rows = cast<RankedTensorType>(table.getType()).getDimSize(0);
  SmallVector<OpFoldResult> sizes = {sizesOf(b, getIds())[0], sizesOf(b, table)[1]};
  auto lookUp = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value id = arith::IndexCastOp::create(b, b.getIndexType(), v[0]);
    id = arith::MaxSIOp::create(b, id, indexConstant(b, 0));
    id = arith::MinSIOp::create(b, id, indexConstant(b, rows - 1));
    return tensor::ExtractOp::create(b, table, ValueRange{id, loopIndex(b, 1)});
  };
  return SmallVector<Value>{
      mapElements(b, sizes, getType().getElementType(), getIds(), dimsMap(b, 2, {0}), lookUp)};
}

//===--- Products -----------------------------------------------------------------------------===//

/// `z[..., n] = sum_k x[..., k] W[n, k]` in the compute type.
static Value buildProduct(ImplicitLocOpBuilder &b, Value input, Value packedWeight) {
  Value weight = denseWeight(b, packedWeight);
  int64_t rank = rankOf(input);
  SmallVector<OpFoldResult> sizes = sizesOf(b, input);
  sizes.back() = sizesOf(b, weight)[0];
  // Loops: the rows' axes, n, k.
  SmallVector<int64_t> inputDims = llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
  inputDims.push_back(rank);
  return reduceElements(b, sizes, computeType(elementOf(input)), 0.0, 1, {input, weight},
                        {dimsMap(b, rank + 1, inputDims), dimsMap(b, rank + 1, {rank - 1, rank})},
                        [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                          Value factor = convertFloat(b, v[1], v[0].getType());
                          Value product = arith::MulFOp::create(b, v[0], factor);
                          return arith::AddFOp::create(b, v[2], product);
                        });
}

Values LinearOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value product = buildProduct(b, getInput(), getWeight());
  Type element = getType().getElementType();
  if (!getBias() && elementOf(product) == element)
    return SmallVector<Value>{product};
  int64_t rank = rankOf(product);
  SmallVector<Value> inputs = {product};
  SmallVector<AffineMap> maps = {rangeMap(b, rank, 0, rank)};
  if (getBias()) {
    inputs.push_back(getBias());
    maps.push_back(dimsMap(b, rank, {rank - 1}));
  }
  return SmallVector<Value>{mapElements(b, sizesOf(b, product), element, inputs, maps,
                                        [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                          if (v.size() == 1)
                                            return v[0];
                                          return arith::AddFOp::create(
                                              b, v[0], convertFloat(b, v[1], v[0].getType()));
                                        })};
}

/// The columns of one part (0 gate, 1 up) of a gated product `[..., 2 N]`, as `[..., N]`.
static Value gatedPart(ImplicitLocOpBuilder &b, Value product, int64_t part) {
  constexpr int64_t block = FusedLinearOp::kGateBlock;
  auto type = cast<RankedTensorType>(product.getType());
  int64_t rank = type.getRank(), columns = type.getShape().back() / 2;
  SmallVector<int64_t> shape(type.getShape().drop_back());
  auto typeOf = [&](ArrayRef<int64_t> tail) {
    SmallVector<int64_t> whole = shape;
    whole.append(tail.begin(), tail.end());
    return RankedTensorType::get(whole, type.getElementType());
  };
  SmallVector<ReassociationIndices> groups;
  for (int64_t axis = 0; axis < rank - 1; ++axis)
    groups.push_back({axis});
  groups.push_back({rank - 1, rank, rank + 1});
  Value blocks =
      tensor::ExpandShapeOp::create(b, typeOf({columns / block, 2, block}), product, groups);
  SmallVector<OpFoldResult> offsets(rank + 2, b.getIndexAttr(0)),
      strides(rank + 2, b.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = sizesOf(b, blocks);
  offsets[rank] = b.getIndexAttr(part);
  sizes[rank] = b.getIndexAttr(1);
  Value slice = tensor::ExtractSliceOp::create(b, typeOf({columns / block, 1, block}), blocks,
                                               offsets, sizes, strides);
  return tensor::CollapseShapeOp::create(b, typeOf({columns}), slice, groups);
}

Values FusedLinearOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value product = buildProduct(b, getInput(), getWeight());
  SmallVector<Value> inputs = {product};
  if (getGated())
    inputs = {gatedPart(b, product, 0), gatedPart(b, product, 1)};
  llvm::append_range(inputs, getExtras());
  int64_t rank = getType().getRank();
  SmallVector<AffineMap> maps;
  for (Value input : inputs)
    maps.push_back(rangeMap(b, rank, rank - rankOf(input), rankOf(input)));
  Block &epilogue = getEpilogue().front();
  auto inlineEpilogue = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    IRMapping mapping;
    for (auto [argument, value] : llvm::zip(epilogue.getArguments(), v))
      mapping.map(argument, convertFloat(b, value, b.getF32Type()));
    for (Operation &op : epilogue.without_terminator())
      b.clone(op, mapping);
    return mapping.lookupOrDefault(epilogue.getTerminator()->getOperand(0));
  };
  return SmallVector<Value>{mapElements(b, sizesOf(b, inputs[0]), getType().getElementType(),
                                        inputs, maps, inlineEpilogue)};
}

//===--- Normalisations -----------------------------------------------------------------------===//

namespace {
/// The rows of one operand of a normalisation: its maps, sizes and moments.
struct Rows {
  ImplicitLocOpBuilder &b;
  Value input;
  int64_t rank = rankOf(input);
  AffineMap all = rangeMap(b, rank, 0, rank), row = rangeMap(b, rank, 0, rank - 1),
            column = dimsMap(b, rank, {rank - 1});
  double columns = cast<RankedTensorType>(input.getType()).getShape().back();

  /// Sum over each row.
  Value sum() {
    return reduceLastAxis(b, input, 0.0, [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
      return arith::AddFOp::create(b, v[1], v[0]);
    });
  }
  /// Sum of squares over each row.
  Value sumOfSquares() {
    return reduceLastAxis(b, input, 0.0, [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
      return arith::AddFOp::create(b, v[1], arith::MulFOp::create(b, v[0], v[0]));
    });
  }
  SmallVector<Value> map(ValueRange inputs, ArrayRef<AffineMap> maps, ScalarBody body) {
    return {mapElements(b, sizesOf(b, input), elementOf(input), inputs, maps, body)};
  }
};

/// `1 / sqrt(sum / columns + eps)`.
Value inverseRoot(ImplicitLocOpBuilder &b, Value sum, double columns, const APFloat &eps) {
  Type type = sum.getType();
  Value mean = arith::DivFOp::create(b, sum, floatConstant(b, type, columns));
  Value shifted = arith::AddFOp::create(b, mean, floatConstant(b, type, eps.convertToDouble()));
  return arith::DivFOp::create(b, floatConstant(b, type, 1.0), math::SqrtOp::create(b, shifted));
}
} // namespace

Values RmsNormOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Rows rows{b, getInput()};
  Value squares = rows.sumOfSquares();
  auto normalize = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value scaled = arith::MulFOp::create(b, v[0], inverseRoot(b, v[1], rows.columns, getEps()));
    Value weight = convertFloat(b, v[2], v[0].getType());
    if (getUnitOffset())
      weight = arith::AddFOp::create(b, weight, floatConstant(b, weight.getType(), 1.0));
    return arith::MulFOp::create(b, scaled, weight);
  };
  return rows.map({getInput(), squares, getWeight()}, {rows.all, rows.row, rows.column}, normalize);
}

Values LayerNormOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Rows rows{b, getInput()};
  Value centered = mapElements(
      b, sizesOf(b, getInput()), computeType(elementOf(getInput())), {getInput(), rows.sum()},
      {rows.all, rows.row}, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value columns = floatConstant(b, v[1].getType(), rows.columns);
        return arith::SubFOp::create(b, v[0], arith::DivFOp::create(b, v[1], columns));
      });
  Value squares = Rows{b, centered}.sumOfSquares();
  SmallVector<Value> inputs = {centered, squares, getWeight()};
  SmallVector<AffineMap> maps = {rows.all, rows.row, rows.column};
  if (getBias()) {
    inputs.push_back(getBias());
    maps.push_back(rows.column);
  }
  return rows.map(inputs, maps, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value scaled = arith::MulFOp::create(b, v[0], inverseRoot(b, v[1], rows.columns, getEps()));
    Value result = arith::MulFOp::create(b, scaled, convertFloat(b, v[2], v[0].getType()));
    if (v.size() == 4)
      result = arith::AddFOp::create(b, result, convertFloat(b, v[3], v[0].getType()));
    return result;
  });
}

Values L2NormalizeOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Rows rows{b, getInput()};
  return rows.map({getInput(), rows.sumOfSquares()}, {rows.all, rows.row},
                  [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                    Value eps = floatConstant(b, v[1].getType(), getEps().convertToDouble());
                    Value norm = arith::MaximumFOp::create(b, math::SqrtOp::create(b, v[1]), eps);
                    return arith::DivFOp::create(b, v[0], norm);
                  });
}

Values SoftmaxOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  return SmallVector<Value>{buildSoftmax(b, getInput())};
}
