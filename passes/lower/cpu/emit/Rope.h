// Generates rotary position embedding.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_ROPE_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_ROPE_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Isa.h"

namespace plexus::emit {

/// Rotary embedding of the first `dims` of each head's `headDim` values (Su et al., RoFormer, eq.
/// 34).
struct RopeSpec {
  int64_t dims = 0;              ///< rotated values of a head, even
  bool interleaved = false;      ///< pairs are (2i, 2i+1); otherwise (i, i + dims/2)
  float attentionScaling = 1.0f; ///< factor on cos and sin
  /// Where frequencies depend on a sequence's largest position: with long frequencies, one that
  /// reaches this uses them; with ntkFactor, it is what the sequence's length is compared to. 0:
  /// they do not.
  int64_t originalContext = 0;
  float ntkFactor = 0; ///< dynamic NTK; 0: none
};

/// Emits the table of all rotations of a batch: table[t] = [cos 0..dims/2 | sin 0..dims/2], each
/// times attentionScaling, of the f32 product position[t] * invFreq[i].
///   invFreq, other: memref<{dims/2}xf32>; other (null without originalContext) are the long
///   frequencies, or the exponents of dynamic NTK (#attn.rope)
///   table: memref<?x{dims}xf32>, [T, dims]
void emitRopeTable(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                   const RopeSpec &spec, mlir::Value batch, mlir::Value invFreq, mlir::Value other,
                   mlir::Value table);

/// Emits out[t, h] = rotate(in[t, h], table[t]) for in and out [T, heads * headDim] (rank-2
/// memrefs, free row stride; out may be in). `rows` is T.
void emitRope(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa, const RopeSpec &spec,
              int64_t heads, int64_t headDim, mlir::Value rows, mlir::Value in, mlir::Value out,
              mlir::Value table);

/// Reads head [base, base + headDim) of row `token` of `in` in vectors, rotated by table[token]
/// where there is a table: `visit` gets each vector and the entry of the head that it begins at.
/// For emitters that take queries and keys apart anyway.
void forHead(const Code &code, const Isa &isa, const RopeSpec &spec, mlir::Value table,
             int64_t headDim, mlir::Value in, mlir::Value token, mlir::Value base,
             llvm::function_ref<void(mlir::Value entry, mlir::Value vector)> visit);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_ROPE_H
