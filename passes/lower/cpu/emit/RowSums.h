// Sums along a row in vectors.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_ROWSUMS_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_ROWSUMS_H

#include "passes/lower/cpu/emit/Code.h"

namespace plexus::emit {

/// The sum over the columns [0, size): `step` adds those of a piece to a vector of partial sums.
/// Its order depends on `size` alone. An f32.
mlir::Value
sumOver(const Code &code, int64_t size, int64_t lanes,
        llvm::function_ref<mlir::Value(mlir::Value column, mlir::VectorType type, mlir::Value sum)>
            step);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_ROWSUMS_H
