// From a module in the plx dialect to the program that the executor runs.
#pragma once

#include "compiler/pack/Packer.h"
#include "dialects/plx/PlxOps.h"
#include "runtime/program/Program.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace plexus::compiler {

/// A program and where its weights come from; `jobs[i]` makes `program.weights[i]`.
struct ProgramPlan {
  Program program;
  std::vector<PackJob> jobs;
  /// Symbols that the code must have.
  std::vector<std::string> symbols() const;
};

/// Symbol of a segment's code; its scratch function has "_scratch" behind it.
std::string symbolOf(llvm::StringRef segment);

/// The module's one model, or InvalidArgument.
Expected<mlir::plx::ModelOp> findModel(mlir::ModuleOp module);

/// Gives each segment and its tapped variant the same weight and state tables: the executor has one
/// for both. Call after the graph passes, before lowering.
void alignTappedTables(mlir::plx::ModelOp model);

/// A segment as its entry point sees it, its tapped variant included. `program` has the states.
Expected<Segment> readSegment(mlir::plx::ModelOp model, mlir::plx::SegmentOp op,
                              const Program &program);

/// Appends the types of values between segments; batches are left out. `op` is where errors are.
Status readTypes(mlir::Operation *op, mlir::ValueRange values, std::vector<ValueType> &out);

/// How a value of MLIR type `type` is stored; Unsupported, at `op`, where it cannot be.
Expected<DType> readDType(mlir::Operation *op, mlir::Type type);

/// An error at the place of `op`.
Status failAt(mlir::Operation *op, Code code, const llvm::Twine &message);

/// Reads the model after the graph passes (weights have their final types, taps their variants).
/// `info` holds what the graph does not: names, special tokens, generation defaults; the sizes and
/// the task come from the model's attributes where it has them. Weights are laid out in the order
/// of their first use. Errors name the op.
Expected<ProgramPlan> buildProgram(mlir::plx::ModelOp model, const ModelInfo &info);

/// A recipe attribute as the packer's tree.
Expected<Recipe> importRecipe(mlir::Attribute attribute);

} // namespace plexus::compiler
