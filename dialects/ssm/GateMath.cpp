// Scalar formulas of gated recurrences.
#include "dialects/ssm/GateMath.h"
#include "dialects/ssm/Number.h"

using namespace mlir;
using namespace mlir::ssm;
using plx::ActivationKind;

Value ssm::buildRgLru(ImplicitLocOpBuilder &b, Value x, Value inputGate, Value recurrenceGate,
                      Value decay, Value first, Value last) {
  Number input = Number{b, inputGate}.activated(ActivationKind::Sigmoid);
  Number recurrence = Number{b, recurrenceGate}.activated(ActivationKind::Sigmoid);
  Number logA =
      recurrence.constant(-8) * recurrence * Number{b, decay}.activated(ActivationKind::Softplus);
  Number kept = (logA.constant(1) - (logA + logA).exp()).sqrt();
  Number zero = logA.constant(0), one = logA.constant(1);
  Number a = zero.of(arith::SelectOp::create(b, first, zero.v, logA.exp().v));
  Number factor = zero.of(arith::SelectOp::create(b, first, one.v, kept.v));
  return (a * Number{b, last} + Number{b, x} * input * factor).v;
}

Wkv ssm::buildWkv(ImplicitLocOpBuilder &b, Value key, Value value, Value decay, Value first,
                  const Wkv &last) {
  Number k{b, key}, v{b, value}, n{b, last.numerator}, d{b, last.denominator};
  // Nothing was seen yet where the denominator is 0: the largest exponent is -infinity then.
  Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, d.v, k.constant(0).v);
  Number m = k.of(arith::SelectOp::create(b, none, k.constant(-1e38).v, last.largest));
  Number bonus = k + Number{b, first}, largest = max(m, bonus);
  Number old = (m - largest).exp(), own = (bonus - largest).exp();
  Number result = (old * n + own * v) / (old * d + own);
  Number faded = m - Number{b, decay}.exp(), next = max(faded, k);
  Number kept = (faded - next).exp(), added = (k - next).exp();
  return {result.v, (kept * n + added * v).v, (kept * d + added).v, next.v};
}

Value ssm::buildDecay(ImplicitLocOpBuilder &b, Value rate, Value step, Value bias) {
  Number dt = (Number{b, step} + Number{b, bias}).activated(ActivationKind::Softplus);
  return (Number{b, rate} * dt).exp().v;
}
