// Diagonal plus low-rank state spaces in vectors of channels.
#include "passes/lower/cpu/emit/Dplr.h"

using namespace mlir;

namespace plexus::emit {
namespace {

/// A vector of channels with the state of its modes in `state`: real parts, then imaginary ones,
/// a vector of `lanes` each.
class DplrColumn {
public:
  DplrColumn(const Code &code, const DplrSystem &system, Value channel, VectorType type,
             Value state)
      : code(code), math{code}, system(system), channel(channel), type(type), state(state) {}

  void clear() const {
    code.loop(0, 2 * system.modes, 1, [&](Value row) {
      code.storeVector(code.constant(type, 0), state, {code.mul(row, system.lanes)});
    });
  }

  /// One step; returns y.
  Value step(Value u) const {
    Value recalled = sum([&](Value mode) { return term(at(system.q, mode), load(mode), false); });
    Value written = sum([&](Value mode) {
      Complex solved = math.mul(at(system.carry, mode), load(mode));
      solved = math.sub(solved, times(at(system.low, mode), recalled));
      solved = math.add(solved, times(at(system.drive, mode), u));
      store(mode, solved);
      return term(at(system.q, mode), solved, false);
    });
    Value less =
        code.make<arith::MulFOp>(written, code.loadVector(type, system.correction, {channel}));
    return sum([&](Value mode) {
      Complex next = math.sub(load(mode), times(at(system.low, mode), less));
      store(mode, next);
      return term(at(system.c, mode), next, true);
    });
  }

private:
  /// Twice the sum of what `body` gives for each mode.
  Value sum(llvm::function_ref<Value(Value mode)> body) const {
    Value made = code.loop(code.index(0), code.index(system.modes), 1, code.constant(type, 0),
                           [&](Value mode, ValueRange last) -> Code::Values {
                             return {code.make<arith::AddFOp>(last[0], body(mode))};
                           })
                     .front();
    return code.make<arith::AddFOp>(made, made);
  }
  /// The real part of conj(x) y, or with `plain` of x y.
  Value term(const Complex &x, const Complex &y, bool plain) const {
    Value real = code.make<arith::MulFOp>(x.real, y.real);
    return code.fma(plain ? math.negative(x.imag) : x.imag, y.imag, real);
  }
  Complex times(const Complex &x, Value y) const {
    return {code.make<arith::MulFOp>(x.real, y), code.make<arith::MulFOp>(x.imag, y)};
  }
  Complex at(Value memref, Value mode) const {
    return {code.loadVector(type, memref, {code.index(0), mode, channel}),
            code.loadVector(type, memref, {code.index(1), mode, channel})};
  }
  Complex at(const Value (&parts)[2], Value mode) const {
    return {code.loadVector(type, parts[0], {mode, channel}),
            code.loadVector(type, parts[1], {mode, channel})};
  }
  Value placeOf(Value mode) const { return code.mul(mode, system.lanes); }
  Value otherOf(Value mode) const { return code.add(placeOf(mode), system.modes * system.lanes); }
  Complex load(Value mode) const {
    return {code.loadVector(type, state, {placeOf(mode)}),
            code.loadVector(type, state, {otherOf(mode)})};
  }
  void store(Value mode, const Complex &value) const {
    code.storeVector(value.real, state, {placeOf(mode)});
    code.storeVector(value.imag, state, {otherOf(mode)});
  }

  const Code &code;
  ComplexCode math;
  const DplrSystem &system;
  Value channel;
  VectorType type;
  Value state;
};

Value stateBuffer(const Code &code, const DplrSystem &system) {
  return code.stackBuffer(2 * system.modes * system.lanes, code.builder.getF32Type());
}

} // namespace

void emitDplrRecurrence(const Code &code, const DplrSystem &system, const CarryFields &fields,
                        Value sequence, Value channel, VectorType type) {
  Value state = stateBuffer(code, system);
  DplrColumn column(code, system, channel, type, state);
  CarryBlock block{channel, system.channels, 2 * system.modes, type, state, system.lanes};
  forTokensInBlock(code, fields, sequence, block, system.reverse, [&](Value token) {
    Value y = column.step(code.loadVector(type, system.input, {token, channel}));
    code.storeVector(y, system.out, {token, channel});
  });
}

void emitDplrKernel(const Code &code, const DplrSystem &system, const KernelPart &part,
                    Value length) {
  code.stackScope([&] {
    DplrColumn column(code, system, part.channel, part.type, stateBuffer(code, system));
    column.clear();
    part.add(code, code.index(0), column.step(code.constant(part.type, 1)));
    code.loop(code.index(1), length, 1,
              [&](Value row) { part.add(code, row, column.step(code.constant(part.type, 0))); });
  });
}

} // namespace plexus::emit
