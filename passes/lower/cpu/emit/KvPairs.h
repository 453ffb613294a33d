// Keys and values as pairs of bf16 (runtime/state/KvForm.h): the writing of rows, and single
// entries.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_KVPAIRS_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_KVPAIRS_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Isa.h"
#include "runtime/state/KvForm.h"

namespace plexus::emit {

/// Keys or values of a state of bf16.
class KvPairs {
public:
  KvPairs(const Code &code, const Isa &isa, const KvPartLayout &layout, bool keys)
      : code(code), isa(isa), layout(layout), keys(keys) {}

  /// Rounds row [dim] of f32 in `row` (a stack memref of layout.paddedDim() elements, what is
  /// behind dim is overwritten) to place `token` (index) of head `head` of the part at `part`
  /// (!llvm.ptr). The other half of a pair of tokens is left alone: another thread may be writing
  /// it.
  void write(mlir::Value part, mlir::Value head, mlir::Value token, mlir::Value row) const;

  /// One entry (index) of a token's head as f32.
  mlir::Value element(mlir::Value part, mlir::Value head, mlir::Value token,
                      mlir::Value entry) const;

private:
  void writeKey(mlir::Value part, mlir::Value head, mlir::Value token, mlir::Value entry,
                mlir::Value halves) const;
  void writeValue(mlir::Value part, mlir::Value head, mlir::Value token, mlir::Value entry,
                  mlir::Value halves) const;

  const Code &code;
  const Isa &isa;
  KvPartLayout layout;
  bool keys;
};

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_KVPAIRS_H
