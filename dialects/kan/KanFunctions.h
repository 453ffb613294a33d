// The scalar functions of kan as arithmetic on scalars or vectors of f32: what decompositions and
// the code generator share.
#ifndef PLEXUS_DIALECTS_KAN_KANFUNCTIONS_H
#define PLEXUS_DIALECTS_KAN_KANFUNCTIONS_H

#include "dialects/kan/KanDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::kan {

/// Whether `name` is a function of `kan.symbolic`.
bool isSymbolicFunction(StringRef name);
/// Whether `name` is a function of `kan.select`: a symbolic one, or an activation.
bool isNodeFunction(StringRef name);
/// The functions of `kan.symbolic`, with commas, for messages.
std::string symbolicFunctionList();

/// f(x) for a function of `kan.select`.
Value buildNodeFunction(ImplicitLocOpBuilder &builder, StringRef name, Value x);

/// psi(z).
Value buildWavelet(ImplicitLocOpBuilder &builder, WaveletKind kind, Value z);

} // namespace mlir::kan

#endif // PLEXUS_DIALECTS_KAN_KANFUNCTIONS_H
