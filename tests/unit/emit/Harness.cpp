// Compiles a function built by an emitter to machine code of this process, for tests and
// benchmarks.
#include "tests/unit/emit/Harness.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "passes/lower/cpu/emit/VectorMath.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include <cstdlib>
#include <vector>

using namespace mlir;

namespace plexus::emit::test {

[[noreturn]] static void fail(const llvm::Twine &what) {
  llvm::errs() << "emit harness: " << what << "\n";
  std::abort();
}

bool hostHasAvx512() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  return features.lookup("avx512f") && features.lookup("avx512vnni") &&
         features.lookup("avx512bf16") && features.lookup("avx512vl");
}

llvm::ArrayRef<Isa> testIsas() {
  static const std::vector<Isa> levels = [] {
    std::vector<Isa> result(isas().begin(), isas().end());
    if (!hostHasAvx512())
      for (Isa &isa : result) {
        isa.bf16Dot = false;
        if (isa.byteDot == ByteDot::Vnni)
          isa.byteDot = ByteDot::Generic;
      }
    return result;
  }();
  return levels;
}

Compiler::Compiler() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  mlirContext = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  mlirContext->loadDialect<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
                           LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
                           scf::SCFDialect, vector::VectorDialect>();
}

Type Compiler::index() { return IndexType::get(mlirContext.get()); }
Type Compiler::pointer() { return LLVM::LLVMPointerType::get(mlirContext.get()); }
Type Compiler::bytes() {
  return MemRefType::get({ShapedType::kDynamic}, IntegerType::get(mlirContext.get(), 8));
}
Type Compiler::floats(int64_t size) {
  return MemRefType::get({size}, Float32Type::get(mlirContext.get()));
}
Type Compiler::rows(int64_t columns) {
  return MemRefType::get({ShapedType::kDynamic, columns}, Float32Type::get(mlirContext.get()));
}
Type Compiler::stridedRows(int64_t columns) {
  auto layout = StridedLayoutAttr::get(mlirContext.get(), 0, {ShapedType::kDynamic, 1});
  return MemRefType::get({ShapedType::kDynamic, columns}, Float32Type::get(mlirContext.get()),
                         layout);
}

static void lowerToLLVM(ModuleOp module) {
  if (failed(expandVectorMath(module)))
    fail("math expansion failed");
  PassManager passes(module.getContext());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(memref::createExpandStridedMetadataPass());
  passes.addPass(createLowerAffinePass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertIndexToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  if (failed(passes.run(module))) {
    module.dump();
    fail("lowering failed");
  }
}

static std::unique_ptr<llvm::TargetMachine> targetMachine(const Isa &level) {
  std::string error;
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    fail(error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple, level.cpu, level.features, options, llvm::Reloc::PIC_,
                                  std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

static std::string compileObject(ModuleOp module, const Isa &level) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context);
  if (!code) {
    module.dump();
    fail("translation to LLVM IR failed");
  }
  std::unique_ptr<llvm::TargetMachine> machine = targetMachine(level);
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());
  for (llvm::Function &function : *code) {
    function.addFnAttr("target-cpu", machine->getTargetCPU());
    function.addFnAttr("target-features", machine->getTargetFeatureString());
    function.addFnAttr("prefer-vector-width", "512");
  }
  if (llvm::Error error = makeOptimizingTransformer(3, 0, machine.get())(code.get()))
    fail(toString(std::move(error)));
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    fail("the target can't write objects");
  passes.run(*code);
  return bytes.str().str();
}

/// Builds, lowers and compiles for `level`.
static std::string build(MLIRContext *context, const Isa &level, llvm::ArrayRef<Type> arguments,
                         const Compiler::Body &body) {
  OpBuilder builder(context);
  Location loc = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  builder.setInsertionPointToStart(module->getBody());
  auto type = builder.getFunctionType(arguments, {});
  auto function = func::FuncOp::create(builder, loc, "run", type);
  function->setAttr("llvm.emit_c_interface", builder.getUnitAttr());
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  body(builder, loc, entry->getArguments());
  func::ReturnOp::create(builder, loc);
  if (failed(verify(*module))) {
    module->dump();
    fail("the emitter built invalid IR");
  }
  lowerToLLVM(*module);
  return compileObject(*module, level);
}

std::string Compiler::object(const Isa &isa, llvm::ArrayRef<Type> arguments, const Body &body) {
  return build(mlirContext.get(), isa, arguments, body);
}

Compiled Compiler::compile(const Isa &isa, llvm::ArrayRef<Type> arguments, const Body &body) {
  const Isa &level = isa.vectorBits == 512 && !hostHasAvx512() ? *findIsa("x86-64-v3") : isa;
  std::string object = build(mlirContext.get(), level, arguments, body);
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    fail(toString(jit.takeError()));
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(object, "emit");
  if (llvm::Error error = (*jit)->addObjectFile(std::move(buffer)))
    fail(toString(std::move(error)));
  auto symbol = (*jit)->lookup("_mlir_ciface_run");
  if (!symbol)
    fail(toString(symbol.takeError()));
  Compiled result;
  result.entry = symbol->toPtr<void *>();
  result.engine = std::shared_ptr<llvm::orc::LLJIT>(std::move(*jit));
  return result;
}

} // namespace plexus::emit::test
