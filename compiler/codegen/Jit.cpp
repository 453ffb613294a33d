// The JIT: the same machine code as an artifact's, placed by ORC.
#include "compiler/codegen/Codegen.h"
#include "compiler/support/Diagnostics.h"
#include "runtime/artifact/Isa.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"

#include <algorithm>

namespace plexus::compiler {
namespace {

class JitModule : public CodeModule {
public:
  JitModule(std::unique_ptr<llvm::orc::LLJIT> jit, std::string isa)
      : jit_(std::move(jit)), isa_(std::move(isa)) {}
  void *lookup(std::string_view symbol) const override {
    auto address = jit_->lookup(llvm::StringRef(symbol));
    if (address)
      return address->toPtr<void *>();
    llvm::consumeError(address.takeError());
    return nullptr;
  }
  std::string_view isa() const override { return isa_; }

private:
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  std::string isa_;
};

} // namespace

Expected<std::shared_ptr<const CodeModule>> jitModule(mlir::ModuleOp module, std::string_view isa,
                                                      std::span<const std::string> exports,
                                                      CompileStats &stats) {
  auto host = hostIsas();
  if (std::find(host.begin(), host.end(), isa) == host.end())
    return error(Code::Mismatch) << "this CPU does not run code for '" << isa << "'";
  PLX_ASSIGN(std::string object, compileToObject(module, isa, exports, stats));
  PhaseTimer timer(stats.link);
  stats.codeBytes += object.size();
  llvm::InitializeNativeTarget();
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return toStatus(jit.takeError()).at("JIT");
  auto library = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!library)
    return toStatus(library.takeError()).at("JIT");
  (*jit)->getMainJITDylib().addGenerator(std::move(*library));
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(object, "plexus");
  if (llvm::Error failure = (*jit)->addObjectFile(std::move(buffer)))
    return toStatus(std::move(failure)).at("JIT");
  auto code = std::make_shared<JitModule>(std::move(*jit), std::string(isa));
  for (const std::string &name : exports) // places the code now, so that errors come now
    if (!code->lookup(name))
      return error(Code::Internal) << "JIT: '" << name << "' cannot be placed";
  return std::shared_ptr<const CodeModule>(std::move(code));
}

} // namespace plexus::compiler
