// Registration of the brain dialect.
#include "dialects/brain/BrainDialect.h"
#include "dialects/brain/BrainOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::brain;

#include "dialects/brain/BrainDialect.cpp.inc"
#include "dialects/brain/BrainEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/brain/BrainAttrs.cpp.inc"

void BrainDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/brain/BrainOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/brain/BrainAttrs.cpp.inc"
      >();
}

#define GET_OP_CLASSES
#include "dialects/brain/BrainOps.cpp.inc"
