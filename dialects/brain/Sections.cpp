// Filters of second-order sections.
#include "dialects/brain/Sections.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using ssm::Number;

static Number fma(Number x, double factor, Number addend) {
  return x.apply<math::FmaOp>(x.constant(factor).v, addend.v);
}

Value brain::buildCascade(ImplicitLocOpBuilder &b, SectionsRef sections, Value input,
                          SmallVectorImpl<Value> &states) {
  Number x(b, input);
  for (size_t s = 0; s * kSectionSize < sections.size(); ++s) {
    SectionsRef c = sections.slice(s * kSectionSize, kSectionSize);
    Value &first = states[2 * s], &second = states[2 * s + 1];
    Number y = fma(x, c[0], Number(b, first));
    first = fma(y, -c[4], fma(x, c[1], Number(b, second))).v;
    second = fma(y, -c[5], x * x.constant(c[2])).v;
    x = y;
  }
  return x.v;
}

SmallVector<double> brain::steadyStates(SectionsRef sections) {
  SmallVector<double> states;
  double level = 1;
  for (; !sections.empty(); sections = sections.drop_front(kSectionSize)) {
    double gain = (sections[0] + sections[1] + sections[2]) / (1 + sections[4] + sections[5]);
    double second = sections[2] - sections[5] * gain;
    states.append({level * (sections[1] - sections[4] * gain + second), level * second});
    level *= gain;
  }
  return states;
}

SmallVector<Value> brain::buildSteady(ImplicitLocOpBuilder &b, SectionsRef sections, Value input) {
  SmallVector<Value> states;
  Number x(b, input);
  for (double factor : steadyStates(sections))
    states.push_back((x * x.constant(factor)).v);
  return states;
}
