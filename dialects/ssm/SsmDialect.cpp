// Registration of the ssm dialect.
#include "dialects/ssm/SsmDialect.h"
#include "dialects/ssm/SsmOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::ssm;

#include "dialects/ssm/SsmDialect.cpp.inc"
#include "dialects/ssm/SsmEnums.cpp.inc"

void SsmDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/ssm/SsmOps.cpp.inc"
      >();
}

#define GET_OP_CLASSES
#include "dialects/ssm/SsmOps.cpp.inc"
