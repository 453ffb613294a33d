// The driver: artifacts, models in memory, and the cache.
#include "compiler/Compile.h"

#include "compiler/IsaCode.h"
#include "compiler/cache/Keys.h"
#include "compiler/codegen/Codegen.h"
#include "compiler/pack/MemoryWeights.h"
#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/Writer.h"

#include "mlir/IR/AsmState.h"

namespace plexus::compiler {

using artifact::SectionKind;
using namespace mlir;

namespace {

struct ArtifactSink : WeightSink {
  explicit ArtifactSink(ArtifactWriter &writer) : writer(writer) {}
  Status append(const void *bytes, size_t size) override {
    return writer.appendWeights(bytes, size);
  }
  ArtifactWriter &writer;
};

Status report(const Progress &progress, std::string_view phase, uint64_t done, uint64_t total) {
  if (progress && !progress(phase, done, total))
    return error(Code::Cancelled) << "compilation was cancelled";
  return Status::ok();
}

void append(std::vector<ReportEntry> &to, const std::vector<ReportEntry> &more) {
  to.insert(to.end(), more.begin(), more.end());
}

/// Code of all ISAs, linked; kept in the cache where there is one.
Expected<CompiledCode> generate(const Prepared &prepared, const CompileOptions &options,
                                const std::vector<std::string> &isas, const std::string &key,
                                CodeProgress &progress, CompileStats &stats) {
  CompiledCode code;
  PLX_ASSIGN(auto objects, generateObjects(prepared, options, isas, progress, stats));
  for (IsaObject &each : objects) {
    PLX_ASSIGN(std::string image,
               linkSharedObject({&each.object, 1}, {"", prepared.plan.symbols()}, stats));
    stats.codeBytes += image.size();
    code.images.emplace_back(each.isa, std::move(image));
    append(code.report, each.report);
  }
  if (options.cache)
    PLX_RETURN_IF_ERROR(options.cache->storeCode(key, code));
  return code;
}

/// From the cache, or generated; `stats` are of this thread alone until it is done.
Expected<CompiledCode> obtainCode(const Prepared &prepared, const ModelSource &source,
                                  const CompileOptions &options,
                                  const std::vector<std::string> &isas, CodeProgress &progress,
                                  CompileStats &stats) {
  std::string key;
  if (options.cache) {
    key = codeKeyOf(prepared, source, options, isas);
    if (auto found = options.cache->findCode(key)) {
      stats.codeCached = true;
      return *std::move(found);
    }
  }
  return generate(prepared, options, isas, key, progress, stats);
}

/// Names what rounded weights depend on beside their sources and forms.
std::string roundingKey(const CompileOptions &options) {
  std::string calibration = options.calibration ? options.calibration->key() : "";
  return options.ranges.kind == RangeRule::Mse
             ? calibration
             : "ranges " + options.ranges.spelling() + " " + calibration;
}

std::string irText(const Prepared &prepared) {
  std::string text;
  llvm::raw_string_ostream out(text);
  prepared.module.get().print(out);
  return text;
}

/// Everything but the weights.
Status writeRest(ArtifactWriter &writer, const Prepared &prepared, const ModelSource &source,
                 const CompiledCode &code) {
  PLX_RETURN_IF_ERROR(writer.addSection(artifact::kManifest, SectionKind::Manifest,
                                        serializeProgram(prepared.plan.program)));
  for (const auto &[isa, image] : code.images)
    PLX_RETURN_IF_ERROR(
        writer.addSection(std::string(artifact::kCodePrefix) + isa, SectionKind::Code, image));
  if (!source.tokenizer.empty())
    PLX_RETURN_IF_ERROR(
        writer.addSection(artifact::kTokenizer, SectionKind::Text, source.tokenizer));
  if (!source.chatTemplate.empty())
    PLX_RETURN_IF_ERROR(
        writer.addSection(artifact::kChatTemplate, SectionKind::Text, source.chatTemplate));
  return writer.addSection(artifact::kIr, SectionKind::Text, irText(prepared));
}

/// Copies packed weights out of another artifact.
Status copyWeights(ArtifactWriter &writer, const Container &from, const Progress &progress) {
  std::string_view weights = from.section(artifact::kWeights);
  for (size_t at = 0; at < weights.size(); at += artifact::kHashChunk) {
    std::string_view chunk = weights.substr(at, artifact::kHashChunk);
    PLX_RETURN_IF_ERROR(writer.appendWeights(chunk.data(), chunk.size()));
    PLX_RETURN_IF_ERROR(report(progress, "pack", at + chunk.size(), weights.size()));
  }
  return Status::ok();
}

/// The section of the weights: packed, or copied from an artifact that has them.
Status writeWeights(ArtifactWriter &writer, const Prepared &prepared, const ModelSource &source,
                    const CompileOptions &options, const Container *packed,
                    const Progress &progress, CompileStats &stats) {
  PLX_RETURN_IF_ERROR(writer.beginWeights());
  if (packed) {
    PhaseTimer timer(stats.pack);
    stats.weightsCached = true;
    PLX_RETURN_IF_ERROR(copyWeights(writer, *packed, progress));
  } else {
    ArtifactSink sink(writer);
    PLX_RETURN_IF_ERROR(pack(prepared, source, sink, options, progress, stats));
  }
  return writer.endWeights();
}

/// Writes the artifact of a prepared model; `packed` has the same weights already, or is null. Code
/// is made while the weights are written.
Expected<CompileResult> writeArtifact(Prepared prepared, const ModelSource &source,
                                      const CompileOptions &options,
                                      const std::vector<std::string> &isas, const std::string &path,
                                      const Container *packed, const Progress &progress,
                                      CompileStats stats) {
  PLX_ASSIGN(ArtifactWriter writer, ArtifactWriter::create(path));
  CompileStats codeStats;
  BesidePacking<CompiledCode> making(isas.size(), [&](CodeProgress &codeProgress) {
    return obtainCode(prepared, source, options, isas, codeProgress, codeStats);
  });
  Status written = writeWeights(writer, prepared, source, options, packed, progress, stats);
  PLX_ASSIGN(CompiledCode code, making.finish(written, progress, stats));
  stats.addCode(codeStats);
  append(prepared.plan.program.report, code.report);
  PLX_RETURN_IF_ERROR(writeRest(writer, prepared, source, code));
  PLX_RETURN_IF_ERROR(writer.commit());
  return CompileResult{path, std::move(prepared.plan.program), stats};
}

} // namespace

Expected<CompileResult> compileToFile(const ModelSource &source, const CompileOptions &options,
                                      const std::string &path, const Progress &progress) {
  CompileStats stats;
  PLX_ASSIGN(auto isas, chooseIsas(options, everyIsa()));
  PLX_ASSIGN(Prepared prepared, prepare(source, options, stats));
  return writeArtifact(std::move(prepared), source, options, isas, path, nullptr, progress, stats);
}

Expected<std::shared_ptr<const ModelImage>> compileInMemory(const ModelSource &source,
                                                            const CompileOptions &options,
                                                            const Progress &progress,
                                                            CompileStats *statsOut) {
  CompileStats stats;
  PLX_ASSIGN(auto best, bestIsa());
  PLX_ASSIGN(auto isas, chooseIsas(options, std::move(best)));
  PLX_ASSIGN(Prepared prepared, prepare(source, options, stats));
  auto image = std::make_shared<ModelImage>();
  CompileStats codeStats;
  std::vector<ReportEntry> opsWent;
  BesidePacking<std::shared_ptr<const CodeModule>> making(
      1, [&](CodeProgress &) -> Expected<std::shared_ptr<const CodeModule>> {
        OwningOpRef<ModuleOp> module = cast<ModuleOp>(prepared.module.get()->clone());
        PLX_RETURN_IF_ERROR(lowerFor(*module, isas[0], options, opsWent, codeStats));
        return jitModule(*module, isas[0], prepared.plan.symbols(), codeStats);
      });
  auto weights = MemoryWeights::create(prepared.plan.program.weights);
  Status packed =
      weights ? pack(prepared, source, **weights, options, progress, stats) : weights.status();
  PLX_ASSIGN(image->code, making.finish(packed, progress, stats));
  stats.addCode(codeStats);
  append(prepared.plan.program.report, opsWent);
  image->weights = *std::move(weights);
  image->program = std::move(prepared.plan.program);
  image->tokenizer = source.tokenizer;
  image->chatTemplate = source.chatTemplate;
  if (statsOut)
    *statsOut = stats;
  return std::shared_ptr<const ModelImage>(std::move(image));
}

Expected<std::shared_ptr<const CodeModule>> compileProfilingCode(ModuleOp module,
                                                                 CompileOptions options) {
  CompileStats stats;
  std::vector<ReportEntry> report;
  PLX_ASSIGN(auto best, bestIsa());
  PLX_ASSIGN(auto isas, chooseIsas(options, std::move(best)));
  PLX_ASSIGN(plx::ModelOp model, findModel(module));
  alignTappedTables(model);
  PLX_ASSIGN(const ProgramPlan plan, buildProgram(model, {}));
  options.cpu.marks = true;
  PLX_RETURN_IF_ERROR(lowerFor(module, isas[0], options, report, stats));
  return jitModule(module, isas[0], plan.symbols(), stats);
}

Expected<CompileResult> compileThroughCache(const ModelSource &source, CompileOptions options,
                                            const CompileCache &cache, const Progress &progress) {
  CompileStats stats;
  options.cache = &cache;
  PLX_ASSIGN(auto best, bestIsa());
  PLX_ASSIGN(auto isas, chooseIsas(options, std::move(best)));
  PLX_ASSIGN(Prepared prepared, prepare(source, options, stats));
  std::string weights =
      weightsKey(prepared.model, prepared.plan, source.tensors, roundingKey(options));
  // The rest of the artifact is data: tokenizer, template and what the front end says of the model.
  std::string data = KeyHasher()
                         .add(codeKeyOf(prepared, source, options, isas))
                         .add(serializeProgram(prepared.plan.program))
                         .add(source.tokenizer)
                         .add(source.chatTemplate)
                         .hex();
  std::string path = cache.artifactPath(data, weights);
  if (auto found = Artifact::open(path)) {
    stats.codeCached = stats.weightsCached = true;
    cache.usedArtifact(path);
    return CompileResult{path, (*found)->program(), stats};
  }
  auto packed = cache.findWeights(weights);
  PLX_ASSIGN(CompileResult result, writeArtifact(std::move(prepared), source, options, isas, path,
                                                 packed.get(), progress, stats));
  cache.usedArtifact(path);
  return result;
}

} // namespace plexus::compiler
