// Generates dense views of a batch's states: what decompositions end in, not what is fast.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_STATEVIEWS_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_STATEVIEWS_H

#include "passes/lower/cpu/emit/Attention.h"

namespace plexus::emit {

enum class KvPart { Keys, Values };

/// Emits out[s, c] = the keys or values in slot c of sequence s, zeros where the sequence has no
/// such slot or its page is gone. `out` is a memref<?x?x{kvHeads}x{dim}xf32>, [S, context]; of
/// `spec` only kvHeads, keyDim, valueDim and the form matter; `kv` is an !llvm.ptr to plx_kv,
/// `frequencies` what AttentionOperands has. Of pages that are there in both forms, what is not
/// sealed is read.
void emitKvView(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                const AttentionSpec &spec, KvPart part, mlir::Value batch, mlir::Value kv,
                mlir::Value context, mlir::Value out, mlir::Value frequencies = {});

/// Emits out[t, c] = whether token t sees slot c of its sequence's states, as plx_batch of
/// runtime/abi/Call.h says. `out` is a memref<?x?xi1>, [T, context]. A window without `causal`
/// looks both ways; 0 is none.
void emitVisible(mlir::OpBuilder &builder, mlir::Location loc, bool causal, int64_t window,
                 mlir::Value batch, mlir::Value context, mlir::Value out);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_STATEVIEWS_H
