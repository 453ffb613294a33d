// Graph passes, lowering and packing, as stages.
#include "compiler/Stages.h"

#include "compiler/cache/Keys.h"
#include "compiler/pack/JoinedTensors.h"
#include "compiler/support/Diagnostics.h"
#include "passes/Pipelines.h"
#include "passes/Report.h"
#include "passes/lower/cpu/emit/Isa.h"
#include "runtime/artifact/Isa.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FormatVariadic.h"

namespace plexus::compiler {

using namespace mlir;

/// A row for each packed weight: its form and size, and why it has that form.
static std::vector<ReportEntry> storageReport(plx::ModelOp model, const Program &program) {
  std::vector<ReportEntry> rows;
  for (auto weight : model.getOps<plx::WeightOp>()) {
    std::string name = weight.getSymName().str(), form;
    uint64_t bytes = 0;
    for (const WeightInfo &info : program.weights)
      if (info.name == name && info.encoding == WeightEncoding::Packed) {
        form = info.form().spelling();
        bytes += info.bytes;
      }
    if (!form.empty())
      rows.push_back({"weights", "plx.weight", name,
                      form + ", " + llvm::formatv("{0:F1} MB", bytes / 1e6).str(),
                      storageNote(weight).str()});
  }
  return rows;
}

Expected<Prepared> prepare(const ModelSource &source, const CompileOptions &options,
                           CompileStats &stats) {
  PhaseTimer timer(stats.graph);
  Prepared prepared;
  prepared.module = cast<ModuleOp>(source.module.get()->clone());
  MLIRContext *context = prepared.module->getContext();
  DiagnosticCollector diagnostics(context);
  PassManager manager(context);
  buildPipeline(manager, options.model);
  if (failed(manager.run(*prepared.module)))
    return diagnostics.status(Code::Unsupported, "the graph passes failed");
  PLX_ASSIGN(prepared.model, findModel(*prepared.module));
  alignTappedTables(prepared.model);
  PLX_ASSIGN(prepared.plan, buildProgram(prepared.model, source.info));
  prepared.plan.program.compiler = compilerVersion();
  prepared.plan.program.functionalHash = functionalHash(prepared.model);
  prepared.plan.program.report = storageReport(prepared.model, prepared.plan.program);
  return prepared;
}

Status lowerFor(ModuleOp module, const std::string &isa, const CompileOptions &options,
                std::vector<ReportEntry> &report, CompileStats &stats) {
  PhaseTimer timer(stats.lower);
  DiagnosticCollector diagnostics(module->getContext());
  std::vector<ReportRow> rows;
  if (failed(lowerToCpu(module, *emit::findIsa(isa), options.cpu, &rows)))
    return diagnostics.status(Code::Unsupported, "lowering failed").at("for " + isa);
  for (ReportRow &row : rows)
    report.push_back({std::move(row.segment), std::move(row.op), std::move(row.location),
                      isa + ": " + row.target, std::move(row.why)});
  return Status::ok();
}

Expected<std::vector<std::string>> chooseIsas(const CompileOptions &options,
                                              std::vector<std::string> otherwise) {
  for (const std::string &name : options.isas)
    if (!emit::findIsa(name)) {
      std::string known;
      for (const std::string &isa : everyIsa())
        known += (known.empty() ? "" : ", ") + isa;
      return error(Code::NotFound) << "there is no ISA '" << name << "'; there are " << known;
    }
  return options.isas.empty() ? std::move(otherwise) : options.isas;
}

std::vector<std::string> everyIsa() {
  std::vector<std::string> names;
  for (const emit::Isa &isa : emit::isas())
    names.push_back(isa.name.str());
  return names;
}

Expected<std::vector<std::string>> bestIsa() {
  auto host = hostIsas();
  if (host.empty())
    return error(Code::Mismatch) << "this CPU has none of the instruction sets that Plexus "
                                    "generates code for (the least is x86-64-v3: AVX2 and FMA)";
  return std::vector<std::string>{std::string(host.front())};
}

std::string codeKeyOf(const Prepared &prepared, const ModelSource &source,
                      const CompileOptions &options, const std::vector<std::string> &isas) {
  std::vector<std::string> texts = {
      "products=" + std::to_string(static_cast<int>(options.cpu.products)),
      "compute=" + std::to_string(static_cast<int>(options.cpu.compute)),
      "decompose=" + std::to_string(static_cast<int>(options.cpu.decompose))};
  for (const std::string &digest : source.plugins)
    texts.push_back("plugin=" + digest);
  return codeKey(prepared.model, texts, isas);
}

Status pack(const Prepared &prepared, const ModelSource &source, WeightSink &sink,
            const CompileOptions &options, const Progress &progress, CompileStats &stats) {
  PhaseTimer timer(stats.pack);
  PackOptions packing;
  packing.threads = options.packThreads;
  packing.ranges = options.ranges;
  if (progress)
    packing.progress = [&](uint64_t done, uint64_t total) { return progress("pack", done, total); };
  stats.weightBytes = prepared.plan.program.weightsSize();
  if (options.calibration) {
    std::map<std::string, int64_t> rounded;
    for (const PackJob &job : prepared.plan.jobs)
      if (job.info.quantized)
        rounded[job.info.name] = job.info.shape[1];
    PLX_RETURN_IF_ERROR(options.calibration->measure(rounded).at("calibration"));
    if (options.calibration->scales()) {
      PLX_ASSIGN(auto factors, findFactors(
                                   prepared.model, prepared.plan, JoinedTensors(source.tensors),
                                   [&](const WeightInfo &info) {
                                     return options.calibration->importance(info.name, info.layer);
                                   },
                                   options.ranges));
      options.calibration->setFactors(std::move(factors));
    }
    packing.factors = [&](const WeightInfo &info) { return options.calibration->factors(info); };
    packing.guide = [&](const WeightInfo &info) { return options.calibration->guide(info); };
  }
  return packWeights(prepared.plan.jobs, JoinedTensors(source.tensors), sink, packing);
}

} // namespace plexus::compiler
