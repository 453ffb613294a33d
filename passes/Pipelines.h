//===- Pipelines.h - the orders in which passes run -------------------------------------*- C++ -*-===//
// Pipelines from a model in the plx dialects to the LLVM dialect.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_PIPELINES_H
#define PLEXUS_PASSES_PIPELINES_H

#include "mlir/Pass/PassManager.h"

namespace plexus::compiler {

/// From func, scf, memref, arith, math, vector to the LLVM dialect.
void buildToLlvmPipeline(mlir::OpPassManager &manager);

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_PIPELINES_H
