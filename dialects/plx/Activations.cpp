// The activations as scalar arithmetic: for decompositions and for the epilogues that fusion makes.
#include "dialects/plx/Activations.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::plx;

namespace {

/// Formulas over one value, written as they read on paper.
struct Formula {
  ImplicitLocOpBuilder &b;
  Type type;

  Value c(double value) {
    TypedAttr attribute = b.getFloatAttr(getElementTypeOrSelf(type), value);
    if (auto shaped = dyn_cast<ShapedType>(type))
      attribute = DenseElementsAttr::get(shaped, attribute);
    return arith::ConstantOp::create(b, attribute);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value neg(Value x) { return arith::NegFOp::create(b, x); }
  Value max(Value x, Value y) { return arith::MaximumFOp::create(b, x, y); }
  Value min(Value x, Value y) { return arith::MinimumFOp::create(b, x, y); }
  Value exp(Value x) { return math::ExpOp::create(b, x); }
  Value tanh(Value x) { return math::TanhOp::create(b, x); }
  /// `positive` where x > 0, otherwise `other`.
  Value wherePositive(Value x, Value positive, Value other) {
    Value test = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, c(0));
    return arith::SelectOp::create(b, test, positive, other);
  }

  Value sigmoid(Value x) { return div(c(1), add(c(1), exp(neg(x)))); }
  Value relu(Value x) { return max(x, c(0)); }
  Value relu6(Value x) { return min(relu(x), c(6)); }
  Value silu(Value x, double slope) { return div(x, add(c(1), exp(mul(c(-slope), x)))); }
  /// log(1 + e^x) without overflow: max(x, 0) + log1p(e^-|x|).
  Value softplus(Value x) {
    Value tail = math::Log1pOp::create(b, exp(neg(math::AbsFOp::create(b, x))));
    return add(relu(x), tail);
  }
  Value gelu(Value x) {
    Value erf = math::ErfOp::create(b, mul(x, c(0.70710678118654752)));
    return mul(mul(c(0.5), x), add(c(1), erf));
  }
  Value geluTanh(Value x) {
    Value inner = add(x, mul(c(0.044715), mul(x, mul(x, x))));
    return mul(mul(c(0.5), x), add(c(1), tanh(mul(c(0.79788456080286536), inner))));
  }
  Value expm1(Value x) { return math::ExpM1Op::create(b, x); }
  Value hardSigmoid(Value x) { return div(relu6(add(x, c(3))), c(6)); }
  Value selu(Value x) {
    constexpr double alpha = 1.6732632423543772, scale = 1.0507009873554805;
    return mul(c(scale), wherePositive(x, x, mul(c(alpha), expm1(x))));
  }
};

using Form = Value (*)(Formula &, Value);

struct Activation {
  ActivationKind kind;
  Form form;
};

/// The formula of each kind, in the order of the enumeration.
constexpr Activation kActivations[] = {
    {ActivationKind::Identity, [](Formula &, Value x) { return x; }},
    {ActivationKind::Silu, [](Formula &f, Value x) { return f.silu(x, 1.0); }},
    {ActivationKind::Gelu, [](Formula &f, Value x) { return f.gelu(x); }},
    {ActivationKind::GeluTanh, [](Formula &f, Value x) { return f.geluTanh(x); }},
    {ActivationKind::GeluQuick, [](Formula &f, Value x) { return f.silu(x, 1.702); }},
    {ActivationKind::Relu, [](Formula &f, Value x) { return f.relu(x); }},
    {ActivationKind::Relu2,
     [](Formula &f, Value x) {
       Value y = f.relu(x);
       return f.mul(y, y);
     }},
    {ActivationKind::Relu6, [](Formula &f, Value x) { return f.relu6(x); }},
    {ActivationKind::Tanh, [](Formula &f, Value x) { return f.tanh(x); }},
    {ActivationKind::Sigmoid, [](Formula &f, Value x) { return f.sigmoid(x); }},
    {ActivationKind::Softplus, [](Formula &f, Value x) { return f.softplus(x); }},
    {ActivationKind::Mish, [](Formula &f, Value x) { return f.mul(x, f.tanh(f.softplus(x))); }},
    {ActivationKind::Elu, [](Formula &f, Value x) { return f.wherePositive(x, x, f.expm1(x)); }},
    {ActivationKind::LeakyRelu,
     [](Formula &f, Value x) { return f.wherePositive(x, x, f.mul(f.c(0.01), x)); }},
    {ActivationKind::HardSwish, [](Formula &f, Value x) { return f.mul(x, f.hardSigmoid(x)); }},
    {ActivationKind::HardSigmoid, [](Formula &f, Value x) { return f.hardSigmoid(x); }},
    {ActivationKind::Selu, [](Formula &f, Value x) { return f.selu(x); }},
    {ActivationKind::Square, [](Formula &f, Value x) { return f.mul(x, x); }},
};

/// Every kind is there, at its own number.
constexpr bool isComplete() {
  for (size_t i = 0; i < std::size(kActivations); ++i)
    if (static_cast<size_t>(kActivations[i].kind) != i)
      return false;
  return std::size(kActivations) == getMaxEnumValForActivationKind() + 1;
}
static_assert(isComplete(), "an activation has no formula, or stands at another's place");

} // namespace

Value plx::buildActivation(ImplicitLocOpBuilder &builder, ActivationKind kind, Value x) {
  Formula formula{builder, x.getType()};
  return kActivations[static_cast<size_t>(kind)].form(formula, x);
}
