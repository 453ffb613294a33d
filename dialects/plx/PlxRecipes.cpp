// Weight recipes: their checks, the type of their value, the sources that they read.
#include "dialects/plx/PlxDialect.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Diagnostics.h"
#include "runtime/io/Spectrum.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::plx;

using EmitError = function_ref<InFlightDiagnostic()>;

//===--- Shared -------------------------------------------------------------------------------===//

FailureOr<RankedTensorType> plx::inferNestedRecipe(Attribute recipe, RankedTensorType expected,
                                                   EmitError emitError) {
  if (auto interface = dyn_cast<RecipeAttrInterface>(recipe))
    return interface.inferType(expected, emitError);
  emitError() << "part of a recipe must be a recipe (#plx.source, #plx.concat, ...), found "
              << recipe;
  return failure();
}

static LogicalResult checkAxis(int64_t axis, RankedTensorType type, EmitError emitError) {
  if (axis >= type.getRank())
    return emitError() << "recipe axis " << axis << " is outside of " << type;
  return success();
}

/// `type` with another size along `axis`.
static RankedTensorType resized(RankedTensorType type, int64_t axis, int64_t size) {
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = size;
  return RankedTensorType::get(shape, type.getElementType());
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

static void collectSources(Attribute recipe, SmallVectorImpl<StringRef> &names) {
  if (auto source = dyn_cast<SourceAttr>(recipe))
    names.push_back(source.getName());
  else if (auto interface = dyn_cast<RecipeAttrInterface>(recipe))
    for (Attribute nested : interface.getNested())
      collectSources(nested, names);
}

SmallVector<StringRef> plx::recipeSources(Attribute recipe) {
  SmallVector<StringRef> names;
  collectSources(recipe, names);
  return names;
}

//===--- Source -------------------------------------------------------------------------------===//

FailureOr<RankedTensorType> SourceAttr::inferType(RankedTensorType expected,
                                                  EmitError emitError) const {
  RankedTensorType type = getType() ? getType() : expected;
  if (!type || !type.hasStaticShape() || !isa<FloatType>(type.getElementType())) {
    emitError() << "source \"" << getName() << "\" needs a static float tensor type: #plx.source<\""
                << getName() << "\" : tensor<...>>";
    return failure();
  }
  // What a file holds quantized decodes to f16 unless the blocks are kept (keptForm).
  if (getPacked(type))
    return RankedTensorType::get(type.getShape(), Float16Type::get(getContext()));
  return type;
}

//===--- Concat and interleave ----------------------------------------------------------------===//

static LogicalResult verifyParts(ArrayRef<Attribute> parts, EmitError emitError) {
  if (parts.empty())
    return emitError() << "recipe needs at least one part";
  return success();
}

/// Types of the parts of a join, all of which have the axis.
static FailureOr<SmallVector<RankedTensorType>> inferParts(ArrayRef<Attribute> parts, int64_t axis,
                                                           EmitError emitError) {
  SmallVector<RankedTensorType> types;
  for (Attribute part : parts) {
    FailureOr<RankedTensorType> type = inferNestedRecipe(part, {}, emitError);
    if (failed(type) || failed(checkAxis(axis, *type, emitError)))
      return failure();
    types.push_back(*type);
  }
  return types;
}

LogicalResult ConcatAttr::verify(EmitError emitError, int64_t axis, ArrayRef<Attribute> parts) {
  if (axis < 0)
    return emitError() << "#plx.concat axis must not be negative, found " << axis;
  return verifyParts(parts, emitError);
}

FailureOr<RankedTensorType> ConcatAttr::inferType(RankedTensorType, EmitError emitError) const {
  auto types = inferParts(getParts(), getAxis(), emitError);
  if (failed(types))
    return failure();
  RankedTensorType first = types->front();
  int64_t size = 0;
  for (RankedTensorType type : *types) {
    SmallVector<int64_t> shape(type.getShape());
    size += shape[getAxis()];
    if (first.getRank() == type.getRank())
      shape[getAxis()] = first.getDimSize(getAxis());
    if (ArrayRef<int64_t>(shape) != first.getShape()) {
      emitError() << "#plx.concat parts differ beyond axis " << getAxis() << ": " << first
                  << " and " << type;
      return failure();
    }
  }
  return resized(first, getAxis(), size);
}

LogicalResult InterleaveAttr::verify(EmitError emitError, int64_t axis, int64_t block,
                                     ArrayRef<Attribute> parts) {
  if (axis < 0 || block < 1)
    return emitError() << "#plx.interleave needs an axis >= 0 and a block >= 1, found axis " << axis
                       << " and block " << block;
  return verifyParts(parts, emitError);
}

FailureOr<RankedTensorType> InterleaveAttr::inferType(RankedTensorType, EmitError emitError) const {
  auto types = inferParts(getParts(), getAxis(), emitError);
  if (failed(types))
    return failure();
  RankedTensorType first = types->front();
  for (RankedTensorType type : *types)
    if (first.getShape() != type.getShape()) {
      emitError() << "#plx.interleave parts must have one shape, found " << first << " and "
                  << type;
      return failure();
    }
  int64_t size = first.getDimSize(getAxis());
  if (size % getBlock()) {
    emitError() << "#plx.interleave of blocks of " << getBlock()
                << " needs a multiple of it along axis " << getAxis() << ", found " << first;
    return failure();
  }
  return resized(first, getAxis(), size * static_cast<int64_t>(types->size()));
}

//===--- Slice, transpose, reshape ------------------------------------------------------------===//

LogicalResult SliceRecipeAttr::verify(EmitError emitError, int64_t axis, int64_t begin,
                                      int64_t size, Attribute value) {
  if (axis < 0 || begin < 0 || size < 1)
    return emitError() << "#plx.slice needs axis >= 0, begin >= 0, size >= 1, found axis " << axis
                       << ", begin " << begin << ", size " << size;
  return success();
}

FailureOr<RankedTensorType> SliceRecipeAttr::inferType(RankedTensorType,
                                                       EmitError emitError) const {
  FailureOr<RankedTensorType> type = inferNestedRecipe(getValue(), {}, emitError);
  if (failed(type) || failed(checkAxis(getAxis(), *type, emitError)))
    return failure();
  int64_t whole = type->getDimSize(getAxis());
  if (getBegin() > whole || getSize() > whole - getBegin()) {
    emitError() << "#plx.slice from " << getBegin() << " of size " << getSize() << " leaves axis "
                << getAxis() << " of " << *type;
    return failure();
  }
  return resized(*type, getAxis(), getSize());
}

LogicalResult TransposeRecipeAttr::verify(EmitError emitError, ArrayRef<int64_t> permutation,
                                          Attribute value) {
  if (!isPermutationVector(permutation))
    return emitError() << "#plx.transpose needs a permutation of 0.." << permutation.size() - 1
                       << ", found [" << permutation << "]";
  return success();
}

RankedTensorType TransposeRecipeAttr::getNestedType(RankedTensorType expected) const {
  ArrayRef<int64_t> permutation = getPermutation();
  if (!expected || static_cast<size_t>(expected.getRank()) != permutation.size())
    return {};
  SmallVector<int64_t> shape(permutation.size());
  for (auto [axis, from] : llvm::enumerate(permutation))
    shape[from] = expected.getDimSize(axis);
  return RankedTensorType::get(shape, expected.getElementType());
}

FailureOr<RankedTensorType> TransposeRecipeAttr::inferType(RankedTensorType expected,
                                                           EmitError emitError) const {
  ArrayRef<int64_t> permutation = getPermutation();
  FailureOr<RankedTensorType> type =
      inferNestedRecipe(getValue(), getNestedType(expected), emitError);
  if (failed(type))
    return failure();
  if (static_cast<size_t>(type->getRank()) != permutation.size()) {
    emitError() << "#plx.transpose of " << permutation.size() << " axes on " << *type;
    return failure();
  }
  return RankedTensorType::get(applyPermutation(type->getShape(), permutation),
                               type->getElementType());
}

LogicalResult ReshapeRecipeAttr::verify(EmitError emitError, ArrayRef<int64_t> shape,
                                        Attribute value) {
  if (llvm::any_of(shape, [](int64_t size) { return size < 1; }))
    return emitError() << "#plx.reshape needs positive sizes, found [" << shape << "]";
  return success();
}

FailureOr<RankedTensorType> ReshapeRecipeAttr::inferType(RankedTensorType,
                                                         EmitError emitError) const {
  FailureOr<RankedTensorType> type = inferNestedRecipe(getValue(), {}, emitError);
  if (failed(type))
    return failure();
  auto result = RankedTensorType::get(getShape(), type->getElementType());
  if (result.getNumElements() != type->getNumElements()) {
    emitError() << "#plx.reshape of " << *type << " to " << result << " changes the element count";
    return failure();
  }
  return result;
}

//===--- Arithmetic ---------------------------------------------------------------------------===//

LogicalResult BoxRecipeAttr::verify(EmitError emitError, int64_t axis, int64_t count, Attribute) {
  if (axis < 0 || count < 1)
    return emitError() << "#plx.box needs axis >= 0 and count >= 1, found axis " << axis
                       << " and count " << count;
  return success();
}

FailureOr<RankedTensorType> BoxRecipeAttr::inferType(RankedTensorType, EmitError emitError) const {
  FailureOr<RankedTensorType> type = inferNestedRecipe(getValue(), {}, emitError);
  if (failed(type) || failed(checkAxis(getAxis(), *type, emitError)))
    return failure();
  return resized(*type, getAxis(), type->getDimSize(getAxis()) + getCount() - 1);
}

LogicalResult SpectrumRecipeAttr::verify(EmitError emitError, int64_t points, Attribute) {
  if (points < 2 * plexus::kSpectrumLanes || !llvm::isPowerOf2_64(points))
    return emitError() << "#plx.spectrum needs a power of 2 of at least "
                       << 2 * plexus::kSpectrumLanes << " points, found " << points;
  return success();
}

FailureOr<RankedTensorType> SpectrumRecipeAttr::inferType(RankedTensorType,
                                                          EmitError emitError) const {
  FailureOr<RankedTensorType> type = inferNestedRecipe(getValue(), {}, emitError);
  if (failed(type) || failed(checkAxis(0, *type, emitError)))
    return failure();
  int64_t last = type->getRank() - 1;
  if (type->getDimSize(last) > getPoints()) {
    emitError() << "#plx.spectrum of " << getPoints() << " points does not hold the last axis of "
                << *type;
    return failure();
  }
  return resized(type->clone(Float32Type::get(getContext())), last, getPoints());
}

FailureOr<RankedTensorType> RenormRecipeAttr::inferType(RankedTensorType expected,
                                                        EmitError emitError) const {
  FailureOr<RankedTensorType> type = inferNestedRecipe(getValue(), expected, emitError);
  if (failed(type) || failed(checkAxis(0, *type, emitError)))
    return failure();
  return type;
}

FailureOr<RankedTensorType> ExpRecipeAttr::inferType(RankedTensorType, EmitError emitError) const {
  FailureOr<RankedTensorType> type = inferNestedRecipe(getValue(), {}, emitError);
  if (failed(type))
    return failure();
  return type->clone(Float32Type::get(getContext()));
}

LogicalResult SumRecipeAttr::verify(EmitError emitError, ArrayRef<Attribute> parts) {
  return verifyParts(parts, emitError);
}

FailureOr<RankedTensorType> SumRecipeAttr::inferType(RankedTensorType, EmitError emitError) const {
  RankedTensorType first;
  for (Attribute part : getParts()) {
    FailureOr<RankedTensorType> type = inferNestedRecipe(part, {}, emitError);
    if (failed(type))
      return failure();
    first = first ? first : *type;
    if (first.getShape() != type->getShape()) {
      emitError() << "#plx.sum parts must have one shape, found " << first << " and " << *type;
      return failure();
    }
  }
  return RankedTensorType::get(first.getShape(), Float32Type::get(getContext()));
}

LogicalResult WhitenRecipeAttr::verify(EmitError emitError, StringRef result,
                                       ArrayRef<Attribute> parts) {
  bool one = result == "inverse" || result == "log_determinant";
  bool two = result == "readout" || result == "information";
  if (!one && !two)
    return emitError() << "#plx.whiten makes no \"" << result
                       << "\": inverse, log_determinant, readout, information";
  if (parts.size() != (one ? 1 : 2))
    return emitError() << "#plx.whiten \"" << result << "\" has " << parts.size()
                       << " parts, expected " << (one ? 1 : 2);
  return verifyParts(parts, emitError);
}

FailureOr<RankedTensorType> WhitenRecipeAttr::inferType(RankedTensorType,
                                                        EmitError emitError) const {
  SmallVector<RankedTensorType> types;
  for (Attribute part : getParts()) {
    FailureOr<RankedTensorType> type = inferNestedRecipe(part, {}, emitError);
    if (failed(type))
      return failure();
    types.push_back(*type);
  }
  RankedTensorType r = types.front(), last = types.back();
  if (r.getRank() != 2 || r.getDimSize(0) != r.getDimSize(1)) {
    emitError() << "#plx.whiten needs a square matrix, found " << r;
    return failure();
  }
  if (last.getRank() != 2 || last.getDimSize(0) != r.getDimSize(0)) {
    emitError() << "#plx.whiten: " << last << " has not the rows of " << r;
    return failure();
  }
  int64_t size = r.getDimSize(0), states = last.getDimSize(1);
  SmallVector<int64_t> shape{2, size, size};
  if (getResult() == "log_determinant")
    shape = {2, 1};
  else if (getResult() == "readout")
    shape = {2, states, size};
  else if (getResult() == "information")
    shape = {2, states, states};
  return RankedTensorType::get(shape, Float32Type::get(getContext()));
}

LogicalResult UnsortRecipeAttr::verify(EmitError emitError, ArrayRef<Attribute> parts) {
  if (parts.size() != 2)
    return emitError() << "#plx.unsort takes an order and a matrix, found " << parts.size()
                       << " parts";
  return success();
}

FailureOr<RankedTensorType> UnsortRecipeAttr::inferType(RankedTensorType,
                                                        EmitError emitError) const {
  FailureOr<RankedTensorType> order = inferNestedRecipe(getParts()[0], {}, emitError);
  FailureOr<RankedTensorType> matrix = inferNestedRecipe(getParts()[1], {}, emitError);
  if (failed(order) || failed(matrix))
    return failure();
  if (matrix->getRank() != 2 || order->getShape() != matrix->getShape().take_back()) {
    emitError() << "#plx.unsort needs one index for each column of a matrix, found " << *order
                << " and " << *matrix;
    return failure();
  }
  return matrix;
}

LogicalResult EinsumRecipeAttr::verify(EmitError emitError, StringRef axes,
                                       ArrayRef<Attribute> parts) {
  auto letters = [](StringRef text) { return llvm::all_of(text, llvm::isLower); };
  auto [inputs, result] = axes.split("->");
  SmallVector<StringRef> names;
  inputs.split(names, ',');
  bool known = letters(result) && llvm::all_of(names, letters) && names.size() == parts.size() &&
               llvm::all_of(result, [&](char c) { return inputs.contains(c); });
  if (!axes.contains("->") || !known)
    return emitError() << "#plx.einsum needs a lower-case letter for each axis of its "
                       << parts.size() << " parts, as in \"ik,kj->ij\", found \"" << axes << "\"";
  return verifyParts(parts, emitError);
}

FailureOr<RankedTensorType> EinsumRecipeAttr::inferType(RankedTensorType,
                                                        EmitError emitError) const {
  auto [inputs, result] = getAxes().split("->");
  SmallVector<StringRef> names;
  inputs.split(names, ',');
  std::array<int64_t, 128> sizes{};
  for (auto [part, axes] : llvm::zip_equal(getParts(), names)) {
    FailureOr<RankedTensorType> type = inferNestedRecipe(part, {}, emitError);
    if (failed(type))
      return failure();
    bool fits = static_cast<size_t>(type->getRank()) == axes.size();
    for (size_t i = 0; fits && i < axes.size(); ++i) {
      int64_t &size = sizes[static_cast<unsigned char>(axes[i])];
      fits = size == 0 || size == type->getDimSize(i);
      size = type->getDimSize(i);
    }
    if (!fits) {
      emitError() << "#plx.einsum \"" << getAxes() << "\": axes \"" << axes << "\" do not fit "
                  << *type;
      return failure();
    }
  }
  SmallVector<int64_t> shape;
  for (char axis : result)
    shape.push_back(sizes[static_cast<unsigned char>(axis)]);
  return RankedTensorType::get(shape, Float32Type::get(getContext()));
}
