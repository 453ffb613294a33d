// The compiler's driver: from a model in the plx dialect to an artifact, to memory, or to other
// forms. The command line, the C API and the tests call these functions and no others.
#pragma once

#include "compiler/cache/Cache.h"
#include "compiler/calibrate/Calibration.h"
#include "compiler/codegen/Stats.h"
#include "passes/Options.h"
#include "runtime/io/TensorSource.h"
#include "runtime/program/Program.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace plexus::compiler {

/// Makes a context with every dialect that a model, or what it is lowered to, may hold.
std::unique_ptr<mlir::MLIRContext> makeContext();

/// Parses a module's text; Corrupt with the places of all errors.
Expected<mlir::OwningOpRef<mlir::ModuleOp>>
parseModule(mlir::MLIRContext &context, std::string_view text, const std::string &name);

/// A model as front ends hand it over. Compiling leaves it as it is.
struct ModelSource {
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< One plx.model; its context must outlive this.
  /// What the recipes' names refer to; the first source that has a name gives it.
  std::vector<std::shared_ptr<const TensorSource>> tensors;
  ModelInfo info; ///< What the graph does not say (ProgramBuilder.h).
  std::string tokenizer, chatTemplate;
  /// Digests of the plugins that built the graph, which are part of the code's key.
  std::vector<std::string> plugins;
};

struct CompileOptions {
  ModelOptions model;
  CpuOptions cpu;
  /// Names of passes/lower/cpu/emit/Isa.h. Empty: all of them for artifacts, the best that this CPU
  /// runs for what is run here.
  std::vector<std::string> isas;
  int packThreads = 2;
  RangeRule ranges; ///< Of weights that are rounded.
  /// Says how quantized weights are rounded, where given.
  std::shared_ptr<Calibration> calibration;
  /// Code is looked up and kept here, where given.
  const CompileCache *cache = nullptr;
};

/// Called as the work goes on: the phase ("compile", "pack"), and how much of it is done. Returning
/// false cancels.
using Progress = std::function<bool(std::string_view phase, uint64_t done, uint64_t total)>;

struct CompileResult {
  std::string path; ///< Of the artifact.
  Program program;
  CompileStats stats;
};

/// Writes an artifact. Nothing is at `path` unless all went well.
Expected<CompileResult> compileToFile(const ModelSource &source, const CompileOptions &options,
                                      const std::string &path, const Progress &progress = {});

/// Compiles just in time; weights are packed into memory.
Expected<std::shared_ptr<const ModelImage>> compileInMemory(const ModelSource &source,
                                                            const CompileOptions &options,
                                                            const Progress &progress = {},
                                                            CompileStats *stats = nullptr);

/// Code that tells which op begins (CpuOptions::marks), of a module as artifacts carry it, for this
/// CPU and options.isas[0].
Expected<std::shared_ptr<const CodeModule>> compileProfilingCode(mlir::ModuleOp module,
                                                                 CompileOptions options);

/// The artifact in the cache, compiled for this CPU if it is not there. What has been done before
/// is not done again: neither code nor packed weights that an entry has.
Expected<CompileResult> compileThroughCache(const ModelSource &source, CompileOptions options,
                                            const CompileCache &cache,
                                            const Progress &progress = {});

/// The module's text after the pass of that name (its argument in passes/Passes.td, for the first
/// ISA); "import": as handed over; empty: after the passes that no target has part in. NotFound
/// lists the passes that ran.
Expected<std::string> printModule(const ModelSource &source, const CompileOptions &options,
                                  const std::string &afterPass);

/// Relocatable objects `<path>.<isa>.o`; returns their paths.
Expected<std::vector<std::string>>
emitObjects(const ModelSource &source, const CompileOptions &options, const std::string &path);

} // namespace plexus::compiler
