// Registration of the kan dialect.
#include "dialects/kan/KanDialect.h"
#include "dialects/kan/KanOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kan;

#include "dialects/kan/KanDialect.cpp.inc"
#include "dialects/kan/KanEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/kan/KanAttrs.cpp.inc"

void KanDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/kan/KanOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/kan/KanAttrs.cpp.inc"
      >();
}
