// Diagonal state spaces over whole sequences: a scan of chunks, and the kernel of a convolution.
#include "passes/lower/cpu/emit/DiagonalForms.h"
#include "passes/lower/cpu/emit/Fourier.h"

using namespace mlir;

namespace plexus::emit {

ssm::Coefficients DiagonalSystem::coefficients(const Code &code, Value mode, Value channel,
                                               VectorType type) const {
  auto load = [&](Value memref) { return code.loadVector(type, memref, {mode, channel}); };
  return {{load(a[0]), load(a[1])}, {load(b[0]), load(b[1])}};
}

namespace {

/// Chunks that run side by side.
constexpr int64_t kChunks = 8;

/// One mode of one vector of channels along a sequence.
class ModeScan {
public:
  ModeScan(const Code &code, const DiagonalSystem &system, const Span &span, Value mode,
           Value channel, VectorType type)
      : code(code), math{code}, system(system), span(span), channel(channel), type(type),
        other(code.add(channel, system.channels)),
        coefficients(system.coefficients(code, mode, channel, type)),
        chunk(code.div(span.length(code), kChunks)) {
    if (system.hasReadout())
      readout = {code.loadVector(type, system.readout[0], {mode, channel}),
                 code.loadVector(type, system.readout[1], {mode, channel})};
  }

  /// From the state before the first token to that behind the last one.
  Complex emit(const Complex &before) {
    Code::Values ends = runChunks(before);
    Complex power{ends[2 * kChunks], ends[2 * kChunks + 1]};
    llvm::SmallVector<Complex> after{{ends[0], ends[1]}};
    for (int64_t k = 1; k < kChunks; ++k)
      after.push_back(
          math.add(math.mul(power, after.back()), Complex{ends[2 * k], ends[2 * k + 1]}));
    addStarts(after);
    return runRest(after.back());
  }

private:
  Complex inputOf(Value token) const {
    Value real = code.loadVector(type, system.input, {token, channel});
    return {real,
            system.hasReadout() ? Value() : code.loadVector(type, system.input, {token, other})};
  }
  Complex next(const Complex &state, Value token) const {
    ImplicitLocOpBuilder b(code.loc, code.builder);
    return ssm::buildModeStep(b, coefficients, state, inputOf(token));
  }

  /// Adds the state's part to the token's row; `fresh`: rows of complex numbers begin with it.
  void give(Value token, const Complex &state, bool fresh) const {
    auto addTo = [&](Value column, Value value) {
      if (system.hasReadout() || !fresh)
        value = code.make<arith::AddFOp>(value, code.loadVector(type, system.out, {token, column}));
      code.storeVector(value, system.out, {token, column});
    };
    if (!system.hasReadout()) {
      addTo(channel, state.real);
      addTo(other, state.imag);
      return;
    }
    Value y = math.mul(readout, state).real;
    addTo(channel, code.make<arith::MulFOp>(y, code.constant(type, system.factor)));
  }

  /// The chunks' states behind their last tokens, all but the first begun at zero, then a^chunk.
  Code::Values runChunks(const Complex &before) const {
    Code::Values start(2 * kChunks, code.constant(type, 0));
    start[0] = before.real, start[1] = before.imag;
    start.append({code.constant(type, 1), code.constant(type, 0)});
    return code.loop(code.index(0), chunk, 1, start, [&](Value number, ValueRange last) {
      Code::Values made;
      for (int64_t k = 0; k < kChunks; ++k) {
        Value token = span.token(code, code.add(code.mul(chunk, k), number));
        Complex state = next({last[2 * k], last[2 * k + 1]}, token);
        give(token, state, /*fresh=*/true);
        made.append({state.real, state.imag});
      }
      Complex power = math.mul({last[2 * kChunks], last[2 * kChunks + 1]}, coefficients.a);
      made.append({power.real, power.imag});
      return made;
    });
  }

  /// Adds a^(i + 1) times the state before the chunk to the i-th token of each but the first.
  void addStarts(llvm::ArrayRef<Complex> after) const {
    code.loop(code.index(0), chunk, 1, {code.constant(type, 1), code.constant(type, 0)},
              [&](Value number, ValueRange last) {
                Complex power = math.mul({last[0], last[1]}, coefficients.a);
                for (int64_t k = 1; k < kChunks; ++k) {
                  Value token = span.token(code, code.add(code.mul(chunk, k), number));
                  give(token, math.mul(power, after[k - 1]), /*fresh=*/false);
                }
                return Code::Values{power.real, power.imag};
              });
  }

  /// The tokens that no chunk has, fewer than there are chunks.
  Complex runRest(const Complex &start) const {
    Code::Values end = code.loop(code.mul(chunk, kChunks), span.length(code), 1,
                                 {start.real, start.imag}, [&](Value number, ValueRange last) {
                                   Value token = span.token(code, number);
                                   Complex state = next({last[0], last[1]}, token);
                                   give(token, state, /*fresh=*/true);
                                   return Code::Values{state.real, state.imag};
                                 });
    return {end[0], end[1]};
  }

  const Code &code;
  ComplexCode math;
  const DiagonalSystem &system;
  Span span;
  Value channel;
  VectorType type;
  Value other;
  ssm::Coefficients coefficients;
  Value chunk;
  Complex readout;
};

} // namespace

void emitDiagonalScan(const Code &code, const DiagonalSystem &system, const CarryFields &fields,
                      const Span &span, Value channel, VectorType type) {
  if (system.hasReadout())
    code.loop(span.begin, span.end, 1, [&](Value token) {
      code.storeVector(code.constant(type, 0), system.out, {token, channel});
    });
  Code::Values zero(2, code.constant(type, 0));
  code.loop(0, system.modes, 1, [&](Value mode) {
    auto element = [&](Value row) { return code.add(code.mul(row, system.channels), channel); };
    CarryPiece pieces[] = {{element(mode), type}, {element(code.add(mode, system.modes)), type}};
    Code::Values before = loadPieces(code, fields, span.begin, pieces, zero);
    Complex after = ModeScan(code, system, span, mode, channel, type).emit({before[0], before[1]});
    storePieces(code, fields, code.sub(span.end, code.index(1)), pieces,
                ValueRange{after.real, after.imag});
  });
}

/// One mode's part. `kSteps` rows go at a time by a^kSteps, so that a row does not wait for the one
/// before it.
static void emitModeKernel(const Code &code, const DiagonalSystem &system, const KernelPart &part,
                           Value mode, Value length) {
  constexpr int64_t kSteps = 4;
  ComplexCode math{code};
  ssm::Coefficients made = system.coefficients(code, mode, part.channel, part.type);
  auto scaled = [&](Value memref) -> Value {
    return code.make<arith::MulFOp>(code.loadVector(part.type, memref, {mode, part.channel}),
                                    code.constant(part.type, system.factor));
  };
  Complex square = math.mul(made.a, made.a), leap = math.mul(square, square);
  Complex value = math.mul({scaled(system.readout[0]), scaled(system.readout[1])}, made.b);
  Code::Values start;
  for (int64_t i = 0; i < kSteps; ++i, value = math.mul(value, made.a))
    start.append({value.real, value.imag});
  Value whole = code.mul(code.div(length, kSteps), kSteps);
  Code::Values end = code.loop(code.index(0), whole, kSteps, start,
                               [&](Value row, ValueRange last) -> Code::Values {
                                 Code::Values next;
                                 for (int64_t i = 0; i < kSteps; ++i) {
                                   part.add(code, code.add(row, i), last[2 * i]);
                                   Complex power = math.mul({last[2 * i], last[2 * i + 1]}, leap);
                                   next.append({power.real, power.imag});
                                 }
                                 return next;
                               });
  // Of a length of 1 or 2.
  for (int64_t i = 0; i < 2; ++i)
    code.ifThen(code.less(code.add(whole, i), length),
                [&] { part.add(code, code.add(whole, i), end[2 * i]); });
}

void emitDiagonalKernel(const Code &code, const DiagonalSystem &system, const KernelPart &part,
                        Value length) {
  code.loop(0, system.modes, 1,
            [&](Value mode) { emitModeKernel(code, system, part, mode, length); });
}

} // namespace plexus::emit
