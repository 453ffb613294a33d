// How a segment's variant with taps is found.
#ifndef PLEXUS_PASSES_RAISE_TAPS_H
#define PLEXUS_PASSES_RAISE_TAPS_H

#include "llvm/ADT/StringRef.h"

namespace plexus::compiler {

/// Ends the name of a segment's tapped variant, which plx-split-taps makes.
inline constexpr llvm::StringLiteral kTappedSuffix = "__tapped";

/// Begins the names of taps that plx-probe-products makes; the weight's name follows.
inline constexpr llvm::StringLiteral kProbePrefix = "input.";

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_RAISE_TAPS_H
