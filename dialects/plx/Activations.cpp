// The activations as scalar arithmetic: for decompositions and for the epilogues that fusion makes.
#include "dialects/plx/Activations.h"
#include "dialects/plx/Formula.h"

using namespace mlir;
using namespace mlir::plx;

namespace {

/// The functions that activations are made of.
struct ActivationFormula : Formula {
  /// `positive` where x > 0, otherwise `other`.
  Value wherePositive(Value x, Value positive, Value other) {
    return select(above(x, 0), positive, other);
  }

  Value sigmoid(Value x) { return div(c(1), add(c(1), exp(neg(x)))); }
  Value relu(Value x) { return max(x, c(0)); }
  Value relu6(Value x) { return min(relu(x), c(6)); }
  Value silu(Value x, double slope) { return div(x, add(c(1), exp(mul(c(-slope), x)))); }
  /// log(1 + e^x) without overflow: max(x, 0) + log1p(e^-|x|).
  Value softplus(Value x) {
    Value tail = math::Log1pOp::create(b, exp(neg(abs(x))));
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
  Value softsign(Value x) { return div(x, add(c(1), abs(x))); }
  Value hardSigmoid(Value x) { return div(relu6(add(x, c(3))), c(6)); }
  Value selu(Value x) {
    constexpr double alpha = 1.6732632423543772, scale = 1.0507009873554805;
    return mul(c(scale), wherePositive(x, x, mul(c(alpha), expm1(x))));
  }
};

using Form = Value (*)(ActivationFormula &, Value);

struct Activation {
  ActivationKind kind;
  Form form;
};

/// The formula of each kind, in the order of the enumeration.
constexpr Activation kActivations[] = {
    {ActivationKind::Identity, [](ActivationFormula &, Value x) { return x; }},
    {ActivationKind::Silu, [](ActivationFormula &f, Value x) { return f.silu(x, 1.0); }},
    {ActivationKind::Gelu, [](ActivationFormula &f, Value x) { return f.gelu(x); }},
    {ActivationKind::GeluTanh, [](ActivationFormula &f, Value x) { return f.geluTanh(x); }},
    {ActivationKind::GeluQuick, [](ActivationFormula &f, Value x) { return f.silu(x, 1.702); }},
    {ActivationKind::Relu, [](ActivationFormula &f, Value x) { return f.relu(x); }},
    {ActivationKind::Relu2,
     [](ActivationFormula &f, Value x) {
       Value y = f.relu(x);
       return f.mul(y, y);
     }},
    {ActivationKind::Relu6, [](ActivationFormula &f, Value x) { return f.relu6(x); }},
    {ActivationKind::Tanh, [](ActivationFormula &f, Value x) { return f.tanh(x); }},
    {ActivationKind::Sigmoid, [](ActivationFormula &f, Value x) { return f.sigmoid(x); }},
    {ActivationKind::Softplus, [](ActivationFormula &f, Value x) { return f.softplus(x); }},
    {ActivationKind::Mish,
     [](ActivationFormula &f, Value x) { return f.mul(x, f.tanh(f.softplus(x))); }},
    {ActivationKind::Elu,
     [](ActivationFormula &f, Value x) { return f.wherePositive(x, x, f.expm1(x)); }},
    {ActivationKind::LeakyRelu,
     [](ActivationFormula &f, Value x) { return f.wherePositive(x, x, f.mul(f.c(0.01), x)); }},
    {ActivationKind::HardSwish,
     [](ActivationFormula &f, Value x) { return f.mul(x, f.hardSigmoid(x)); }},
    {ActivationKind::HardSigmoid, [](ActivationFormula &f, Value x) { return f.hardSigmoid(x); }},
    {ActivationKind::Selu, [](ActivationFormula &f, Value x) { return f.selu(x); }},
    {ActivationKind::Square, [](ActivationFormula &f, Value x) { return f.mul(x, x); }},
    {ActivationKind::Softsign, [](ActivationFormula &f, Value x) { return f.softsign(x); }},
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
  ActivationFormula formula{{builder, x.getType()}};
  return kActivations[static_cast<size_t>(kind)].form(formula, x);
}
