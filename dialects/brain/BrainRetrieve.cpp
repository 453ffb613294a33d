// Retrieval and CTC: checks and meaning.
#include "dialects/brain/BrainOps.h"
#include "dialects/brain/Choice.h"
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Recurrence.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::brain;

using Values = FailureOr<SmallVector<Value>>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

//===--- Retrieve -----------------------------------------------------------------------------===//

LogicalResult RetrieveOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                           Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto input = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  auto gallery = dyn_cast<RankedTensorType>(adaptor.getGallery().getType());
  if (!input || !gallery || input.getRank() != 2 || gallery.getRank() != 2)
    return failure();
  types.push_back(RankedTensorType::get({input.getDimSize(0), gallery.getDimSize(0)},
                                        Float32Type::get(context)));
  types.push_back(
      RankedTensorType::get({input.getDimSize(0), static_cast<int64_t>(adaptor.getTopK())},
                            IntegerType::get(context, 32)));
  return success();
}

LogicalResult RetrieveOp::verify() {
  auto gallery = tensorType(getGallery());
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyEqual(*this, "gallery", "columns", gallery.getDimSize(1),
                         tensorType(getInput()).getDimSize(1))))
    return failure();
  int64_t rows = gallery.getDimSize(0);
  if (ShapedType::isDynamic(rows) || rows < 1 || rows > kMostChoices)
    return emitOpError("'gallery' must have 1 to ") << kMostChoices << " rows, found " << gallery;
  auto kept = static_cast<int64_t>(getTopK());
  if (kept < 1 || kept > rows)
    return emitOpError("'top_k' must be from 1 to the gallery's ")
           << rows << " rows, found " << kept;
  return success();
}

static Value filled(ImplicitLocOpBuilder &b, OpFoldResult size, double value) {
  return mapElements(b, size, b.getF32Type(), {}, {}, [&](ImplicitLocOpBuilder &b, ValueRange) {
    return floatConstant(b, b.getF32Type(), value);
  });
}

Values RetrieveOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  SmallVector<OpFoldResult> sizes{sizesOf(b, getInput())[0], sizesOf(b, getGallery())[0]};
  Value dots = reduceElements(b, sizes, b.getF32Type(), 0.0, 1, {getInput(), getGallery()},
                              {dimsMap(b, 3, {0, 2}), dimsMap(b, 3, {1, 2})},
                              [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                Value product = arith::MulFOp::create(b, v[0], v[1]);
                                return arith::AddFOp::create(b, v[2], product);
                              });
  Value lengths = lengthsOf(b, getInput(), 1e-8), others = lengthsOf(b, getGallery(), 1e-8);
  auto divide = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value cosine = arith::DivFOp::create(b, v[0], arith::MulFOp::create(b, v[1], v[2]));
    Value count = countOf(b, getCount());
    if (!count)
      return cosine;
    Value there = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, loopIndex(b, 1), count);
    return arith::SelectOp::create(b, there, cosine, floatConstant(b, b.getF32Type(), 0.0));
  };
  Value cosine =
      mapElements(b, sizes, b.getF32Type(), {dots, lengths, others},
                  {rangeMap(b, 2, 0, 2), dimsMap(b, 2, {0}), dimsMap(b, 2, {1})}, divide);
  Value count = getCount();
  Value last = filled(b, sizes[0], kInfinity), place = filled(b, sizes[0], -1);
  SmallVector<Value> places;
  for (uint64_t j = 0; j < getTopK(); ++j) {
    std::tie(last, place) = nextBest(b, cosine, count, last, place);
    places.push_back(place);
  }
  return SmallVector<Value>{cosine, sideBySide(b, places)};
}

//===--- Temperature --------------------------------------------------------------------------===//

LogicalResult TemperatureOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult TemperatureOp::verify() {
  return verifyEqual<int64_t>(*this, "scale", "size", tensorType(getScale()).getDimSize(0), 1);
}

Values TemperatureOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  // The factor once, not for each element.
  Value factor = mapElements(
      b, OpFoldResult(b.getIndexAttr(1)), b.getF32Type(), getScale(), dimsMap(b, 1, {0}),
      [](ImplicitLocOpBuilder &b, ValueRange v) -> Value { return math::ExpOp::create(b, v[0]); });
  int64_t rank = rankOf(getInput());
  auto body = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value times = tensor::ExtractOp::create(b, factor, ValueRange{indexConstant(b, 0)});
    return arith::MulFOp::create(b, v[0], times);
  };
  return SmallVector<Value>{mapElements(b, sizesOf(b, getInput()), elementOf(getInput()),
                                        getInput(), rangeMap(b, rank, 0, rank), body)};
}

//===--- CtcCollapse --------------------------------------------------------------------------===//

LogicalResult CtcCollapseOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto logits = dyn_cast<RankedTensorType>(adaptor.getLogits().getType());
  if (!logits || logits.getRank() != 2)
    return failure();
  types.push_back(RankedTensorType::get({logits.getDimSize(0)}, IntegerType::get(context, 32)));
  return success();
}

LogicalResult CtcCollapseOp::verify() {
  int64_t labels = tensorType(getLogits()).getDimSize(1);
  if (failed(verifyRows(*this, "logits", getLogits())))
    return failure();
  if (getBlank() >= static_cast<uint64_t>(labels) || labels > kMostChoices)
    return emitOpError("'blank' must be one of the ")
           << labels << " labels, found " << static_cast<int64_t>(getBlank());
  return verifyCarry(*this, "state", getState(), {1});
}

/// The label before each token plus 1, 0 where a sequence begins: f32 [T].
static Value lastLabels(ImplicitLocOpBuilder &b, CtcCollapseOp op, Value labels) {
  ssm::Recurrence recurrence{op.getBatch(),
                             {op.getState()},
                             {RankedTensorType::get({1}, b.getF32Type())},
                             {RankedTensorType::get({ShapedType::kDynamic, 1}, b.getF32Type())}};
  SmallVector<Value> made = ssm::buildRecurrence(
      b, ssm::rowCount(b, labels), recurrence,
      [&](ImplicitLocOpBuilder &b, Value token, ValueRange last) -> SmallVector<Value> {
        AffineMap none = dimsMap(b, 1, {});
        Value label = ssm::rowAt(b, labels, token);
        Value next = mapElements(b, OpFoldResult(b.getIndexAttr(1)), b.getF32Type(), label, none,
                                 [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                   Value one = floatConstant(b, b.getF32Type(), 1.0);
                                   return arith::AddFOp::create(b, v[0], one);
                                 });
        Value before = mapElements(b, OpFoldResult(b.getIndexAttr(1)), b.getF32Type(), last[0],
                                   dimsMap(b, 1, {0}),
                                   [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
        return {next, before};
      });
  return buildReshape(b, made[0], RankedTensorType::get({ShapedType::kDynamic}, b.getF32Type()));
}

/// 1 where a token's label begins an id of the result, otherwise 0: f32 [T].
static Value beginnings(ImplicitLocOpBuilder &b, CtcCollapseOp op, Value labels) {
  AffineMap all = dimsMap(b, 1, {0});
  return mapElements(
      b, sizesOf(b, labels)[0], b.getF32Type(), {labels, lastLabels(b, op, labels)}, {all, all},
      [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value one = floatConstant(b, b.getF32Type(), 1.0);
        Value blank = floatConstant(b, b.getF32Type(), static_cast<double>(op.getBlank()));
        auto differs = [&](Value x, Value y) -> Value {
          return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, x, y);
        };
        Value fresh = differs(arith::AddFOp::create(b, v[0], one), v[1]);
        Value begins = arith::AndIOp::create(b, fresh, differs(v[0], blank));
        return arith::SelectOp::create(b, begins, one, floatConstant(b, b.getF32Type(), 0.0));
      });
}

Values CtcCollapseOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  AffineMap all = rangeMap(b, 2, 0, 2);
  Value negated = mapElements(b, sizesOf(b, getLogits()), b.getF32Type(), getLogits(), all,
                              [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                return arith::NegFOp::create(b, v[0]);
                              });
  Value labels = leastOf(b, negated, static_cast<double>(getBlank()));
  Value begins = beginnings(b, *this, labels);
  Value sequence = batchField(b, BatchField::Sequence, getBatch());
  Value tokenBegin = batchField(b, BatchField::TokenBegin, getBatch());
  OpFoldResult size = sizesOf(b, labels)[0];
  AffineMap one = dimsMap(b, 2, {0}), other = dimsMap(b, 2, {1});
  // Ids of the same sequence that begin before token t (loop 0).
  Value before = reduceElements(
      b, size, b.getF32Type(), 0.0, 1, {sequence, sequence, begins}, {one, other, other},
      [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value same = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, v[0], v[1]);
        Value earlier =
            arith::CmpIOp::create(b, arith::CmpIPredicate::slt, loopIndex(b, 1), loopIndex(b, 0));
        Value more = arith::AddFOp::create(b, v[3], v[2]);
        return arith::SelectOp::create(b, arith::AndIOp::create(b, same, earlier), more, v[3]);
      });
  // The label whose place in its sequence is that of row t.
  Value found = reduceElements(
      b, size, b.getF32Type(), -1.0, 1, {sequence, sequence, begins, before, labels},
      {one, other, other, other, other}, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value begin = tensor::ExtractOp::create(b, tokenBegin, ValueRange{toIndex(b, v[0])});
        Value place = arith::SubIOp::create(b, loopIndex(b, 0), toIndex(b, begin));
        Value same = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, v[0], v[1]);
        Value begun = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, v[2],
                                            floatConstant(b, b.getF32Type(), 0.0));
        Value here =
            arith::CmpIOp::create(b, arith::CmpIPredicate::eq, numberToIndex(b, v[3]), place);
        Value mine = arith::AndIOp::create(b, arith::AndIOp::create(b, same, begun), here);
        return arith::SelectOp::create(b, mine, v[4], v[5]);
      });
  return SmallVector<Value>{mapElements(b, size, b.getI32Type(), found, dimsMap(b, 1, {0}),
                                        [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                          return arith::FPToSIOp::create(b, b.getI32Type(), v[0]);
                                        })};
}
