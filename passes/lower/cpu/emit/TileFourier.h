// Transforms of short tiles of real samples, in registers.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_TILEFOURIER_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_TILEFOURIER_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Fourier.h"

namespace plexus::emit {

/// A tile of 2 H real samples is the polynomial sum (x[n] + i x[n + H]) z^n modulo z^H - i, which
/// is halved into z^(H/2) - s and z^(H/2) + s, and so on, down to its values at the H roots
/// (runtime/io/Spectrum.h). There, products of polynomials are products of numbers: a negacyclic
/// convolution of the samples. Unlike a Fourier transform of real numbers it has no bins of a kind
/// of their own, and no step needs a table beside one number for each half.
class TileFourier {
public:
  /// H / lanes vectors of `lanes` complex numbers, in order.
  using Tile = llvm::SmallVector<Complex>;

  /// `bins` is H, a power of 2 and a multiple of `lanes`.
  TileFourier(const Code &code, int64_t lanes, int64_t bins)
      : code(code), lanes(lanes), bins(bins) {}

  void forward(Tile &tile) const;
  /// The way back, times H.
  void inverse(Tile &tile) const;

private:
  /// Halves of `span` numbers each that lie in different vectors, or in the same ones.
  void split(Tile &tile, int64_t span) const;
  void splitInside(Tile &tile, int64_t span) const;
  void join(Tile &tile, int64_t span) const;
  void joinInside(Tile &tile, int64_t span) const;

  /// The root s of the polynomial's halves that hold number `place`.
  double angle(int64_t place, int64_t span) const;
  Complex constant(llvm::function_ref<std::pair<double, double>(int64_t lane)> at) const;
  mlir::Value shuffled(mlir::Value x, llvm::function_ref<int64_t(int64_t lane)> from) const;

  const Code &code;
  int64_t lanes, bins;
};

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_TILEFOURIER_H
