// One thread for each ISA.
#include "compiler/IsaCode.h"

#include "compiler/codegen/Codegen.h"

#include "mlir/Bytecode/BytecodeWriter.h"

namespace plexus::compiler {

using namespace mlir;

namespace {

struct Outcome {
  IsaObject object;
  CompileStats stats;
  Status status;
};

Status generate(OwningOpRef<ModuleOp> module, const std::vector<std::string> &symbols,
                const CompileOptions &options, const CodeProgress &progress, Outcome &out) {
  const std::string &isa = out.object.isa;
  PLX_RETURN_IF_ERROR(lowerFor(*module, isa, options, out.object.report, out.stats));
  if (progress.cancelled)
    return error(Code::Cancelled) << "compilation was cancelled";
  PLX_ASSIGN(out.object.object, compileToObject(*module, isa, symbols, out.stats));
  return Status::ok();
}

/// The same in a context of the thread's own: contexts may be shared, but not while dialects load.
Status generateApart(const std::string &bytecode, const std::vector<std::string> &symbols,
                     const CompileOptions &options, const CodeProgress &progress, Outcome &out) {
  auto context = makeContext();
  PLX_ASSIGN(auto module, parseModule(*context, bytecode, "a copy of the model"));
  return generate(std::move(module), symbols, options, progress, out);
}

} // namespace

Expected<std::vector<IsaObject>> generateObjects(const Prepared &prepared,
                                                 const CompileOptions &options,
                                                 std::span<const std::string> isas,
                                                 CodeProgress &progress, CompileStats &stats) {
  const std::vector<std::string> symbols = prepared.plan.symbols();
  std::string bytecode;
  if (isas.size() > 1) {
    llvm::raw_string_ostream out(bytecode);
    if (failed(writeBytecodeToFile(prepared.module.get(), out)))
      return error(Code::Internal) << "the model cannot be copied";
  }
  std::vector<Outcome> outcomes(isas.size());
  auto run = [&](size_t i) {
    outcomes[i].object.isa = isas[i];
    outcomes[i].status = i == 0 ? generate(cast<ModuleOp>(prepared.module.get()->clone()), symbols,
                                           options, progress, outcomes[i])
                                : generateApart(bytecode, symbols, options, progress, outcomes[i]);
    ++progress.done;
  };
  {
    std::vector<std::future<void>> threads;
    for (size_t i = 1; i < isas.size(); ++i)
      threads.push_back(std::async(std::launch::async, run, i));
    if (!isas.empty())
      run(0);
    for (std::future<void> &thread : threads)
      thread.get();
  }
  std::vector<IsaObject> objects;
  for (Outcome &outcome : outcomes) {
    PLX_RETURN_IF_ERROR(std::move(outcome.status));
    stats.addCode(outcome.stats);
    objects.push_back(std::move(outcome.object));
  }
  return objects;
}

} // namespace plexus::compiler
