// Registration of the plx dialect, its type predicates and the packed encoding.
#include "dialects/plx/PlxDialect.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::plx;

#include "dialects/plx/PlxDialect.cpp.inc"
#include "dialects/plx/PlxEnums.cpp.inc"

#include "dialects/plx/PlxAttrInterfaces.cpp.inc"
#include "dialects/plx/PlxTypeInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/plx/PlxAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/plx/PlxTypes.cpp.inc"

void PlxDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/plx/PlxOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/plx/PlxAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/plx/PlxTypes.cpp.inc"
      >();
}

LogicalResult PlxDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned argument,
                                                   NamedAttribute attribute) {
  if (attribute.getName() == kNameAttr && isa<ScheduleOp>(op) &&
      isa<StringAttr>(attribute.getValue()))
    return success();
  if (attribute.getName() != kRowsAttr)
    return op->emitOpError("argument #")
           << argument << " has the attribute '" << attribute.getName().getValue()
           << "'; plx knows only '" << kRowsAttr << "', and on schedules '" << kNameAttr << "'";
  auto text = dyn_cast<StringAttr>(attribute.getValue());
  if (!text || !parseSizeSymbol(text))
    return op->emitOpError("argument #")
           << argument << " has " << kRowsAttr << " = " << attribute.getValue()
           << ", expected \"T\", \"S\" or \"R\"";
  return success();
}

//===--- Type predicates ----------------------------------------------------------------------===//

static RankedTensorType asFloatTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa<FloatType>(tensor.getElementType()) ? tensor : RankedTensorType();
}

bool plx::isDenseFloatTensor(Type type) {
  RankedTensorType tensor = asFloatTensor(type);
  return tensor && !tensor.getEncoding();
}

bool plx::isParameterType(Type type) {
  RankedTensorType tensor = asFloatTensor(type);
  return tensor && tensor.hasStaticShape() &&
         (!tensor.getEncoding() || isa<PackedAttr>(tensor.getEncoding()));
}

bool plx::isWeightMatrix(Type type) {
  return isParameterType(type) && cast<RankedTensorType>(type).getRank() == 2;
}

bool plx::isIndexVector(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 1 && tensor.getElementType().isInteger(32) &&
         !tensor.getEncoding();
}

PackedAttr plx::getPacked(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? dyn_cast_or_null<PackedAttr>(tensor.getEncoding()) : PackedAttr();
}
