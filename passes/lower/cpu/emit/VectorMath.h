// Scalar computations made vector ones, and transcendental functions as vector code without calls.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_VECTORMATH_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_VECTORMATH_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Region.h"

namespace plexus::emit {

/// Clones the single-block `region` of elementwise arith and math ops over f32, i32, i1 and
/// constants at the builder's insertion point, with every scalar made a vector of `inputs[0]`'s
/// length. `inputs` replace the block arguments; a scalar input is broadcast. Returns the vector
/// forms of the terminator's operands, or failure (with a diagnostic) for an op that is not
/// elementwise.
mlir::FailureOr<llvm::SmallVector<mlir::Value>> vectorizeRegion(mlir::OpBuilder &builder,
                                                                mlir::Location loc,
                                                                mlir::Region &region,
                                                                mlir::ValueRange inputs);

/// Patterns that replace math.{exp, log} on f64 (Lanes.h) and math.{exp, exp2, expm1, tanh, erf,
/// log, log1p, sin, cos} on f32 (scalars and vectors of any length) by arithmetic: polynomials over
/// a reduced range, all products fused explicitly, so that a lane's bits do not depend on the
/// vector's length. Errors against the exact function, in f32 ulp: exp and exp2 1.5, log 2, sin and
/// cos 1.5 up to |x| = 1e6, tanh 3; erf 5e-7 absolute. Special values follow C: exp(-inf) = 0,
/// overflow gives inf, NaN stays NaN. Denormal results of exp are flushed to zero.
void populateVectorMathPatterns(mlir::RewritePatternSet &patterns);

/// Applies those patterns to everything under `root`.
mlir::LogicalResult expandVectorMath(mlir::Operation *root);

/// exp(x) for f32 scalars or vectors, emitted directly (what the math.exp pattern makes).
mlir::Value emitExp(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x);

/// 2^x in fewer operations, for x in [-125, 127] and as at its ends beyond: within 2.5 ulp. For
/// factors of a scan, which no infinity reaches.
mlir::Value emitPowerOfTwo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x);

/// tanh(x), likewise.
mlir::Value emitTanh(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x);

/// {sin(x), cos(x)}, sharing the range reduction.
std::pair<mlir::Value, mlir::Value> emitSinCos(mlir::OpBuilder &builder, mlir::Location loc,
                                               mlir::Value x);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_VECTORMATH_H
