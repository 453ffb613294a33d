// Emits convolutions of maps in integers of 8 bits (Plx_QuantizedConvOp).
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_BYTECONV_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_BYTECONV_H

#include "passes/lower/cpu/emit/Conv.h"

namespace plexus::emit {

/// A convolution whose products are dot products of quads of bytes: four neighbours along one axis
/// of the kernel. What it reads is laid out twice: as bytes with the pads around them, then as
/// words of four bytes, one for each place that a quad may begin at, so that the words of
/// neighbouring windows are neighbours.
struct ByteConvShape {
  enum class Axis { Channels, Height, Width };

  ConvShape conv;
  Axis axis = Axis::Width; ///< That quads lie along.

  int64_t groupChannels() const { return conv.channels / conv.groups; }
  /// Quads along the axis, and of a filter.
  int64_t axisQuads() const;
  int64_t quads() const;
  int64_t depth() const { return 4 * quads(); }
  /// Bytes of a line and of a row (of one n); lines have room for quads that begin at their end.
  int64_t lineBytes() const;
  int64_t rowBytes() const { return conv.channels * conv.height.padded() * lineBytes(); }
  /// Maps of words in a group; words of a line, whose columns are sorted by their remainder of the
  /// stride, and of a row.
  int64_t wordMaps() const;
  int64_t phaseWidth() const;
  int64_t lineWords() const { return phaseWidth() * conv.width.stride; }
  int64_t rowWords() const { return conv.groups * wordMaps() * conv.height.padded() * lineWords(); }
  /// Blocks of 64 filters of the packed weight.
  int64_t blocks() const { return (conv.filters + 63) / 64; }
};

/// What a convolution works on; flat memrefs.
struct ByteConvOperands {
  mlir::Value rows;   ///< index
  mlir::Value input;  ///< f32 [rows * channels * height * width]
  mlir::Value range;  ///< f32 [2]: scale and zero point
  mlir::Value weight; ///< i8, packed q8 with one scale a filter, [filters, depth()]
  mlir::Value bias;   ///< f32 [filters], or null
  mlir::Value bytes;  ///< i8 [rows * rowBytes()]
  mlir::Value words;  ///< i32 [rows * rowWords() + lanes]
  mlir::Value scales; ///< f32 [64 * blocks()]
  mlir::Value starts; ///< i32 [64 * blocks()]
  mlir::Value output; ///< f32 [rows * filters * height.result() * width.result()]
};

/// Rounds the input and lays it out.
void emitByteConvInput(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                       const ByteConvShape &shape, const ByteConvOperands &operands);
/// Scales of sums, and what the sums begin with: the zero point times the sum of the filter.
void emitByteConvScales(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                        const ByteConvShape &shape, const ByteConvOperands &operands);
/// The products, of what the two before have made. Sums are exact.
void emitByteConv(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                  const ByteConvShape &shape, const ByteConvOperands &operands);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_BYTECONV_H
