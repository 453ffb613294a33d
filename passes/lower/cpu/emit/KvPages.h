// How keys and values lie in pages (runtime/abi/Call.h), for the emitters that write and read them.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_KVPAGES_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_KVPAGES_H

#include "passes/lower/cpu/emit/Attention.h"
#include "runtime/abi/Call.h"

namespace plexus::emit {

constexpr int64_t kPageTokens = PLX_PAGE_TOKENS;

/// Bytes of all heads' keys (or values) in a page.
constexpr int64_t pagePartBytes(int64_t kvHeads, int64_t dim) {
  return kvHeads * dim * kPageTokens * static_cast<int64_t>(sizeof(float));
}

/// The f32 at `base` (!llvm.ptr) + `elements` (index) as an address.
mlir::Value elementAddress(const Code &code, mlir::Value base, mlir::Value elements);
/// Vector accesses to f32 behind a pointer, with no more alignment than an f32 has.
mlir::Value loadAt(const Code &code, mlir::VectorType type, mlir::Value pointer);
void storeAt(const Code &code, mlir::Value value, mlir::Value pointer);

/// Address of element [row, column] of a rank-2 memref of f32, and its row stride in elements.
struct RowAddress {
  mlir::Value pointer, stride;
};
RowAddress rowAddress(const Code &code, mlir::Value memref, mlir::Value row, mlir::Value column);

/// Address of a memref<?xi8>'s first byte.
mlir::Value bytesAddress(const Code &code, mlir::Value memref);

/// Writes key[token, kvHeads * keyDim] of `spec`, transposed and turned by `ropeTable` where there
/// is one, at `place` (index, slot in the page) of the page whose K starts at `page`.
void writeKey(const Code &code, const Isa &isa, const AttentionSpec &spec, mlir::Value ropeTable,
              mlir::Value key, mlir::Value token, mlir::Value page, mlir::Value place);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_KVPAGES_H
