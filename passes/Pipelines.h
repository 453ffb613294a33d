//===- Pipelines.h - the orders in which passes run -------------------------------------*- C++
//-*-===//
// Pipelines from a model in the plx dialects to the LLVM dialect.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_PIPELINES_H
#define PLEXUS_PASSES_PIPELINES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Options.h"
#include "passes/lower/cpu/emit/Isa.h"

namespace plexus::compiler {

/// The target-independent passes: taps, merging, fusion, encodings. The result is still in the plx
/// dialects, and is what compiler/program and the weight packer read.
void buildPipeline(mlir::OpPassManager &manager, const ModelOptions &options);

/// From the plx dialects to functions over buffers, parallel bodies outlined, with entry points.
void buildCpuPipeline(mlir::OpPassManager &manager, const emit::Isa &isa,
                      const CpuOptions &options);

/// From func, scf, memref, arith, math, vector to the LLVM dialect.
void buildToLlvmPipeline(mlir::OpPassManager &manager);

/// Lowers `module`, a model after buildPipeline, to the LLVM dialect for one ISA: `plx_<segment>`
/// and `plx_<segment>_scratch` of runtime/abi/Call.h for each segment. The model itself is gone
/// after it: call it on a clone. Appends to `report`, if given, where each op went.
mlir::LogicalResult lowerToCpu(mlir::ModuleOp module, const emit::Isa &isa,
                               const CpuOptions &options, std::vector<ReportRow> *report = nullptr);

/// Runs all of it (model passes, then CPU lowering) up to and including the first pass of the name
/// `after` (as plexus-opt has it, such as "plx-fuse-epilogue"); fails, naming the passes there are,
/// if none is called that.
mlir::LogicalResult runUntil(mlir::ModuleOp module, llvm::StringRef after,
                             const ModelOptions &modelOptions, const emit::Isa &isa,
                             const CpuOptions &cpuOptions);

/// Registers the pipelines by name, for plexus-opt.
void registerPipelines();

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_PIPELINES_H
