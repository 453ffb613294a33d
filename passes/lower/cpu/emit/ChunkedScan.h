// Generates recurrences over matrices of state in chunks of tokens, by products of matrices.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_CHUNKEDSCAN_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_CHUNKEDSCAN_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Isa.h"

namespace plexus::emit {

/// Tokens of a chunk: more make products within a chunk dearer than what they save on the state.
constexpr int64_t kChunkTokens = 32;

/// State space duality, gated linear attention and the gated delta rule are one recurrence of a
/// state S [entries, width] for each head: with a decay g and a weight w for each token,
///
///   u = w v                     or, with `erase`, u = w (v - g S'^T k)
///   S = g S' + k u^T,  y = S^T q + skip v
///
/// With D_t the product of the decays from the chunk's first token to t, L_ts that of those behind
/// s up to t, and S_0 what the chunk starts from, it is in chunks (Dao & Gu 2024, section 6; Yang
/// et al. 2024, section 3.3, where the triangular system is solved forward, row by row):
///
///   u_t = w_t (v_t - D_t S_0^T k_t - sum_{s < t} L_ts (k_t k_s) u_s)
///   y_t = D_t S_0^T q_t + sum_{s <= t} L_ts (q_t k_s) u_s + skip v_t
///   S   = D S_0 + sum_s k_s (L_s u_s)^T
struct ChunkedScanSpec {
  int64_t heads = 0, width = 0, groups = 0, entries = 0;
  bool erase = false;
  int64_t shortest = 1; ///< Tokens of the sequences that run so.
};

/// f32 memrefs query, key [T, groups, entries], value, out [T, heads, width], decays, weights [T,
/// heads]; skip [heads] (or bf16, f16) or null; !llvm.ptr batch, and state or null. Head h has the
/// keys of group h / (heads / groups). Scratch: forQuery and, with `erase`, forKey [T, groups,
/// kChunkTokens], keys [(T + S kChunkTokens) groups entries].
struct ChunkedScanOperands {
  mlir::Value query, key, value, decays, weights, skip, batch, state, out, forQuery, forKey, keys;
};

/// Emits a loop over tokens that fills keys, those of a chunk transposed, and forQuery and forKey,
/// the products with them.
void emitChunkProducts(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                       const ChunkedScanSpec &spec, const ChunkedScanOperands &operands);

/// Emits a parallel loop over sequences, heads and blocks of a head's width; each keeps its part of
/// the state on the stack. Other sequences than those that run in chunks are left out.
void emitChunkedScan(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                     const ChunkedScanSpec &spec, const ChunkedScanOperands &operands);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_CHUNKEDSCAN_H
