// The stages that the driver's functions have in common.
#pragma once

#include "compiler/Compile.h"
#include "compiler/program/ProgramBuilder.h"

#include <string>
#include <vector>

namespace plexus::compiler {

/// A model after the graph passes, with its program. The module is a copy of the source's.
struct Prepared {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::plx::ModelOp model;
  ProgramPlan plan;
};

/// Runs the graph passes on a copy and plans the program.
Expected<Prepared> prepare(const ModelSource &source, const CompileOptions &options,
                           CompileStats &stats);

/// Lowers a prepared module, or a copy of one, to the LLVM dialect for the ISA. Where its ops went
/// is added to `report`.
Status lowerFor(mlir::ModuleOp module, const std::string &isa, const CompileOptions &options,
                std::vector<ReportEntry> &report, CompileStats &stats);

/// The options' ISAs, checked; `otherwise` where they name none.
Expected<std::vector<std::string>> chooseIsas(const CompileOptions &options,
                                              std::vector<std::string> otherwise);
std::vector<std::string> everyIsa();
/// The best ISA of this CPU, or Mismatch.
Expected<std::vector<std::string>> bestIsa();

/// The key of the code, from the plugins and options that matter to it.
std::string codeKeyOf(const Prepared &prepared, const ModelSource &source,
                      const CompileOptions &options, const std::vector<std::string> &isas);

/// Packs the program's weights.
Status pack(const Prepared &prepared, const ModelSource &source, WeightSink &sink,
            const CompileOptions &options, const Progress &progress, CompileStats &stats);

} // namespace plexus::compiler
