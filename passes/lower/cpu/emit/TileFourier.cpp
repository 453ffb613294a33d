// Transforms of short tiles of real samples, in registers.
#include "passes/lower/cpu/emit/TileFourier.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "runtime/io/Spectrum.h"
#include <cmath>

using namespace mlir;

namespace plexus::emit {

double TileFourier::angle(int64_t place, int64_t span) const {
  int64_t level = 0;
  for (int64_t size = bins; size > 2 * span; size /= 2)
    ++level;
  return spectrumAngle(level, place / (2 * span)) / 2;
}

Complex TileFourier::constant(llvm::function_ref<std::pair<double, double>(int64_t)> at) const {
  SmallVector<float> real, imag;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    auto [x, y] = at(lane);
    real.push_back(static_cast<float>(x));
    imag.push_back(static_cast<float>(y));
  }
  auto made = [&](ArrayRef<float> numbers) -> Value {
    return code.make<arith::ConstantOp>(DenseElementsAttr::get(code.floats(lanes), numbers));
  };
  return {made(real), made(imag)};
}

Value TileFourier::shuffled(Value x, llvm::function_ref<int64_t(int64_t)> from) const {
  SmallVector<int64_t> places;
  for (int64_t lane = 0; lane < lanes; ++lane)
    places.push_back(from(lane));
  return code.make<vector::ShuffleOp>(x, x, places);
}

void TileFourier::forward(Tile &tile) const {
  for (int64_t span = bins / 2; span > 0; span /= 2)
    span >= lanes ? split(tile, span) : splitInside(tile, span);
}

void TileFourier::inverse(Tile &tile) const {
  for (int64_t span = 1; span < bins; span *= 2)
    span >= lanes ? join(tile, span) : joinInside(tile, span);
}

/// u = low + s high, v = low - s high = 2 low - u.
void TileFourier::split(Tile &tile, int64_t span) const {
  ComplexCode math{code};
  Value two = code.constant(code.floats(lanes), 2);
  for (int64_t first = 0; first < bins; first += 2 * span) {
    double s = angle(first, span);
    Complex root = constant([&](int64_t) { return std::pair(std::cos(s), std::sin(s)); });
    for (int64_t at = first; at < first + span; at += lanes) {
      Complex &low = tile[at / lanes], &high = tile[(at + span) / lanes];
      Value real = code.fma(high.real, root.real, low.real);
      Value imag = code.fma(high.real, root.imag, low.imag);
      real = code.fma(math.negative(high.imag), root.imag, real);
      imag = code.fma(high.imag, root.real, imag);
      high = {code.fma(two, low.real, math.negative(real)),
              code.fma(two, low.imag, math.negative(imag))};
      low = {real, imag};
    }
  }
}

/// The same with both halves in a vector: low + s high, with s of each half's sign.
void TileFourier::splitInside(Tile &tile, int64_t span) const {
  ComplexCode math{code};
  for (auto [index, x] : llvm::enumerate(tile)) {
    int64_t first = static_cast<int64_t>(index) * lanes;
    Complex root = constant([&](int64_t lane) {
      double s = angle(first + lane, span), sign = lane & span ? -1 : 1;
      return std::pair(sign * std::cos(s), sign * std::sin(s));
    });
    auto low = [&](Value part) { return shuffled(part, [&](int64_t l) { return l & ~span; }); };
    auto high = [&](Value part) { return shuffled(part, [&](int64_t l) { return l | span; }); };
    Complex h = {high(x.real), high(x.imag)};
    Value real = code.fma(h.real, root.real, low(x.real));
    Value imag = code.fma(h.real, root.imag, low(x.imag));
    x = {code.fma(math.negative(h.imag), root.imag, real), code.fma(h.imag, root.real, imag)};
  }
}

/// low = u + v, high = (u - v) / s; s has the absolute value 1.
void TileFourier::join(Tile &tile, int64_t span) const {
  ComplexCode math{code};
  for (int64_t first = 0; first < bins; first += 2 * span) {
    double s = angle(first, span);
    Complex root = constant([&](int64_t) { return std::pair(std::cos(s), std::sin(s)); });
    for (int64_t at = first; at < first + span; at += lanes) {
      Complex &u = tile[at / lanes], &v = tile[(at + span) / lanes];
      Complex low = math.add(u, v), difference = math.sub(u, v);
      v = math.mulConjugate(difference, root);
      u = low;
    }
  }
}

void TileFourier::joinInside(Tile &tile, int64_t span) const {
  ComplexCode math{code};
  Complex signs = constant([&](int64_t lane) { return std::pair(lane & span ? -1. : 1., 0.); });
  for (auto [index, x] : llvm::enumerate(tile)) {
    int64_t first = static_cast<int64_t>(index) * lanes;
    Complex root = constant([&](int64_t lane) {
      double s = lane & span ? angle(first + lane, span) : 0;
      return std::pair(std::cos(s), std::sin(s));
    });
    auto half = [&](Value part) -> Value {
      return code.fma(part, signs.real, shuffled(part, [&](int64_t lane) { return lane ^ span; }));
    };
    Complex both = {half(x.real), half(x.imag)};
    x = math.mulConjugate(both, root);
  }
}

} // namespace plexus::emit
