// plexus-opt: runs passes over modules in text, as mlir-opt does, with the dialects of Plexus.
#include "TestDecompose.h"
#include "dialects/Dialects.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "passes/Passes.h"
#include "passes/Pipelines.h"

int main(int argc, char **argv) {
  mlir::registerAllPasses();
  plexus::compiler::registerPlexusPasses();
  plexus::compiler::registerPipelines();
  plexus::registerTestDecompose();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  plexus::registerDialects(registry);
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Plexus optimizer driver\n", registry));
}
