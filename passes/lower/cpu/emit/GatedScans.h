// Generates recurrences with gates over ragged batches.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_GATEDSCANS_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_GATEDSCANS_H

#include "mlir/IR/Builders.h"
#include "passes/lower/cpu/emit/Isa.h"

namespace plexus::emit {

/// Operands of `ssm.rg_lru`: f32 memrefs input, inputGate, recurrenceGate, out [T, channels], decay
/// [channels]; !llvm.ptr batch, and state or null.
struct RgLruOperands {
  mlir::Value input, inputGate, recurrenceGate, decay, batch, state, out;
};
/// Emits a parallel loop over sequences and blocks of channels.
void emitRgLru(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
               const RgLruOperands &operands);

/// Operands of `ssm.wkv`: f32 memrefs key, value, out [T, channels], decay, first [channels].
struct WkvOperands {
  mlir::Value key, value, decay, first, batch, state, out;
};
void emitWkv(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
             const WkvOperands &operands);

/// Operands of `ssm.delta_rule`: f32 memrefs query, key [T, keyHeads, keyDim], value, out [T,
/// heads, valueDim], step, beta [T, heads], rate, stepBias [heads].
struct DeltaRuleOperands {
  mlir::Value query, key, value, step, beta, rate, stepBias, batch, state, out;
  float betaScale = 1;
  bool accumulate = false;
  bool streams = false;    ///< See CarryFields.
  int64_t chunkedFrom = 0; ///< Chains of so many tokens are left out; 0: none.
};
/// Emits a parallel loop over sequences and heads. The columns of a head's state are independent of
/// each other: a vector of them at a time goes through all tokens, on the stack (keyDim vectors).
void emitDeltaRule(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                   const DeltaRuleOperands &operands);

/// Emits a loop over tokens that fills decays and weights [T, heads], f32: g and b of the op.
void emitDeltaGates(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                    const DeltaRuleOperands &operands, mlir::Value decays, mlir::Value weights);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_GATEDSCANS_H
