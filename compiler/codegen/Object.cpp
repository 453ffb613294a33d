// LLVM dialect -> LLVM IR -> optimised -> object file.
#include "compiler/codegen/Codegen.h"
#include "compiler/support/Diagnostics.h"
#include "passes/lower/cpu/emit/Isa.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/IPO/Internalize.h"
#include "llvm/Transforms/IPO/MergeFunctions.h"

#include <mutex>

namespace plexus::compiler {
namespace {

constexpr const char *kTriple = "x86_64-unknown-linux-gnu";

Expected<std::unique_ptr<llvm::TargetMachine>> makeTargetMachine(const emit::Isa &isa) {
  static std::once_flag initialised;
  std::call_once(initialised, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
  });
  llvm::Triple triple(kTriple);
  std::string message;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return error(Code::Internal) << "LLVM has no target " << kTriple << ": " << message;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, isa.cpu, isa.features, options, llvm::Reloc::PIC_,
                                  std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return error(Code::Internal) << "LLVM has no machine " << std::string_view(isa.cpu);
  return machine;
}

Expected<std::unique_ptr<llvm::Module>> translate(mlir::ModuleOp module,
                                                  llvm::LLVMContext &context) {
  mlir::DialectRegistry registry;
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  module.getContext()->appendDialectRegistry(registry);
  DiagnosticCollector diagnostics(module.getContext());
  auto translated = mlir::translateModuleToLLVMIR(module, context, "plexus");
  if (!translated)
    return diagnostics.status(Code::Internal, "translation to LLVM IR failed");
  return translated;
}

/// Attributes of every function, and visibility.
void prepare(llvm::Module &module, const emit::Isa &isa, std::span<const std::string> exports) {
  llvm::StringSet<> visible;
  for (const std::string &name : exports)
    visible.insert(name);
  llvm::internalizeModule(
      module, [&](const llvm::GlobalValue &value) { return visible.contains(value.getName()); });
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    // LLVM would rather use halves of the registers on most AVX-512 processors.
    function.addFnAttr("prefer-vector-width", std::to_string(isa.vectorBits));
    function.addFnAttr("target-cpu", isa.cpu);
    function.addFnAttr("target-features", isa.features);
    function.addFnAttr(llvm::Attribute::NoUnwind);
    // Nobody compares addresses of functions: equal ones may be merged.
    if (function.hasLocalLinkage())
      function.setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
  }
}

/// The default pipeline, after equal functions were merged: the variants of a segment with and
/// without taps share most of theirs.
void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerPipelineStartEPCallback(
      [](llvm::ModulePassManager &passes, llvm::OptimizationLevel) {
        passes.addPass(llvm::MergeFunctionsPass());
      });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

Expected<std::string> emitObject(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::ObjectFile))
    return error(Code::Internal) << "LLVM cannot write objects for " << kTriple;
  passes.run(module);
  return std::string(bytes.begin(), bytes.end());
}

} // namespace

Expected<std::string> compileToObject(mlir::ModuleOp module, std::string_view isaName,
                                      std::span<const std::string> exports, CompileStats &stats) {
  const emit::Isa *isa = emit::findIsa(isaName);
  if (!isa)
    return error(Code::InvalidArgument) << "there is no ISA '" << isaName << "'";
  PLX_ASSIGN(auto machine, makeTargetMachine(*isa));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> translated;
  {
    PhaseTimer timer(stats.optimise);
    PLX_ASSIGN(translated, translate(module, context));
    translated->setTargetTriple(machine->getTargetTriple());
    translated->setDataLayout(machine->createDataLayout());
    for (const std::string &name : exports)
      if (const llvm::Function *function = translated->getFunction(name);
          !function || function->isDeclaration())
        return error(Code::Internal) << "the lowered module has no function '" << name << "'";
    prepare(*translated, *isa, exports);
    std::string problems;
    llvm::raw_string_ostream out(problems);
    if (llvm::verifyModule(*translated, &out))
      return error(Code::Internal) << "the lowered module is not valid LLVM IR: " << problems;
    optimise(*translated, *machine);
  }
  PhaseTimer timer(stats.codegen);
  return emitObject(*translated, *machine);
}

Expected<std::string> assembleToObject(std::string_view text) {
  PLX_ASSIGN(auto machine, makeTargetMachine(emit::isas().back()));
  llvm::LLVMContext context;
  std::string problems;
  context.setDiagnosticHandlerCallBack(
      [](const llvm::DiagnosticInfo *info, void *out) {
        llvm::raw_string_ostream stream(*static_cast<std::string *>(out));
        llvm::DiagnosticPrinterRawOStream printer(stream);
        info->print(printer);
      },
      &problems);
  llvm::Module module("assembly", context);
  module.setTargetTriple(machine->getTargetTriple());
  module.setDataLayout(machine->createDataLayout());
  module.setModuleInlineAsm(llvm::StringRef(text));
  PLX_ASSIGN(std::string object, emitObject(module, *machine));
  if (!problems.empty())
    return error(Code::Internal) << "assembling failed: " << problems;
  return object;
}

} // namespace plexus::compiler
