// Registration of the brain dialect.
#include "dialects/brain/BrainDialect.h"
#include "dialects/brain/BrainOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::brain;

#include "dialects/brain/BrainDialect.cpp.inc"

void BrainDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/brain/BrainOps.cpp.inc"
      >();
}

#define GET_OP_CLASSES
#include "dialects/brain/BrainOps.cpp.inc"
