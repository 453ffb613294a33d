// Scalar formulas in the arith and math dialects, written as they read on paper.
#pragma once

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::plx {

/// Arithmetic over values of one type: a float, or a vector or tensor of floats. Rooms that need
/// functions of their own derive from it.
struct Formula {
  ImplicitLocOpBuilder &b;
  Type type;

  /// `value` in every element.
  Value c(double value) {
    TypedAttr attribute = b.getFloatAttr(getElementTypeOrSelf(type), value);
    if (auto shaped = dyn_cast<ShapedType>(type))
      attribute = DenseElementsAttr::get(shaped, attribute);
    return arith::ConstantOp::create(b, attribute);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value neg(Value x) { return arith::NegFOp::create(b, x); }
  Value max(Value x, Value y) { return arith::MaximumFOp::create(b, x, y); }
  Value min(Value x, Value y) { return arith::MinimumFOp::create(b, x, y); }
  Value abs(Value x) { return math::AbsFOp::create(b, x); }
  Value exp(Value x) { return math::ExpOp::create(b, x); }
  Value sqrt(Value x) { return math::SqrtOp::create(b, x); }
  Value tanh(Value x) { return math::TanhOp::create(b, x); }
  Value inverse(Value x) { return div(c(1), x); }
  Value above(Value x, double limit) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, c(limit));
  }
  Value select(Value test, Value yes, Value no) {
    return arith::SelectOp::create(b, test, yes, no);
  }
};

} // namespace mlir::plx
