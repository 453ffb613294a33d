// Keys and values as bytes (runtime/state/KvForm.h): rounding of rows, and pages back to f32.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_KVCODES_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_KVCODES_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Isa.h"
#include "runtime/state/KvForm.h"

namespace plexus::emit {

/// Keys or values of a quantized state: where codes and scales of a page lie.
class KvCodes {
public:
  KvCodes(const Code &code, const Isa &isa, const KvPartLayout &layout, bool keys)
      : code(code), lanes(isa.lanes()), layout(layout), keys(keys) {}

  /// Rounds row [dim] of f32 in `row` (a stack memref of layout.paddedDim() elements, what is
  /// behind dim is overwritten) to place `token` (index) of head `head` of the part at `part`
  /// (!llvm.ptr).
  void write(mlir::Value part, mlir::Value head, mlir::Value token, mlir::Value row) const;

  /// Decodes a head of a page to `out`, a memref of f32: keys [paddedDim][32], values
  /// [32][paddedDim].
  void decode(mlir::Value part, mlir::Value head, mlir::Value out) const;

  /// One entry (index) of a token's head as f32.
  mlir::Value element(mlir::Value part, mlir::Value head, mlir::Value token,
                      mlir::Value entry) const;

private:
  mlir::Value codeAddress(mlir::Value part, mlir::Value head, mlir::Value token,
                          mlir::Value byte) const;
  /// Of the scale (0) or minimum (1) of a group.
  mlir::Value scaleAddress(mlir::Value part, mlir::Value head, mlir::Value token, mlir::Value group,
                           int64_t which) const;
  void writeGroup(mlir::Value part, mlir::Value head, mlir::Value token, mlir::Value group,
                  mlir::Value row, mlir::Value codes) const;
  mlir::Value bytesToFloats(mlir::Value bytes) const;
  void decodeKeys(mlir::Value part, mlir::Value head, mlir::Value out) const;
  void decodeValues(mlir::Value part, mlir::Value head, mlir::Value out) const;
  mlir::Value loadHalf(mlir::Value address) const;

  const Code &code;
  int64_t lanes;
  KvPartLayout layout;
  bool keys;
};

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_KVCODES_H
