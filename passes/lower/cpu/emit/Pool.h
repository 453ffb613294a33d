// Emits pools over windows of maps (Plx_PoolWindowOp).
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_POOL_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_POOL_H

#include "dialects/plx/Window.h"
#include "mlir/IR/Builders.h"
#include "passes/lower/cpu/emit/Isa.h"

namespace plexus::emit {

/// A pool over windows without padding, dilation 1; `isMax` says mean or max.
struct PoolShape {
  int64_t channels = 0;
  mlir::plx::WindowAxis height, width;
  bool isMax = false;

  /// Whether lanes are neighbouring windows, which are sorted out of the vectors that hold them; a
  /// long window is read in vectors along it.
  bool acrossWindows(const Isa &isa) const;
};

/// `input` [rows * channels * height * width] to `output` [rows * channels * results], flat f32.
void emitPoolWindow(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                    const PoolShape &shape, mlir::Value rows, mlir::Value input,
                    mlir::Value output);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_POOL_H
