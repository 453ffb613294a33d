// How lines of a map are cut into tiles for convolutions by spectra.
#ifndef PLEXUS_DIALECTS_PLX_SPECTRALTILES_H
#define PLEXUS_DIALECTS_PLX_SPECTRALTILES_H

#include "dialects/plx/Window.h"
#include "runtime/io/Spectrum.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::plx {

/// Tiles of `points` samples that cover a line of `axis`, each `step` results behind the one
/// before it (Plx_ConvOp, `points`). Tile t has the results t * step to (t + 1) * step, the last
/// one what is left.
struct SpectralTiles {
  int64_t points, results, count, step;

  SpectralTiles(const WindowAxis &axis, int64_t points)
      : points(points), results(axis.result()),
        count(llvm::divideCeil(results, points - axis.kernel + 1)),
        step(llvm::divideCeil(results, count)) {}

  int64_t bins() const { return points / 2; }
  /// Vectors of kSpectrumLanes complex numbers of a tile.
  int64_t blocks() const { return bins() / plexus::kSpectrumLanes; }
  /// Results of the last tile.
  int64_t least() const { return results - (count - 1) * step; }
};

} // namespace mlir::plx

#endif // PLEXUS_DIALECTS_PLX_SPECTRALTILES_H
