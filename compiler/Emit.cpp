// Contexts, text in and out, and objects.
#include "compiler/Compile.h"
#include "compiler/IsaCode.h"
#include "compiler/support/Diagnostics.h"
#include "dialects/Dialects.h"
#include "dialects/attn/AttnOps.h"
#include "runtime/io/AtomicFile.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "passes/Pipelines.h"
#include "passes/lower/cpu/emit/Isa.h"

namespace plexus::compiler {

using namespace mlir;

namespace {

std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  op->print(out);
  return text;
}

} // namespace

std::unique_ptr<MLIRContext> makeContext() {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerDialects(registry);
  registerAllExtensions(registry);
  auto context = std::make_unique<MLIRContext>(registry);
  loadDialects(*context);
  return context;
}

Expected<OwningOpRef<ModuleOp>> parseModule(MLIRContext &context, std::string_view text,
                                            const std::string &name) {
  DiagnosticCollector diagnostics(&context);
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(&context), name);
  if (!module)
    return diagnostics.status(Code::Corrupt, name + " is not MLIR");
  return module;
}

Expected<std::string> printModule(const ModelSource &source, const CompileOptions &options,
                                  const std::string &afterPass) {
  if (afterPass == "import")
    return print(source.module.get());
  CompileStats stats;
  if (afterPass.empty()) {
    PLX_ASSIGN(Prepared prepared, prepare(source, options, stats));
    return print(*prepared.module);
  }
  PLX_ASSIGN(auto isas, chooseIsas(options, everyIsa()));
  OwningOpRef<ModuleOp> module = cast<ModuleOp>(source.module.get()->clone());
  DiagnosticCollector diagnostics(module->getContext());
  if (failed(runUntil(*module, afterPass, options.model, *emit::findIsa(isas[0]), options.cpu)))
    return diagnostics.status(Code::NotFound, "no pass '" + afterPass + "' ran");
  return print(*module);
}

Expected<std::vector<std::string>>
emitObjects(const ModelSource &source, const CompileOptions &options, const std::string &path) {
  CompileStats stats;
  CodeProgress progress;
  std::vector<std::string> paths;
  PLX_ASSIGN(auto isas, chooseIsas(options, everyIsa()));
  PLX_ASSIGN(Prepared prepared, prepare(source, options, stats));
  PLX_ASSIGN(auto objects, generateObjects(prepared, options, isas, progress, stats));
  for (const IsaObject &each : objects) {
    paths.push_back(path + "." + each.isa + ".o");
    PLX_RETURN_IF_ERROR(writeFileAtomically(paths.back(), each.object));
  }
  return paths;
}

} // namespace plexus::compiler
