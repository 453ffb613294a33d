// Generates depthwise causal convolutions over ragged batches.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_CAUSALCONV_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_CAUSALCONV_H

#include "dialects/plx/PlxDialect.h"
#include "mlir/IR/Builders.h"
#include "passes/lower/cpu/emit/Isa.h"

namespace plexus::emit {

struct CausalConvSpec {
  int64_t channels = 0, kernel = 0;
  mlir::plx::ActivationKind activation = mlir::plx::ActivationKind::Identity;
  bool reverse = false;
};

/// Operands of `ssm.causal_conv`: memrefs input [T, channels], weight [kernel, channels], bias
/// [channels] or null, out [T, channels]; !llvm.ptr batch, and state or null.
struct CausalConvOperands {
  mlir::Value input, weight, bias, batch, state, out;
};

/// Emits a parallel loop over sequences and blocks of channels, which keeps the kernel - 1 inputs
/// before a token in registers.
void emitCausalConv(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                    const CausalConvSpec &spec, const CausalConvOperands &operands);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_CAUSALCONV_H
