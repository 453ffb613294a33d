// Generates the decoding of a quantized weight's blocks to a plain form that oneDNN reads.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_PANEL_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_PANEL_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Product.h"

namespace plexus::emit {

/// Some neighbouring blocks of 64 columns of a weight as plain floats.
struct PanelSpec {
  PackedForm form; ///< Of the weight, quantized.
  int64_t k = 0;   ///< Its rows.
  /// bf16 in the layout PLX_LAYOUT_BF16, needs isa.bf16Dot; otherwise f32, PLX_LAYOUT_F32.
  bool pairs = false;
  int64_t blocks = 1; ///< Most blocks of a panel.

  /// Bytes of a panel.
  int64_t bytes() const { return blocks * k * kPackedColumns * (pairs ? 2 : 4); }
  /// Whether a panel has no padding: what else could be read as weights.
  bool fits() const { return k % 32 == 0 && (form.group == 0 || k % form.group == 0); }
};

/// Stores rows of 64 decoded columns, a vector of them at a time: each k as f32, or two neighbours
/// as one row of bf16 pairs.
/// Pairs need isa.bf16Dot.
class PanelRows {
public:
  /// `panel`: memref<?xi8> with room for `depth` k of 64 columns; the first row begins at k 0.
  PanelRows(Code code, bool pairs, mlir::Value panel, int64_t depth);

  /// Vectors of a column come in the order of k, beginning at an even one.
  void store(mlir::Value k, mlir::Value column, mlir::Value value);

private:
  Code code;
  bool pairs;
  mlir::Value rows, even, evenK;
};

/// Decodes blocks [first, first + count) of `weight` (memref<?xi8>) to `panel` (memref<?xi8> of
/// spec.bytes()), in an `scf.parallel` over blocks. Needs spec.fits().
void emitPanel(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa, const PanelSpec &spec,
               mlir::Value weight, mlir::Value first, mlir::Value count, mlir::Value panel);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_PANEL_H
