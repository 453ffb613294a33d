// The closed list of functions that edges and nodes may have.
#include "dialects/kan/KanFunctions.h"
#include "dialects/plx/Activations.h"
#include "dialects/plx/Formula.h"
#include "llvm/ADT/StringExtras.h"
#include <numbers>

using namespace mlir;
using namespace mlir::kan;

namespace {

/// The functions of the list that take more than one operation.
struct Formula : plx::Formula {
  Value power(Value x, int exponent) {
    if (exponent == 1)
      return x;
    Value half = power(x, exponent / 2), square = mul(half, half);
    return exponent % 2 ? mul(square, x) : square;
  }
  /// 0 and NaN stay.
  Value sign(Value x) {
    Value one = math::CopySignOp::create(b, c(1), x);
    Value some = arith::CmpFOp::create(b, arith::CmpFPredicate::ONE, x, c(0));
    return select(some, one, x);
  }
  /// Cephes' atanf: |x| is brought into [0, tan(pi/8)], error below 2 ulp.
  Value arctan(Value x) {
    constexpr double pi = std::numbers::pi;
    Value size = abs(x);
    Value large = above(size, 2.414213562373095), medium = above(size, 0.4142135623730950);
    Value folded = div(sub(size, c(1)), add(size, c(1)));
    Value reduced = select(large, neg(inverse(size)), select(medium, folded, size));
    Value start = select(large, c(pi / 2), select(medium, c(pi / 4), c(0)));
    Value z = mul(reduced, reduced), sum = c(8.05374449538e-2);
    for (double next : {-1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1})
      sum = add(mul(sum, z), c(next));
    Value result = add(start, add(mul(mul(sum, z), reduced), reduced));
    return math::CopySignOp::create(b, result, x);
  }
  /// arctan(x / sqrt(1 - x^2)); NaN beyond 1.
  Value arcsin(Value x) { return arctan(div(x, sqrt(mul(sub(c(1), x), add(c(1), x))))); }
  Value gaussian(Value x) { return exp(neg(mul(x, x))); }
};

using Form = Value (*)(Formula &, Value);
struct Function {
  StringLiteral name;
  Form form;
};

constexpr Function kFunctions[] = {
    {"x", [](Formula &, Value x) { return x; }},
    {"x^2", [](Formula &f, Value x) { return f.power(x, 2); }},
    {"x^3", [](Formula &f, Value x) { return f.power(x, 3); }},
    {"x^4", [](Formula &f, Value x) { return f.power(x, 4); }},
    {"x^5", [](Formula &f, Value x) { return f.power(x, 5); }},
    {"1/x", [](Formula &f, Value x) { return f.inverse(x); }},
    {"1/x^2", [](Formula &f, Value x) { return f.inverse(f.power(x, 2)); }},
    {"1/x^3", [](Formula &f, Value x) { return f.inverse(f.power(x, 3)); }},
    {"1/x^4", [](Formula &f, Value x) { return f.inverse(f.power(x, 4)); }},
    {"1/x^5", [](Formula &f, Value x) { return f.inverse(f.power(x, 5)); }},
    {"sqrt", [](Formula &f, Value x) { return f.sqrt(x); }},
    {"x^0.5", [](Formula &f, Value x) { return f.sqrt(x); }},
    {"x^1.5", [](Formula &f, Value x) { return f.power(f.sqrt(x), 3); }},
    {"1/sqrt(x)", [](Formula &f, Value x) { return f.inverse(f.sqrt(x)); }},
    {"1/x^0.5", [](Formula &f, Value x) { return f.inverse(f.sqrt(x)); }},
    {"exp", [](Formula &f, Value x) { return f.exp(x); }},
    {"log", [](Formula &f, Value x) -> Value { return math::LogOp::create(f.b, x); }},
    {"abs", [](Formula &f, Value x) { return f.abs(x); }},
    {"sin", [](Formula &f, Value x) -> Value { return math::SinOp::create(f.b, x); }},
    {"cos", [](Formula &f, Value x) -> Value { return math::CosOp::create(f.b, x); }},
    {"tan",
     [](Formula &f, Value x) {
       return f.div(math::SinOp::create(f.b, x), math::CosOp::create(f.b, x));
     }},
    {"tanh", [](Formula &f, Value x) -> Value { return math::TanhOp::create(f.b, x); }},
    {"sgn", [](Formula &f, Value x) { return f.sign(x); }},
    {"arcsin", [](Formula &f, Value x) { return f.arcsin(x); }},
    {"arccos", [](Formula &f, Value x) { return f.sub(f.c(std::numbers::pi / 2), f.arcsin(x)); }},
    {"arctan", [](Formula &f, Value x) { return f.arctan(x); }},
    {"arctanh",
     [](Formula &f, Value x) {
       // log1p(2x / (1 - x)) / 2
       Value ratio = f.div(f.add(x, x), f.sub(f.c(1), x));
       return f.mul(f.c(0.5), math::Log1pOp::create(f.b, ratio));
     }},
    {"0", [](Formula &f, Value x) { return f.mul(x, f.c(0)); }},
    {"gaussian", [](Formula &f, Value x) { return f.gaussian(x); }},
};

const Function *find(StringRef name) {
  for (const Function &function : kFunctions)
    if (function.name == name)
      return &function;
  return nullptr;
}

} // namespace

bool kan::isSymbolicFunction(StringRef name) { return find(name); }

bool kan::isNodeFunction(StringRef name) {
  return find(name) || plx::symbolizeActivationKind(name);
}

std::string kan::symbolicFunctionList() {
  return llvm::join(llvm::map_range(kFunctions, [](const Function &f) { return f.name.str(); }),
                    ", ");
}

Value kan::buildNodeFunction(ImplicitLocOpBuilder &builder, StringRef name, Value x) {
  Formula formula{{builder, x.getType()}};
  if (const Function *function = find(name))
    return function->form(formula, x);
  return plx::buildActivation(builder, *plx::symbolizeActivationKind(name), x);
}

Value kan::buildWavelet(ImplicitLocOpBuilder &builder, WaveletKind kind, Value z) {
  Formula f{{builder, z.getType()}};
  Value square = f.mul(z, z), bell = f.exp(f.mul(f.c(-0.5), square));
  switch (kind) {
  case WaveletKind::MexicanHat:
    return f.mul(f.mul(f.c(0.86732507058407748), f.sub(square, f.c(1))), bell);
  case WaveletKind::Morlet:
    return f.mul(math::CosOp::create(builder, f.mul(f.c(5), z)), bell);
  case WaveletKind::Dog:
    break;
  }
  return f.mul(f.neg(z), bell);
}
