// Emits convolutions of maps whose weights are in blocks of filters (Plx_ConvOp, `blocked`).
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_CONV_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_CONV_H

#include "dialects/plx/PlxDialect.h"
#include "dialects/plx/Window.h"
#include "mlir/IR/Builders.h"
#include "passes/lower/cpu/emit/Isa.h"

namespace plexus::emit {

/// A convolution over two spatial axes, height and width.
struct ConvShape {
  int64_t channels = 0, filters = 0, groups = 1;
  mlir::plx::WindowAxis height, width;
  mlir::plx::ActivationKind activation = mlir::plx::ActivationKind::Identity;

  /// Whether the input is copied first: with zeros around it, its columns sorted by their remainder
  /// of the stride, so that neighbouring windows read neighbours.
  bool copies() const;
  /// Columns of one remainder of the stride.
  int64_t phaseWidth() const;
  /// Elements of a row's (of one n) input as the products read it.
  int64_t inputElements() const;
  /// Multiplications of one row.
  int64_t work() const;
};

/// Copies `input`, f32 [rows * channels * height * width], for a convolution that copies() to
/// `output`, f32 [rows * inputElements].
void emitConvInput(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                   const ConvShape &shape, mlir::Value rows, mlir::Value input, mlir::Value output);

/// Flat f32 buffers: `input` [rows * inputElements], `weight` in blocks, `bias` [filters] or null,
/// `output` [rows * filters * height.result * width.result]. Lanes are neighbouring columns; a
/// block of filters and some vectors of columns are summed in registers. An output element is one
/// chain of fused multiplications over channels, then rows and columns of the kernel (those of long
/// kernels in steps of a vector's length).
void emitConv(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa, const ConvShape &shape,
              mlir::Value rows, mlir::Value input, mlir::Value weight, mlir::Value bias,
              mlir::Value output);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_CONV_H
