// All dialects of Plexus in one list, for whoever makes a context.
#ifndef PLEXUS_DIALECTS_DIALECTS_H
#define PLEXUS_DIALECTS_DIALECTS_H

#include "dialects/attn/AttnDialect.h"
#include "dialects/brain/BrainDialect.h"
#include "dialects/kan/KanDialect.h"
#include "dialects/plx/PlxDialect.h"
#include "dialects/ssm/SsmDialect.h"
#include "mlir/IR/DialectRegistry.h"

namespace plexus {

/// Makes them known to `registry`; plx loads none of the others by itself.
inline void registerDialects(mlir::DialectRegistry &registry) {
  registry.insert<mlir::plx::PlxDialect, mlir::attn::AttnDialect, mlir::kan::KanDialect,
                  mlir::ssm::SsmDialect, mlir::brain::BrainDialect>();
}

/// Loads them into `context`.
inline void loadDialects(mlir::MLIRContext &context) {
  context.loadDialect<mlir::plx::PlxDialect, mlir::attn::AttnDialect, mlir::kan::KanDialect,
                      mlir::ssm::SsmDialect, mlir::brain::BrainDialect>();
}

} // namespace plexus

#endif // PLEXUS_DIALECTS_DIALECTS_H
