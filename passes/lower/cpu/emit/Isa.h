// What the code emitters need to know about an instruction set level.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_ISA_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_ISA_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace plexus::emit {

/// How quads of bytes are multiplied and added.
enum class ByteDot {
  Generic, ///< by plain integer arithmetic: for tests, and what the others must equal
  Avx2,    ///< vpmaddubsw and vpmaddwd
  Vnni     ///< vpdpbusd
};

/// One instruction set level that an artifact may hold code for.
struct Isa {
  llvm::StringRef name;     ///< "x86-64-v3", "avx512": the name of the artifact's code section.
  llvm::StringRef cpu;      ///< LLVM's processor name.
  llvm::StringRef features; ///< LLVM's feature string on top of it.
  int64_t vectorBits;       ///< Width of the vectors that the emitters use: 256 or 512.
  int64_t vectorRegisters;
  bool bf16Dot;    ///< AVX512_BF16: vdpbf16ps.
  ByteDot byteDot; ///< Avx2 needs vectors of 256 bits, Vnni of 512.

  /// Lanes of a vector of f32.
  int64_t lanes() const { return vectorBits / 32; }
};

/// All levels, the most demanding one first (the order in which a loader tries them).
llvm::ArrayRef<Isa> isas();

/// The level of that name, or null.
const Isa *findIsa(llvm::StringRef name);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_ISA_H
