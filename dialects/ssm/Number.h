// Arithmetic on f32 scalars and vectors of the IR with the operators of C++.
#ifndef PLEXUS_DIALECTS_SSM_NUMBER_H
#define PLEXUS_DIALECTS_SSM_NUMBER_H

#include "dialects/plx/Activations.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::ssm {

/// A float scalar or vector and the builder that computes with it.
class Number {
public:
  Number(ImplicitLocOpBuilder &builder, Value value) : v(value), builder(&builder) {}

  Value v;

  Number of(Value value) const { return {*builder, value}; }
  Number constant(double value) const {
    TypedAttr number = builder->getFloatAttr(getElementTypeOrSelf(v.getType()), value);
    if (auto vector = dyn_cast<VectorType>(v.getType()))
      number = DenseElementsAttr::get(vector, Attribute(number));
    return of(arith::ConstantOp::create(*builder, number));
  }
  /// `Op` of this and `more`.
  template <typename Op, typename... Args>
  Number apply(Args... more) const {
    return of(Op::create(*builder, v, more...));
  }
  ImplicitLocOpBuilder &code() const { return *builder; }
  Number exp() const { return apply<math::ExpOp>(); }
  Number expm1() const { return apply<math::ExpM1Op>(); }
  Number sin() const { return apply<math::SinOp>(); }
  Number cos() const { return apply<math::CosOp>(); }
  Number sqrt() const { return apply<math::SqrtOp>(); }
  Number activated(plx::ActivationKind kind) const {
    return of(plx::buildActivation(*builder, kind, v));
  }

private:
  ImplicitLocOpBuilder *builder;
};

inline Number operator+(Number x, Number y) { return x.apply<arith::AddFOp>(y.v); }
inline Number operator-(Number x, Number y) { return x.apply<arith::SubFOp>(y.v); }
inline Number operator*(Number x, Number y) { return x.apply<arith::MulFOp>(y.v); }
inline Number operator/(Number x, Number y) { return x.apply<arith::DivFOp>(y.v); }
inline Number max(Number x, Number y) { return x.apply<arith::MaximumFOp>(y.v); }

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_NUMBER_H
