// The plx dialect: its types, attributes, interfaces and type predicates.
#ifndef PLEXUS_DIALECTS_PLX_PLXDIALECT_H
#define PLEXUS_DIALECTS_PLX_PLXDIALECT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TensorEncoding.h"

#include "runtime/io/PackedForm.h"
#include "llvm/ADT/Hashing.h"

namespace plexus {
/// Attributes are unique by their parameters.
inline llvm::hash_code hash_value(const PackedForm &form) {
  return llvm::hash_combine(form.values, form.zeros, form.group, form.superblock);
}
} // namespace plexus

#include "dialects/plx/PlxDialect.h.inc"
#include "dialects/plx/PlxEnums.h.inc"

namespace mlir::plx {

/// Whether `type` is a ranked float tensor without an encoding.
bool isDenseFloatTensor(Type type);
/// Whether `type` is a static `[N, K]` float tensor, dense or packed.
bool isWeightMatrix(Type type);
/// Whether `type` is a static ranked float tensor, dense or packed.
bool isParameterType(Type type);
/// Whether `type` is a vector of i32.
bool isIndexVector(Type type);

/// Marks ops that may have operands and results with a `#plx.packed` encoding.
template <typename ConcreteType>
class AcceptsPacked : public OpTrait::TraitBase<ConcreteType, AcceptsPacked> {};

} // namespace mlir::plx

#include "dialects/plx/PlxAttrInterfaces.h.inc"
#include "dialects/plx/PlxTypeInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/plx/PlxAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/plx/PlxTypes.h.inc"

namespace mlir::plx {

/// Type of a recipe inside another one; an error where `recipe` is none. `expected` may be null.
FailureOr<RankedTensorType> inferNestedRecipe(Attribute recipe, RankedTensorType expected,
                                              function_ref<InFlightDiagnostic()> emitError);

/// The packed encoding of `type`, or null.
PackedAttr getPacked(Type type);

/// Checks that `recipe` gives a tensor of the shape of `type` and returns the type that it gives.
/// Sources without a type of their own take the one that their user asks for.
FailureOr<RankedTensorType> inferRecipeType(Attribute recipe, RankedTensorType type,
                                            function_ref<InFlightDiagnostic()> emitError);

/// The names of the source tensors that `recipe` reads, in order; may repeat.
SmallVector<StringRef> recipeSources(Attribute recipe);

} // namespace mlir::plx

#endif // PLEXUS_DIALECTS_PLX_PLXDIALECT_H
