// Sensors and the samples around a sample: checks and meaning.
#include "dialects/brain/BrainOps.h"
#include "dialects/brain/Choice.h"
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>
#include <numbers>

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::brain;

using Values = FailureOr<SmallVector<Value>>;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

static Value multiplyAdd(ImplicitLocOpBuilder &b, Value x, Value y, Value sum) {
  return arith::AddFOp::create(b, sum, arith::MulFOp::create(b, x, y));
}

//===--- Context ------------------------------------------------------------------------------===//

LogicalResult ContextOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  auto type = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  if (!type || type.getRank() != 2)
    return failure();
  types.push_back(RankedTensorType::get(
      {type.getDimSize(0), type.getDimSize(1) * static_cast<int64_t>(adaptor.getTaps())},
      type.getElementType()));
  return success();
}

LogicalResult ContextOp::verify() {
  if (static_cast<int64_t>(getTaps()) < 1)
    return emitOpError("'taps' must be positive, found ") << static_cast<int64_t>(getTaps());
  if (static_cast<int64_t>(getDilation()) < 1)
    return emitOpError("'dilation' must be positive, found ")
           << static_cast<int64_t>(getDilation());
  if (failed(verifyTokenCount(*this, "before", static_cast<int64_t>(getBefore()))) ||
      failed(verifyTokenCount(*this, "taps * dilation",
                              static_cast<int64_t>(getTaps() * getDilation()))))
    return failure();
  return verifyRows(*this, "input", getInput());
}

Values ContextOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value sequence = batchField(b, BatchField::Sequence, getBatch());
  Value borders = batchField(b, BatchField::TokenBegin, getBatch());
  auto type = tensorType(getInput());
  auto taps = static_cast<int64_t>(getTaps());
  SmallVector<OpFoldResult> sizes{sizesOf(b, getInput())[0], b.getIndexAttr(taps),
                                  b.getIndexAttr(type.getDimSize(1))};
  auto body = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    auto border = [&](Value of) {
      return toIndex(b, tensor::ExtractOp::create(b, borders, ValueRange{of}));
    };
    Value mine = toIndex(b, v[0]), one = indexConstant(b, 1), begin = border(mine);
    Value last = arith::SubIOp::create(b, border(arith::AddIOp::create(b, mine, one)), one);
    Value step = arith::MulIOp::create(b, loopIndex(b, 1),
                                       indexConstant(b, static_cast<int64_t>(getDilation())));
    Value place = arith::SubIOp::create(b, arith::AddIOp::create(b, loopIndex(b, 0), step),
                                        indexConstant(b, static_cast<int64_t>(getBefore())));
    Value within = arith::MinSIOp::create(b, arith::MaxSIOp::create(b, place, begin), last);
    Value x = tensor::ExtractOp::create(b, getInput(), ValueRange{within, loopIndex(b, 2)});
    Value there = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, within, place);
    return arith::SelectOp::create(b, there, x, floatConstant(b, x.getType(), 0.0));
  };
  Value made = mapElements(b, sizes, type.getElementType(), sequence, dimsMap(b, 3, {0}), body);
  return SmallVector<Value>{buildReshape(b, made, getType())};
}

//===--- SensorAttention ----------------------------------------------------------------------===//

LogicalResult SensorAttentionOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                                  Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto input = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  auto cos = dyn_cast<RankedTensorType>(adaptor.getCos().getType());
  if (!input || !cos || input.getRank() != 2 || cos.getRank() != 3)
    return failure();
  types.push_back(
      RankedTensorType::get({input.getDimSize(0), cos.getDimSize(2)}, input.getElementType()));
  return success();
}

LogicalResult SensorAttentionOp::verify() {
  auto positions = tensorType(getPositions()), cos = tensorType(getCos());
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyEqual(*this, "positions", "rows", positions.getDimSize(0),
                         tensorType(getInput()).getDimSize(1))) ||
      failed(verifyEqual<int64_t>(*this, "positions", "columns", positions.getDimSize(1), 2)))
    return failure();
  if (!cos.hasStaticShape() || cos.getDimSize(0) != cos.getDimSize(1) || cos.getNumElements() == 0)
    return emitOpError("'cos' must be [harmonics, harmonics, channels], found ") << cos;
  if (getSin().getType() != getCos().getType())
    return emitOpError("'sin' is ") << getSin().getType() << ", expected that of 'cos', " << cos;
  return success();
}

/// 2 pi (k u + l v) of each sensor: f32 [sensors, K, K]. Whole turns are dropped before the
/// multiplication, so that high harmonics keep their digits.
static Value phases(ImplicitLocOpBuilder &b, SensorAttentionOp op) {
  int64_t harmonics = tensorType(op.getCos()).getDimSize(0);
  SmallVector<OpFoldResult> sizes{sizesOf(b, op.getPositions())[0], b.getIndexAttr(harmonics),
                                  b.getIndexAttr(harmonics)};
  Value positions = op.getPositions();
  return mapElements(b, sizes, b.getF32Type(), {}, {}, [&](ImplicitLocOpBuilder &b, ValueRange) {
    auto turns = [&](int64_t axis) -> Value {
      Value at = tensor::ExtractOp::create(b, positions,
                                           ValueRange{loopIndex(b, 0), indexConstant(b, axis)});
      Value number = arith::IndexCastOp::create(b, b.getI64Type(), loopIndex(b, 1 + axis));
      Value order = arith::SIToFPOp::create(b, b.getF32Type(), number);
      return arith::MulFOp::create(b, order, convertFloat(b, at, b.getF32Type()));
    };
    Value sum = arith::AddFOp::create(b, turns(0), turns(1));
    Value part = arith::SubFOp::create(b, sum, math::FloorOp::create(b, sum));
    Value circle = floatConstant(b, b.getF32Type(), 2 * std::numbers::pi);
    return arith::MulFOp::create(b, part, circle).getResult();
  });
}

/// The attention of each virtual channel: f32 [channels, sensors]; -inf where no sensor is.
static Value scores(ImplicitLocOpBuilder &b, SensorAttentionOp op) {
  Value angles = phases(b, op);
  AffineMap all = rangeMap(b, 3, 0, 3);
  auto wave = [&](bool sine) {
    return mapElements(b, sizesOf(b, angles), b.getF32Type(), angles, all,
                       [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                         return sine ? math::SinOp::create(b, v[0]).getResult()
                                     : math::CosOp::create(b, v[0]).getResult();
                       });
  };
  SmallVector<OpFoldResult> sizes{b.getIndexAttr(tensorType(op.getCos()).getDimSize(2)),
                                  sizesOf(b, op.getPositions())[0]};
  // Loops: j, c, k, l.
  AffineMap of = dimsMap(b, 4, {2, 3, 0}), at = dimsMap(b, 4, {1, 2, 3});
  Value sums = reduceElements(b, sizes, b.getF32Type(), 0.0, 2,
                              {op.getCos(), wave(false), op.getSin(), wave(true)}, {of, at, of, at},
                              [](ImplicitLocOpBuilder &b, ValueRange v) {
                                return multiplyAdd(b, v[2], v[3], multiplyAdd(b, v[0], v[1], v[4]));
                              });
  if (!op.getCount())
    return sums;
  return mapElements(
      b, sizes, b.getF32Type(), sums, rangeMap(b, 2, 0, 2),
      [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value there = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, loopIndex(b, 1),
                                            countOf(b, op.getCount()));
        Value none = floatConstant(b, b.getF32Type(), -std::numeric_limits<double>::infinity());
        return arith::SelectOp::create(b, there, v[0], none);
      });
}

Values SensorAttentionOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value weights = buildSoftmax(b, scores(b, *this));
  SmallVector<OpFoldResult> sizes{sizesOf(b, getInput())[0], sizesOf(b, weights)[0]};
  // Loops: t, j, c.
  auto fold = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value sum = multiplyAdd(b, v[0], v[1], v[2]);
    Value count = countOf(b, getCount());
    if (!count)
      return sum;
    Value there = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, loopIndex(b, 2), count);
    return arith::SelectOp::create(b, there, sum, v[2]);
  };
  Value y = reduceElements(b, sizes, b.getF32Type(), 0.0, 1, {getInput(), weights},
                           {dimsMap(b, 3, {0, 2}), dimsMap(b, 3, {1, 2})}, fold);
  if (elementOf(y) != elementOf(getInput()))
    y = mapElements(b, sizes, elementOf(getInput()), y, rangeMap(b, 2, 0, 2),
                    [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
  return SmallVector<Value>{y};
}
