// How keys and values lie in pages (runtime/abi/Call.h), for the emitters that write and read them.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_KVPAGES_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_KVPAGES_H

#include "passes/lower/cpu/emit/Attention.h"
#include "runtime/abi/Call.h"

namespace plexus::emit {

constexpr int64_t kPageTokens = PLX_PAGE_TOKENS;

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

/// A slot of a page: the address of the page's keys (!llvm.ptr), and the place in it (index).
struct KvSlot {
  mlir::Value page, place;
};
/// What goes there: row `token` of key [T, kvHeads * keyDim] and of value [T, kvHeads * valueDim].
struct KvRows {
  mlir::Value key;
  mlir::Value value; ///< null with form F32: the keys alone
  mlir::Value token;
  mlir::Value ropeTable; ///< keys turn by it; or null
};
/// Writes one token in the form of `spec`.
void writeSlot(const Code &code, const Isa &isa, const AttentionSpec &spec, const KvSlot &slot,
               const KvRows &rows);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_KVPAGES_H
