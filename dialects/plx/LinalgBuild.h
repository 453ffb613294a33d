// Small builders of linalg for decompositions: elementwise maps and reductions whose bodies compute
// in f32.
#ifndef PLEXUS_DIALECTS_PLX_LINALGBUILD_H
#define PLEXUS_DIALECTS_PLX_LINALGBUILD_H

#include "dialects/plx/PlxDialect.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::plx {

/// Builds the scalar body of a `linalg.generic`: float arguments arrive in the compute type, and so
/// does the returned value leave. In reductions the accumulator is the last argument.
using ScalarBody = function_ref<Value(ImplicitLocOpBuilder &, ValueRange)>;

/// What elements of type `element` are computed in: f64 for f64, otherwise f32.
Type computeType(Type element);
/// `value` as `type`, where both are float types; other values pass through.
Value convertFloat(ImplicitLocOpBuilder &builder, Value value, Type type);
/// A float constant of type `type`.
Value floatConstant(ImplicitLocOpBuilder &builder, Type type, double value);
/// An index constant.
Value indexConstant(ImplicitLocOpBuilder &builder, int64_t value);
/// An integer as an index.
Value toIndex(ImplicitLocOpBuilder &builder, Value value);
/// An array of the batch.
Value batchField(ImplicitLocOpBuilder &builder, BatchField which, Value batch);
/// Index of the loop `loop` of the surrounding `linalg.generic`.
Value loopIndex(ImplicitLocOpBuilder &builder, int64_t loop);
/// Sizes of a tensor, constants where static.
SmallVector<OpFoldResult> sizesOf(ImplicitLocOpBuilder &builder, Value tensor);
/// Rank of a tensor value.
int64_t rankOf(Value tensor);
/// Element type of a tensor value.
Type elementOf(Value tensor);

/// The map from `loops` loops to the dims `dims` among them.
AffineMap dimsMap(ImplicitLocOpBuilder &builder, int64_t loops, ArrayRef<int64_t> dims);
/// The map from `loops` loops to `count` of them from `first` on.
AffineMap rangeMap(ImplicitLocOpBuilder &builder, int64_t loops, int64_t first, int64_t count);

/// A tensor of the sizes `sizes` and elements `element`, each computed by `body` from the inputs'
/// entries that `maps` name (one loop for each axis of the result).
Value mapElements(ImplicitLocOpBuilder &builder, ArrayRef<OpFoldResult> sizes, Type element,
                  ValueRange inputs, ArrayRef<AffineMap> maps, ScalarBody body);

/// As `mapElements`, with `reductions` more inner loops over which `body` folds into its last
/// argument, beginning with `init`. Elements are of type `element`, a compute type.
Value reduceElements(ImplicitLocOpBuilder &builder, ArrayRef<OpFoldResult> sizes, Type element,
                     double init, int64_t reductions, ValueRange inputs, ArrayRef<AffineMap> maps,
                     ScalarBody body);

/// Folds the last axis of `input` away; the result has the compute type.
Value reduceLastAxis(ImplicitLocOpBuilder &builder, Value input, double init, ScalarBody body);

/// A weight as upstream ops can read it: a packed one unpacked.
Value denseWeight(ImplicitLocOpBuilder &builder, Value weight);

/// `exp(x - max) / sum(exp(x - max))` over the last axis.
Value buildSoftmax(ImplicitLocOpBuilder &builder, Value input);

/// `input`, of type T or a reshape of it, as `type` by way of tensor.expand_shape and
/// collapse_shape.
Value buildReshape(ImplicitLocOpBuilder &builder, Value input, RankedTensorType type);

} // namespace mlir::plx

#endif // PLEXUS_DIALECTS_PLX_LINALGBUILD_H
