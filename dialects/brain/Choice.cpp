// Largest and smallest entries of rows and their places, for decompositions.
#include "dialects/brain/Choice.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::brain;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

static Value compare(ImplicitLocOpBuilder &b, arith::CmpFPredicate how, Value x, Value y) {
  return arith::CmpFOp::create(b, how, x, y);
}
static Value pick(ImplicitLocOpBuilder &b, Value condition, Value yes, Value no) {
  return arith::SelectOp::create(b, condition, yes, no);
}
static Value both(ImplicitLocOpBuilder &b, Value x, Value y) {
  return arith::AndIOp::create(b, x, y);
}

/// The loop's own index as f32.
static Value placeOf(ImplicitLocOpBuilder &b, int64_t loop) {
  Value number = arith::IndexCastOp::create(b, b.getI64Type(), loopIndex(b, loop));
  return arith::SIToFPOp::create(b, b.getF32Type(), number);
}

Value brain::numberToIndex(ImplicitLocOpBuilder &b, Value number) {
  return toIndex(b, arith::FPToSIOp::create(b, b.getI32Type(), number));
}

Value brain::countOf(ImplicitLocOpBuilder &b, Value count) {
  if (!count)
    return {};
  return toIndex(b, tensor::ExtractOp::create(b, count, ValueRange{indexConstant(b, 0)}));
}

/// The smallest place of those whose entry is `best` [T], or `otherwise`.
static Value placeWith(ImplicitLocOpBuilder &b, Value rows, Value best, double otherwise,
                       ScalarBody isMember) {
  OpFoldResult size = sizesOf(b, rows)[0];
  Value first = reduceElements(b, size, b.getF32Type(), kInfinity, 1, {rows, best},
                               {dimsMap(b, 2, {0, 1}), dimsMap(b, 2, {0})},
                               [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                 Value place = placeOf(b, 1);
                                 Value earlier = compare(b, arith::CmpFPredicate::OLT, place, v[2]);
                                 Value taken = both(b, isMember(b, v), earlier);
                                 return pick(b, taken, place, v[2]);
                               });
  return mapElements(b, size, b.getF32Type(), first, dimsMap(b, 1, {0}),
                     [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       Value none = floatConstant(b, b.getF32Type(), otherwise);
                       Value infinity = floatConstant(b, b.getF32Type(), kInfinity);
                       return pick(b, compare(b, arith::CmpFPredicate::OLT, v[0], infinity), v[0],
                                   none);
                     });
}

Value brain::leastOf(ImplicitLocOpBuilder &b, Value rows, double otherwise) {
  Value least = reduceLastAxis(b, rows, kInfinity, [](ImplicitLocOpBuilder &b, ValueRange v) {
    return pick(b, compare(b, arith::CmpFPredicate::OLT, v[0], v[1]), v[0], v[1]);
  });
  return placeWith(b, rows, least, otherwise, [](ImplicitLocOpBuilder &b, ValueRange v) {
    return compare(b, arith::CmpFPredicate::OEQ, v[0], v[1]);
  });
}

/// i1: whether column `place` (loop 1) with `score` is there and comes behind the last choice.
static Value isBehind(ImplicitLocOpBuilder &b, Value score, Value count, Value last,
                      Value lastPlace) {
  Value equal = compare(b, arith::CmpFPredicate::OEQ, score, last);
  Value later = compare(b, arith::CmpFPredicate::OGT, placeOf(b, 1), lastPlace);
  Value behind = arith::OrIOp::create(b, compare(b, arith::CmpFPredicate::OLT, score, last),
                                      both(b, equal, later));
  if (!count)
    return behind;
  Value there =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, loopIndex(b, 1), countOf(b, count));
  return both(b, there, behind);
}

std::pair<Value, Value> brain::nextBest(ImplicitLocOpBuilder &b, Value scores, Value count,
                                        Value last, Value lastPlace) {
  OpFoldResult size = sizesOf(b, scores)[0];
  AffineMap all = dimsMap(b, 2, {0, 1}), row = dimsMap(b, 2, {0});
  Value best = reduceElements(b, size, b.getF32Type(), -kInfinity, 1, {scores, last, lastPlace},
                              {all, row, row}, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                Value behind = isBehind(b, v[0], count, v[1], v[2]);
                                Value better = compare(b, arith::CmpFPredicate::OGT, v[0], v[3]);
                                return pick(b, both(b, behind, better), v[0], v[3]);
                              });
  Value first =
      reduceElements(b, size, b.getF32Type(), kInfinity, 1, {scores, best, last, lastPlace},
                     {all, row, row, row}, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       Value place = placeOf(b, 1);
                       Value taken = both(b, isBehind(b, v[0], count, v[2], v[3]),
                                          both(b, compare(b, arith::CmpFPredicate::OEQ, v[0], v[1]),
                                               compare(b, arith::CmpFPredicate::OLT, place, v[4])));
                       return pick(b, taken, place, v[4]);
                     });
  Value place = mapElements(b, size, b.getF32Type(), first, dimsMap(b, 1, {0}),
                            [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                              Value infinity = floatConstant(b, b.getF32Type(), kInfinity);
                              return pick(b, compare(b, arith::CmpFPredicate::OLT, v[0], infinity),
                                          v[0], floatConstant(b, b.getF32Type(), -1));
                            });
  return {best, place};
}

Value brain::sideBySide(ImplicitLocOpBuilder &b, ArrayRef<Value> places) {
  SmallVector<OpFoldResult> sizes{sizesOf(b, places[0])[0],
                                  b.getIndexAttr(static_cast<int64_t>(places.size()))};
  SmallVector<AffineMap> maps(places.size(), dimsMap(b, 2, {0}));
  return mapElements(
      b, sizes, b.getI32Type(), places, maps, [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value chosen = v[0];
        for (size_t i = 1; i < v.size(); ++i) {
          Value here = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loopIndex(b, 1),
                                             indexConstant(b, int64_t(i)));
          chosen = pick(b, here, v[i], chosen);
        }
        return arith::FPToSIOp::create(b, b.getI32Type(), chosen);
      });
}

Value brain::lengthsOf(ImplicitLocOpBuilder &b, Value matrix, double least) {
  Value squares =
      reduceLastAxis(b, matrix, 0.0, [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        return arith::AddFOp::create(b, v[1], arith::MulFOp::create(b, v[0], v[0]));
      });
  return mapElements(b, sizesOf(b, squares), b.getF32Type(), squares, dimsMap(b, 1, {0}),
                     [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       Value length = math::SqrtOp::create(b, v[0]);
                       Value floor = floatConstant(b, b.getF32Type(), least);
                       return arith::MaximumFOp::create(b, length, floor);
                     });
}
