// plexus-lsp-server: the language server of MLIR, with the dialects of Plexus.
#include "dialects/attn/AttnOps.h"
#include "dialects/kan/KanDialect.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<mlir::plx::PlxDialect, mlir::attn::AttnDialect, mlir::kan::KanDialect>();
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
