// Generates attention over key/value pages or over the batch's own keys and values, and the writing
// of pages.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_ATTENTION_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_ATTENTION_H

#include "passes/lower/cpu/emit/Rope.h"
#include "runtime/state/KvForm.h"
#include <optional>

namespace plexus::emit {

struct BatchFields;

/// The static half of out = softmax(softcap(scale * Q K^T) + mask) V.
struct AttentionSpec {
  int64_t heads = 0, kvHeads = 0; ///< heads is a multiple of kvHeads
  int64_t keyDim = 0, valueDim = 0;
  float scale = 1.0f;
  bool causal = true; ///< false: a token sees all tokens of its sequence
  int64_t window = 0; ///< 0: none. Otherwise visible only if index[token] - index[slot] < window
  float softcap = 0;  ///< 0: none. Otherwise s -> softcap * tanh(s / softcap)
  /// Queries, and keys that are operands, turn as they are read.
  std::optional<RopeSpec> rope = std::nullopt;
  /// Of the state's pages that are not sealed. Without a state, BF16 says that keys and values are
  /// rounded to it before they are multiplied; other forms are F32 then.
  KvForm form = KvForm::F32;
  /// Of the state: pages are sealed (KvForm::Int4; `form` is BF16).
  bool seals = false;
  /// Where the state seals: what turns its keys when they are read; they are written before it.
  std::optional<RopeSpec> keptRope = std::nullopt;

  void keepAs(KvForm state) { form = openForm(state), seals = state == KvForm::Int4; }
  KvSealedLayout sealed() const { return {kvHeads, keyDim, valueDim}; }
  KvPartLayout keys() const { return {form, kvHeads, keyDim}; }
  KvPartLayout values() const { return {form, kvHeads, valueDim}; }
};

/// The values of one attention. Tensors are rank-2 memrefs with contiguous rows, [T, heads * dim],
/// the row stride is free (a slice of a merged projection will do).
struct AttentionOperands {
  mlir::Value query; ///< [T, heads * keyDim]
  mlir::Value out;   ///< [T, heads * valueDim]
  mlir::Value batch; ///< !llvm.ptr to plx_batch
  mlir::Value kv;    ///< !llvm.ptr to plx_kv; null: attend over `key` and `value`
  mlir::Value key;   ///< [T, kvHeads * keyDim], without kv
  mlir::Value value; ///< [T, kvHeads * valueDim], without kv
  mlir::Value
      sinks; ///< memref<{heads}xf32>: a score that joins the softmax without a value; or null
  /// memref<?xi8> of attentionScratch() bytes, 64-byte aligned; null where that is 0.
  mlir::Value scratch;
  mlir::Value ropeTable;        ///< [T, dims] of emitRopeTable, with `rope`
  mlir::Value frequencies = {}; ///< memref<{dims/2}xf32> of `keptRope`
};

/// Slots that are attended to as one span: a span's softmax is merged with those before it.
inline constexpr int64_t kSpanSlots = 512;
/// Batches of so many tokens and no more share out the spans of their context as work items.
inline constexpr int64_t kSplitTokens = 16;

/// Scratch bytes: perToken * T + perSequence * S + perSpan * min(T, kSplitTokens) * spans, where
/// spans = ceil(context / kSpanSlots).
struct ScratchSize {
  int64_t perToken = 0, perSequence = 0, perSpan = 0;
};
ScratchSize attentionScratch(const AttentionSpec &spec, const Isa &isa, bool hasState);

/// Emits attention with an online softmax (Dao et al., FlashAttention-2, algorithm 1): the score
/// matrix is never stored. `scf.parallel` over kvHeads x tiles of tokens; one work item handles the
/// rows (token, head) of one key head, so that the heads of a group share the loads. Where there
/// are few tokens over a long context, its spans are work items too, and what they give is merged
/// after (Flash-Decoding): in the order in which one item would have, so that the bits are the
/// same.
///
/// Visibility is that of plx_batch (runtime/abi/Call.h); pages that no row of a tile sees are
/// skipped and may be null. A row's bits do not depend on which rows share its batch or tile.
/// Without `kv`, slot = the token's number in its sequence, and `past` must be 0.
void emitAttention(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                   const AttentionSpec &spec, const AttentionOperands &operands);

/// Emits the writing of k [T, kvHeads * keyDim] and v [T, kvHeads * valueDim] (rank-2 memrefs, free
/// row stride) into the pages of `kv` (!llvm.ptr to plx_kv) at slot[t] of each token's sequence;
/// keys turn by `ropeTable` where `spec` has a rope. Otherwise, of `spec` only kvHeads, keyDim,
/// valueDim and the form matter.
void emitKvWrite(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                 const AttentionSpec &spec, mlir::Value key, mlir::Value value, mlir::Value batch,
                 mlir::Value kv, mlir::Value ropeTable = {});

/// Emits the sealing of the pages that the batch's tokens may read sealed and that are there in
/// both forms, for a state that seals. After emitKvWrite.
void emitKvSeal(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value batch, mlir::Value kv);

/// How many pages of its sequence a token of a state that seals reads in their sealed form, if they
/// are there in both (plx_kv::sealed), an index.
mlir::Value sealedPages(const Code &code, const BatchFields &batch, mlir::Value token);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_ATTENTION_H
