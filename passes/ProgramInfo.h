//===- ProgramInfo.h - what a runtime must know of a model's segments -------------------*- C++
//-*-===//
// Segments, their tables and taps, read from a module in the plx dialects before it is lowered.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_PROGRAMINFO_H
#define PLEXUS_PASSES_PROGRAMINFO_H

#include "dialects/plx/PlxOps.h"
#include "llvm/ADT/StringRef.h"
#include <string>
#include <vector>

namespace plexus::compiler {

/// Ends the name of a segment's tapped variant.
inline constexpr llvm::StringLiteral kTappedSuffix = "__tapped";

/// A tensor at a segment's border.
struct TensorInfo {
  std::string rows; ///< "T", "S", "R", or "" where the leading dimension is static
  mlir::RankedTensorType type;
};

/// A tap of a tapped variant and the value that it shows.
struct TapInfo {
  std::string name;
  TensorInfo tensor;
};

/// One segment as its entry point sees it. Its tapped variant is not listed apart.
struct SegmentInfo {
  std::string name;
  std::string symbol;  ///< entry point, "plx_<name>"
  std::string scratch; ///< scratch function, "plx_<name>_scratch"
  std::vector<TensorInfo> inputs, outputs;
  std::vector<std::string> weights, states; ///< in the order of the call's tables
  int64_t scalars = 0;
  std::string tappedSymbol, tappedScratch; ///< empty without taps
  std::vector<TapInfo> taps;
  /// A tapped variant has tables of its own, which fusion may have ordered differently.
  std::vector<std::string> tappedWeights, tappedStates;
};

/// The segments of `model` in order. Call after the passes of buildPipeline, before lowerToCpu.
std::vector<SegmentInfo> collectSegments(mlir::plx::ModelOp model);

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_PROGRAMINFO_H
