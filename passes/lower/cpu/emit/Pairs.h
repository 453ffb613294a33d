// Pairs of bf16: rounding to them, taking them apart, multiplying them.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_PAIRS_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_PAIRS_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Isa.h"
#include <utility>

namespace plexus::emit {

/// vdpbf16ps: sum + x[2i] w[2i] + x[2i+1] w[2i+1] in each lane of `sum` (f32, up to 16); x and w
/// hold as many pairs, as i32. Only where isa.bf16Dot.
mlir::Value pairDot(const Code &code, mlir::Value x, mlir::Value w, mlir::Value sum);

/// Two vectors of 16 f32 rounded to bf16, ties to even, as pairs lane by lane: vector<32 x bf16>.
/// Needs isa.bf16Dot.
mlir::Value roundToPairs(const Code &code, mlir::Value first, mlir::Value second);

/// The f32 vectors {first of each pair, second of each pair} of pairs as i32.
std::pair<mlir::Value, mlir::Value> widenPairs(const Code &code, mlir::Value pairs);

/// A vector of f32 as the bits of bf16 (i16), ties to even; NaN stays NaN.
mlir::Value roundToBf16(const Code &code, const Isa &isa, mlir::Value vector);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_PAIRS_H
