//===- MapShapes.h - what the forms of convolutions share ---------------------------------*- C++
//-*-===//
// Shapes of convolutions over one or two spatial axes, and maps as vectors.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_LOWER_CPU_MAPSHAPES_H
#define PLEXUS_PASSES_LOWER_CPU_MAPSHAPES_H

#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Conv.h"

namespace plexus::compiler {

bool isF32(mlir::Value tensor);

/// Height and width of one or two spatial axes; maps of one have height 1.
std::pair<mlir::plx::WindowAxis, mlir::plx::WindowAxis> planar(const mlir::plx::WindowAxes &axes);

/// A convolution of `input` [rows, channels, ...] with a kernel [O, C / groups, K...]. With
/// `joinsLines` the lines of a map that is read entry by entry are one line.
emit::ConvShape convShape(mlir::Value input, llvm::ArrayRef<int64_t> kernel, int64_t groups,
                          const mlir::plx::WindowAxes &axes, mlir::plx::ActivationKind activation,
                          bool joinsLines = true);

/// `memref` without gaps, as one vector.
mlir::Value flatBuffer(SegmentLowering &segment, mlir::Location loc, mlir::Value memref);

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_MAPSHAPES_H
