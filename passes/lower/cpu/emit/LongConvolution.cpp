// Convolution of whole sequences by Fourier transforms.
#include "passes/lower/cpu/emit/LongConvolution.h"
#include "passes/lower/cpu/emit/Fourier.h"

using namespace mlir;

namespace plexus::emit {
namespace {

/// A pair of vectors of channels.
class ConvolvedPair {
public:
  ConvolvedPair(const Code &code, const LongConvolution &system, const Roots &roots, Value item,
                llvm::ArrayRef<KernelPart> parts, KernelMaker make)
      : code(code), math{code}, system(system), roots(roots), parts(parts), make(make),
        rows{system.rows, item, system.lanes}, kernel{system.kernel, item, system.lanes} {}

  void emit(int64_t shortest) {
    // Carried: the length of transforms that the kernel is for; 0: there is none.
    code.loop(code.index(0), system.batch.sequences, 1, code.index(0),
              [&](Value sequence, ValueRange have) -> Code::Values {
                Span span = Span::of(code, system.batch, sequence, system.reverse);
                Value length = span.length(code);
                return code.ifElse(
                    code.less(length, code.index(shortest)), have.getTypes(),
                    [&] { return Code::Values(have); },
                    [&]() -> Code::Values {
                      FourierSize size = emitFourierSize(code, code.mul(length, 2));
                      Value known =
                          code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, have[0], size.size);
                      code.ifElse(known, [] {}, [&] { makeKernel(size); });
                      convolve(span, size);
                      return {size.size};
                    });
              });
  }

private:
  void clear(const FourierRows &buffer, Value begin, Value end) const {
    Value zero = code.constant(code.floats(system.lanes), 0);
    code.loop(begin, end, 1, [&](Value row) { buffer.store(code, row, {zero, zero}); });
  }
  /// The transform of the kernel's first half of `size`, which is at least every sequence's length.
  void makeKernel(const FourierSize &size) const {
    clear(kernel, code.index(0), size.size);
    for (const KernelPart &part : parts)
      make(part, code.div(size.size, 2));
    emitFourier(code, roots, kernel, size);
  }

  Code::Values placeOf(Value row, const KernelPart &part) const {
    return {rows.item, row, code.index(part.place)};
  }

  void convolve(const Span &span, const FourierSize &size) const {
    Value length = span.length(code), zero = code.constant(code.floats(system.lanes), 0);
    code.loop(code.index(0), length, 1, [&](Value number) {
      if (parts.size() < 2 || parts.back().type.getNumElements() < system.lanes)
        rows.store(code, number, {zero, zero});
      Value token = span.token(code, number);
      for (const KernelPart &part : parts)
        code.storeVector(code.loadVector(part.type, system.input, {token, part.channel}),
                         rows.memref, placeOf(number, part));
    });
    clear(rows, length, size.size);
    emitFourier(code, roots, rows, size);
    multiply(size);
    emitInverseFourier(code, roots, rows, size);
    code.loop(code.index(0), length, 1, [&](Value number) {
      Value token = span.token(code, number);
      for (const KernelPart &part : parts)
        code.storeVector(code.loadVector(part.type, rows.memref, placeOf(number, part)), system.out,
                         {token, part.channel});
    });
  }

  Value times(Value x, Value y) const { return code.make<arith::MulFOp>(x, y); }

  /// Rows times the kernel, each channel by its own: the transform of a pair at a frequency and at
  /// its opposite holds both channels' values.
  void multiply(const FourierSize &size) const {
    VectorType type = code.floats(system.lanes);
    Value one = code.constant(code.builder.getF32Type(), 1);
    Value count = code.make<arith::SIToFPOp>(code.builder.getF32Type(), code.toI64(size.size));
    Value scale = code.splat(system.lanes, code.make<arith::DivFOp>(one, count));
    for (int64_t row = 0; row < 2; ++row) {
      Value place = code.index(row);
      Complex u = rows.load(code, place), k = kernel.load(code, place);
      rows.store(code, place,
                 {times(times(u.real, k.real), scale), times(times(u.imag, k.imag), scale)});
    }
    Value quarter = times(scale, code.constant(type, 0.25)); // Both factors are twice their value.
    code.loop(code.index(1), size.stages, 1, code.index(2), [&](Value, ValueRange block) {
      Value last = code.add(code.mul(block[0], 2), -1);
      code.loop(code.index(0), code.div(block[0], 2), 1, [&](Value d) {
        multiplyOpposites(code.add(block[0], d), code.sub(last, d), quarter);
      });
      return Code::Values{code.mul(block[0], 2)};
    });
  }

  /// Twice the value of each channel of a pair at the frequency of `x`, whose opposite has `y`.
  std::pair<Complex, Complex> apart(const Complex &x, const Complex &y) const {
    Complex sum = math.add(x, y), difference = math.sub(x, y);
    return {{sum.real, difference.imag}, {sum.imag, math.negative(difference.real)}};
  }

  void multiplyOpposites(Value at, Value opposite, Value scale) const {
    auto [u, v] = apart(rows.load(code, at), rows.load(code, opposite));
    auto [k, l] = apart(kernel.load(code, at), kernel.load(code, opposite));
    Complex p = math.mul(u, k), q = math.mul(v, l);
    p = {times(p.real, scale), times(p.imag, scale)};
    q = {times(q.real, scale), times(q.imag, scale)};
    rows.store(
        code, at,
        {code.make<arith::SubFOp>(p.real, q.imag), code.make<arith::AddFOp>(p.imag, q.real)});
    rows.store(
        code, opposite,
        {code.make<arith::AddFOp>(p.real, q.imag), code.make<arith::SubFOp>(q.real, p.imag)});
  }

  const Code &code;
  ComplexCode math;
  const LongConvolution &system;
  Roots roots;
  llvm::ArrayRef<KernelPart> parts;
  KernelMaker make;
  FourierRows rows, kernel;
};

Value longestSequence(const Code &code, const LongConvolution &system) {
  return code
      .loop(code.index(0), system.batch.sequences, 1, code.index(0),
            [&](Value sequence, ValueRange most) -> Code::Values {
              return {code.max(
                  most[0], Span::of(code, system.batch, sequence, system.reverse).length(code))};
            })
      .front();
}

} // namespace

Span Span::of(const Code &code, const BatchFields &batch, Value sequence, bool reverse) {
  auto border = [&](Value number) {
    return loadI32(code.builder, code.loc, batch.tokenBegin, number);
  };
  return {border(sequence), border(code.add(sequence, 1)), reverse};
}

Value Span::token(const Code &code, Value number) const {
  return reverse ? code.sub(code.add(end, -1), number) : code.add(begin, number);
}

void KernelPart::add(const Code &code, Value row, Value value) const {
  Value sum = code.make<arith::AddFOp>(code.loadVector(type, memref, at(code, row)), value);
  code.storeVector(sum, memref, at(code, row));
}

void emitLongConvolution(const Code &code, const LongConvolution &convolution, int64_t shortest,
                         KernelMaker make) {
  int64_t lanes = convolution.lanes, pairs = convolution.channels / (2 * lanes);
  Value longest = longestSequence(code, convolution);
  code.ifElse(
      code.less(longest, code.index(shortest)), [] {},
      [&] {
        Roots roots{convolution.roots, emitFourierSize(code, code.mul(longest, 2)).size};
        emitRoots(code, lanes, roots);
        auto pair = [&](Value item, Value channel, llvm::ArrayRef<VectorType> types) {
          llvm::SmallVector<KernelPart> parts;
          for (auto [i, type] : llvm::enumerate(types)) {
            int64_t place = static_cast<int64_t>(i) * lanes;
            parts.push_back({code.add(channel, place), type, convolution.kernel, item, place});
          }
          ConvolvedPair(code, convolution, roots, item, parts, make).emit(shortest);
        };
        if (pairs > 0)
          code.parallel(code.index(pairs), [&](Value item) {
            pair(item, code.mul(item, 2 * lanes), {code.floats(lanes), code.floats(lanes)});
          });
        llvm::SmallVector<VectorType> rest;
        for (int64_t left = convolution.channels - pairs * 2 * lanes; left > 0; left -= lanes)
          rest.push_back(code.floats(std::min(left, lanes)));
        if (!rest.empty())
          pair(code.index(pairs), code.index(pairs * 2 * lanes), rest);
      });
}

} // namespace plexus::emit
