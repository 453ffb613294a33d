// Weight recipes: their checks, the type of their value, the sources that they read.
#include "dialects/plx/PlxDialect.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace mlir::plx;

using EmitError = function_ref<InFlightDiagnostic()>;

//===--- Shared
//------------------------------------------------------------------------------------===//

/// Type of a nested recipe.
static FailureOr<RankedTensorType> inferNested(Attribute recipe, RankedTensorType expected,
                                               EmitError emitError) {
  return cast<RecipeAttrInterface>(recipe).inferType(expected, emitError);
}

static void collectNested(Attribute recipe, SmallVectorImpl<StringRef> &names) {
  cast<RecipeAttrInterface>(recipe).collectSources(names);
}

static LogicalResult verifyNested(ArrayRef<Attribute> recipes, EmitError emitError) {
  if (recipes.empty())
    return emitError() << "recipe needs at least one part";
  for (Attribute recipe : recipes)
    if (!isa<RecipeAttrInterface>(recipe))
      return emitError()
             << "part of a recipe must be a recipe (#plx.source, #plx.concat, ...), found "
             << recipe;
  return success();
}

static LogicalResult checkAxis(int64_t axis, RankedTensorType type, EmitError emitError) {
  if (axis >= type.getRank())
    return emitError() << "recipe axis " << axis << " is outside of " << type;
  return success();
}

FailureOr<RankedTensorType> plx::inferRecipeType(Attribute recipe, RankedTensorType type,
                                                 EmitError emitError) {
  auto interface = dyn_cast<RecipeAttrInterface>(recipe);
  if (!interface) {
    emitError() << "expected a recipe (#plx.source, #plx.concat, ...), found " << recipe;
    return failure();
  }
  FailureOr<RankedTensorType> found =
      interface.inferType(RankedTensorType::get(type.getShape(), type.getElementType()), emitError);
  if (failed(found))
    return failure();
  if (found->getShape() != type.getShape()) {
    emitError() << "recipe gives " << *found << ", expected the shape of " << type;
    return failure();
  }
  return found;
}

SmallVector<StringRef> plx::recipeSources(Attribute recipe) {
  SmallVector<StringRef> names;
  if (auto interface = dyn_cast<RecipeAttrInterface>(recipe))
    interface.collectSources(names);
  return names;
}

//===--- Source
//------------------------------------------------------------------------------------===//

FailureOr<RankedTensorType> SourceAttr::inferType(RankedTensorType expected,
                                                  EmitError emitError) const {
  RankedTensorType type = getType() ? getType() : expected;
  if (!type || !type.hasStaticShape() || !isa<FloatType>(type.getElementType())) {
    emitError() << "source \"" << getName() << "\" needs a static float tensor type: #plx.source<\""
                << getName() << "\" : tensor<...>>";
    return failure();
  }
  return type;
}

void SourceAttr::collectSources(SmallVectorImpl<StringRef> &names) const {
  names.push_back(getName());
}

//===--- Concat and interleave
//---------------------------------------------------------------------===//

LogicalResult ConcatAttr::verify(EmitError emitError, int64_t axis, ArrayRef<Attribute> parts) {
  if (axis < 0)
    return emitError() << "#plx.concat axis must not be negative, found " << axis;
  return verifyNested(parts, emitError);
}

FailureOr<RankedTensorType> ConcatAttr::inferType(RankedTensorType, EmitError emitError) const {
  RankedTensorType first;
  int64_t size = 0;
  for (Attribute part : getParts()) {
    FailureOr<RankedTensorType> type = inferNested(part, {}, emitError);
    if (failed(type) || failed(checkAxis(getAxis(), *type, emitError)))
      return failure();
    if (!first)
      first = *type;
    SmallVector<int64_t> shape(type->getShape());
    size += shape[getAxis()];
    if (first.getRank() == type->getRank())
      shape[getAxis()] = first.getDimSize(getAxis());
    if (ArrayRef<int64_t>(shape) != first.getShape()) {
      emitError() << "#plx.concat parts differ beyond axis " << getAxis() << ": " << first
                  << " and " << *type;
      return failure();
    }
  }
  SmallVector<int64_t> shape(first.getShape());
  shape[getAxis()] = size;
  return RankedTensorType::get(shape, first.getElementType());
}

void ConcatAttr::collectSources(SmallVectorImpl<StringRef> &names) const {
  for (Attribute part : getParts())
    collectNested(part, names);
}

LogicalResult InterleaveAttr::verify(EmitError emitError, int64_t axis, int64_t block,
                                     ArrayRef<Attribute> parts) {
  if (axis < 0 || block < 1)
    return emitError() << "#plx.interleave needs an axis >= 0 and a block >= 1, found axis " << axis
                       << " and block " << block;
  return verifyNested(parts, emitError);
}

FailureOr<RankedTensorType> InterleaveAttr::inferType(RankedTensorType, EmitError emitError) const {
  RankedTensorType first;
  for (Attribute part : getParts()) {
    FailureOr<RankedTensorType> type = inferNested(part, {}, emitError);
    if (failed(type) || failed(checkAxis(getAxis(), *type, emitError)))
      return failure();
    if (!first)
      first = *type;
    if (first.getShape() != type->getShape()) {
      emitError() << "#plx.interleave parts must have one shape, found " << first << " and "
                  << *type;
      return failure();
    }
  }
  SmallVector<int64_t> shape(first.getShape());
  if (shape[getAxis()] % getBlock()) {
    emitError() << "#plx.interleave of blocks of " << getBlock()
                << " needs a multiple of it along axis " << getAxis() << ", found " << first;
    return failure();
  }
  shape[getAxis()] *= getParts().size();
  return RankedTensorType::get(shape, first.getElementType());
}

void InterleaveAttr::collectSources(SmallVectorImpl<StringRef> &names) const {
  for (Attribute part : getParts())
    collectNested(part, names);
}

//===--- Slice, transpose, reshape
//-----------------------------------------------------------------===//

LogicalResult SliceRecipeAttr::verify(EmitError emitError, int64_t axis, int64_t begin,
                                      int64_t size, Attribute value) {
  if (axis < 0 || begin < 0 || size < 1)
    return emitError() << "#plx.slice needs axis >= 0, begin >= 0, size >= 1, found axis " << axis
                       << ", begin " << begin << ", size " << size;
  return verifyNested(value, emitError);
}

FailureOr<RankedTensorType> SliceRecipeAttr::inferType(RankedTensorType,
                                                       EmitError emitError) const {
  FailureOr<RankedTensorType> type = inferNested(getValue(), {}, emitError);
  if (failed(type) || failed(checkAxis(getAxis(), *type, emitError)))
    return failure();
  SmallVector<int64_t> shape(type->getShape());
  if (getBegin() > shape[getAxis()] || getSize() > shape[getAxis()] - getBegin()) {
    emitError() << "#plx.slice from " << getBegin() << " of size " << getSize() << " leaves axis "
                << getAxis() << " of " << *type;
    return failure();
  }
  shape[getAxis()] = getSize();
  return RankedTensorType::get(shape, type->getElementType());
}

void SliceRecipeAttr::collectSources(SmallVectorImpl<StringRef> &names) const {
  collectNested(getValue(), names);
}

LogicalResult TransposeRecipeAttr::verify(EmitError emitError, ArrayRef<int64_t> permutation,
                                          Attribute value) {
  if (!isPermutationVector(permutation))
    return emitError() << "#plx.transpose needs a permutation of 0.." << permutation.size() - 1
                       << ", found [" << permutation << "]";
  return verifyNested(value, emitError);
}

FailureOr<RankedTensorType> TransposeRecipeAttr::inferType(RankedTensorType expected,
                                                           EmitError emitError) const {
  ArrayRef<int64_t> permutation = getPermutation();
  RankedTensorType before;
  if (expected && static_cast<size_t>(expected.getRank()) == permutation.size()) {
    SmallVector<int64_t> shape(permutation.size());
    for (auto [axis, from] : llvm::enumerate(permutation))
      shape[from] = expected.getDimSize(axis);
    before = RankedTensorType::get(shape, expected.getElementType());
  }
  FailureOr<RankedTensorType> type = inferNested(getValue(), before, emitError);
  if (failed(type))
    return failure();
  if (static_cast<size_t>(type->getRank()) != permutation.size()) {
    emitError() << "#plx.transpose of " << permutation.size() << " axes on " << *type;
    return failure();
  }
  return RankedTensorType::get(applyPermutation(type->getShape(), permutation),
                               type->getElementType());
}

void TransposeRecipeAttr::collectSources(SmallVectorImpl<StringRef> &names) const {
  collectNested(getValue(), names);
}

LogicalResult ReshapeRecipeAttr::verify(EmitError emitError, ArrayRef<int64_t> shape,
                                        Attribute value) {
  if (llvm::any_of(shape, [](int64_t size) { return size < 1; }))
    return emitError() << "#plx.reshape needs positive sizes, found [" << shape << "]";
  return verifyNested(value, emitError);
}

FailureOr<RankedTensorType> ReshapeRecipeAttr::inferType(RankedTensorType,
                                                         EmitError emitError) const {
  FailureOr<RankedTensorType> type = inferNested(getValue(), {}, emitError);
  if (failed(type))
    return failure();
  auto result = RankedTensorType::get(getShape(), type->getElementType());
  if (result.getNumElements() != type->getNumElements()) {
    emitError() << "#plx.reshape of " << *type << " to " << result << " changes the element count";
    return failure();
  }
  return result;
}

void ReshapeRecipeAttr::collectSources(SmallVectorImpl<StringRef> &names) const {
  collectNested(getValue(), names);
}

//===--- Scale and offset
//--------------------------------------------------------------------------===//

LogicalResult ScaleRecipeAttr::verify(EmitError emitError, FloatAttr, Attribute value) {
  return verifyNested(value, emitError);
}

FailureOr<RankedTensorType> ScaleRecipeAttr::inferType(RankedTensorType expected,
                                                       EmitError emitError) const {
  return inferNested(getValue(), expected, emitError);
}

void ScaleRecipeAttr::collectSources(SmallVectorImpl<StringRef> &names) const {
  collectNested(getValue(), names);
}

LogicalResult OffsetRecipeAttr::verify(EmitError emitError, FloatAttr, Attribute value) {
  return verifyNested(value, emitError);
}

FailureOr<RankedTensorType> OffsetRecipeAttr::inferType(RankedTensorType expected,
                                                        EmitError emitError) const {
  return inferNested(getValue(), expected, emitError);
}

void OffsetRecipeAttr::collectSources(SmallVectorImpl<StringRef> &names) const {
  collectNested(getValue(), names);
}
