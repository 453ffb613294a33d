// Emits convolutions of maps by the spectra of tiles of their lines (Plx_ConvOp, `points`).
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_CONVSPECTRUM_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_CONVSPECTRUM_H

#include "dialects/plx/SpectralTiles.h"
#include "passes/lower/cpu/emit/Conv.h"

namespace plexus::emit {

/// A convolution of one group, with stride and dilation 1 along the width.
struct SpectralConv {
  ConvShape shape;
  mlir::plx::SpectralTiles tiles;

  /// Lines of a row's input, with the pads.
  int64_t lines() const { return shape.channels * shape.height.padded(); }
  /// Elements of the spectra of a row's input.
  int64_t spectraElements() const { return lines() * tiles.count * tiles.points; }
};

/// Filters times tiles that one item of emitConvSpectrum has at most.
int64_t spectralPart(const Isa &isa, const SpectralConv &conv);

/// Flat f32 buffers: `input` [rows * inputElements] (Conv.h), to `spectra`
/// [rows * spectraElements]: tile by tile, in it the blocks of 16 bins, in a block all lines.
void emitSpectra(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                 const SpectralConv &conv, mlir::Value rows, mlir::Value input,
                 mlir::Value spectra);

/// `weight` [filters, blocks, channels * kernel height, 2, 16], `bias` [filters] or null, `output`
/// as of emitConv. Lanes are bins; some filters times some tiles are summed in registers, in the
/// order of channels, then of the kernel's rows.
void emitConvSpectrum(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                      const SpectralConv &conv, mlir::Value rows, mlir::Value spectra,
                      mlir::Value weight, mlir::Value bias, mlir::Value output);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_CONVSPECTRUM_H
