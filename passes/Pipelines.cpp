//===- Pipelines.cpp - the orders in which passes run -----------------------------------------===//
// Assembles the pipelines of Pipelines.h.
//===----------------------------------------------------------------------------------------------===//
#include "passes/Pipelines.h"

#include "dialects/plx/PlxOps.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"
#include "passes/Report.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

constexpr llvm::StringLiteral kProductNames[] = {"auto", "generated", "onednn"};
constexpr llvm::StringLiteral kComputeNames[] = {"auto", "f32", "bf16", "int8"};

/// A pass with what it is called: pass managers cannot be cut off after one.
struct Stage {
  std::string name;
  std::unique_ptr<Pass> pass;
  bool perFunction = false;
};
using Stages = std::vector<Stage>;

void add(Stages &stages, std::unique_ptr<Pass> pass, bool perFunction = false) {
  std::string name = pass->getArgument().str();
  stages.push_back({std::move(name), std::move(pass), perFunction});
}

void addTo(OpPassManager &manager, Stages stages) {
  for (Stage &stage : stages)
    if (stage.perFunction)
      manager.nest<func::FuncOp>().addPass(std::move(stage.pass));
    else
      manager.addPass(std::move(stage.pass));
}

Stages modelStages(const ModelOptions &options) {
  Stages stages;
  add(stages, createReorderInputs());
  add(stages, createCanonicalizerPass());
  add(stages, createCSEPass());
  add(stages, createMergeLinearMaps());
  add(stages, createFoldChannelMixes());
  add(stages, createMergeBanks());
  add(stages, createChooseScanForms());
  // Merging before probes and taps: both variants of a segment use the same merged weights.
  add(stages, createMergeProjections());
  if (options.probes)
    add(stages, createProbeProducts());
  add(stages, createSplitTaps());
  add(stages, createFuseEpilogue());
  add(stages, createFuseMapActivation());
  add(stages, createFuseRope());
  SplitLayersOptions layers;
  layers.keep = options.keep;
  layers.chosen = options.chosen;
  add(stages, createSplitLayers(layers));
  AssignEncodingsOptions encodings;
  encodings.weights = options.weights;
  encodings.keep = options.keep;
  encodings.chosen = options.chosen;
  add(stages, createAssignEncodings(encodings));
  if (!options.measured.empty()) {
    QuantizeActivationsOptions activations;
    activations.measured.assign(options.measured.begin(), options.measured.end());
    activations.weights = options.weights;
    activations.keep = options.keep;
    add(stages, createQuantizeActivations(activations));
  }
  add(stages, createSpectralConvolutions());
  add(stages, createBlockConvolutions());
  EncodeStatesOptions states;
  states.kv = options.kv;
  add(stages, createEncodeStates(states));
  add(stages, createCanonicalizerPass());
  return stages;
}

Stages cpuStages(const emit::Isa &isa, const CpuOptions &options) {
  Stages stages;
  add(stages, createNumberParameters());
  if (options.marks)
    add(stages, createLabelOps());
  DecomposeOptions decompositions;
  decompositions.all = options.decompose == Decompositions::All;
  add(stages, createDecompose(decompositions));
  add(stages, createCanonicalizerPass());
  add(stages, createCSEPass());
  add(stages, createLinalgElementwiseOpFusionPass());
  add(stages, createCSEPass());
  LowerSegmentsOptions lowering;
  lowering.isa = isa.name.str();
  lowering.products = kProductNames[static_cast<size_t>(options.products)].str();
  lowering.compute = kComputeNames[static_cast<size_t>(options.compute)].str();
  add(stages, createLowerSegments(lowering));
  RowLoopsOptions rows;
  rows.lanes = isa.lanes();
  add(stages, createRowLoops(rows), true);
  add(stages, createExpandMath(), true);
  add(stages, createCSEPass());
  if (options.marks)
    add(stages, createMarkOps());
  add(stages, createPlanScratch());
  add(stages, createOutlineParallel());
  add(stages, createSegmentAbi());
  return stages;
}

Stages llvmStages() {
  Stages stages;
  add(stages, createConvertVectorToSCFPass(), true);
  add(stages, memref::createExpandStridedMetadataPass());
  add(stages, createLowerAffinePass());
  add(stages, createCanonicalizerPass());
  add(stages, createCSEPass());
  add(stages, createSCFToControlFlowPass());
  add(stages, createConvertVectorToLLVMPass());
  // The rest in one walk instead of one for each dialect.
  add(stages, createConvertToLLVMPass());
  // LLVM's own passes clean up after this, faster.
  add(stages, createReconcileUnrealizedCastsPass());
  return stages;
}

void append(Stages &to, Stages from) {
  for (Stage &stage : from)
    to.push_back(std::move(stage));
}

} // namespace

void buildPipeline(OpPassManager &manager, const ModelOptions &options) {
  addTo(manager, modelStages(options));
}

void buildCpuPipeline(OpPassManager &manager, const emit::Isa &isa, const CpuOptions &options) {
  addTo(manager, cpuStages(isa, options));
}

void buildToLlvmPipeline(OpPassManager &manager) { addTo(manager, llvmStages()); }

LogicalResult lowerToCpu(ModuleOp module, const emit::Isa &isa, const CpuOptions &options,
                         std::vector<ReportRow> *report) {
  PassManager toBuffers(module.getContext());
  buildCpuPipeline(toBuffers, isa, options);
  if (failed(toBuffers.run(module)))
    return failure();
  collectReport(module, report);
  PassManager toLlvm(module.getContext());
  buildToLlvmPipeline(toLlvm);
  return toLlvm.run(module);
}

LogicalResult runUntil(ModuleOp module, StringRef after, const ModelOptions &modelOptions,
                       const emit::Isa &isa, const CpuOptions &cpuOptions) {
  Stages all = modelStages(modelOptions);
  append(all, cpuStages(isa, cpuOptions));
  append(all, llvmStages());
  auto last = llvm::find_if(all, [&](const Stage &stage) { return stage.name == after; });
  if (last == all.end()) {
    SmallVector<std::string> names;
    for (const Stage &stage : all)
      if (!llvm::is_contained(names, stage.name))
        names.push_back(stage.name);
    return emitError(module.getLoc(), "no pass is called '")
           << after << "'; there are: " << llvm::join(names, ", ");
  }
  all.erase(last + 1, all.end());
  PassManager manager(module.getContext());
  addTo(manager, std::move(all));
  return manager.run(module);
}

namespace {
/// Options of the pipeline for plexus-opt.
struct CpuPipelineOptions : PassPipelineOptions<CpuPipelineOptions> {
  Option<std::string> isa{*this, "isa", llvm::cl::desc("Instruction set level"),
                          llvm::cl::init("x86-64-v3")};
  Option<std::string> decompose{*this, "decompose", llvm::cl::desc("Ops to decompose: needed, all"),
                                llvm::cl::init("needed")};
};
} // namespace

void registerPipelines() {
  PassPipelineRegistration<>("plx-model", "The target-independent passes.",
                             [](OpPassManager &manager) { buildPipeline(manager, {}); });
  // Not PassPipelineRegistration: its builders cannot refuse an option's value.
  registerPassPipeline(
      "plx-cpu", "From the plx dialects to functions with entry points.",
      [](OpPassManager &manager, StringRef text,
         llvm::function_ref<LogicalResult(const Twine &)> fail) -> LogicalResult {
        CpuPipelineOptions options;
        if (failed(options.parseFromString(text)))
          return failure();
        const emit::Isa *isa = emit::findIsa(options.isa.getValue());
        if (!isa)
          return fail("plx-cpu: there is no isa '" + options.isa.getValue() + "'");
        CpuOptions cpu;
        if (options.decompose == "all")
          cpu.decompose = Decompositions::All;
        else if (options.decompose != "needed")
          return fail("plx-cpu: decompose is 'needed' or 'all', not '" +
                      options.decompose.getValue() + "'");
        buildCpuPipeline(manager, *isa, cpu);
        return success();
      },
      [](llvm::function_ref<void(const detail::PassOptions &)> visit) {
        visit(CpuPipelineOptions());
      });
  PassPipelineRegistration<>("plx-to-llvm", "To the LLVM dialect.", buildToLlvmPipeline);
}

} // namespace plexus::compiler
