// The compiler as the runtime calls it: front ends, then the driver.
#include "runtime/api/CompilerService.h"

#include "compiler/Compile.h"
#include "compiler/choose/Choose.h"
#include "compiler/embed/Library.h"
#include "frontends/BuildGraph.h"
#include "frontends/Choices.h"
#include "frontends/ImportModel.h"
#include "runtime/artifact/Artifact.h"
#include "runtime/exec/Model.h"
#include "runtime/plugins/Host.h"

#include <algorithm>
#include <filesystem>
#include <optional>

namespace plexus::frontends {
namespace {

using compiler::CompileOptions;

CompileReply reply(compiler::CompileResult result) {
  CompileReply out;
  out.paths = {std::move(result.path)};
  out.program = std::move(result.program);
  out.compileSeconds = result.stats.compile();
  out.packSeconds = result.stats.pack;
  out.codeBytes = result.stats.codeBytes;
  out.weightBytes = result.stats.weightBytes;
  out.codeCached = result.stats.codeCached;
  out.weightsCached = result.stats.weightsCached;
  return out;
}

/// Everything that one call works on.
struct Job {
  std::unique_ptr<mlir::MLIRContext> context = compiler::makeContext();
  compiler::ModelSource source;
  CompileOptions options;
  std::optional<compiler::CompileCache> cache;

  Status open(const std::string &model, const CompileChoices &choices) {
    PLX_ASSIGN(options, readChoices(choices));
    if (choices.useCache) {
      PLX_ASSIGN(cache, compiler::CompileCache::open(choices.cacheFolder));
      options.cache = &*cache;
    }
    PLX_ASSIGN(source, importModel(*context, model, familyFinder(PluginHost::shared())));
    if (!choices.calibrate.empty()) {
      PLX_ASSIGN(auto calibration, readCalibration(choices));
      PLX_ASSIGN(options.calibration, compiler::Calibration::open(source, calibration));
    }
    PLX_ASSIGN(std::optional<double> mostError, readStaticError(choices));
    if (mostError)
      PLX_RETURN_IF_ERROR(fixRanges(*mostError).at("calibration"));
    return chooseForms(choices);
  }

  /// Gives products the ranges of their inputs, as tensors beside those of the checkpoint.
  Status fixRanges(double mostError) {
    PLX_ASSIGN(auto ranges, options.calibration->measureRanges(options.ranges, mostError,
                                                               options.model.measured));
    source.tensors.push_back(std::move(ranges));
    return Status::ok();
  }

  Status chooseForms(const CompileChoices &choices) {
    if (!choices.size.empty()) {
      PLX_ASSIGN(size, readSize(choices.size));
      return compiler::chooseForSize(source, options, size);
    }
    return choices.weights == "q4" ? compiler::chooseMinima(source, options) : Status::ok();
  }

  uint64_t size = 0; ///< That the artifact may have; 0: any.
};

/// What a search for a size left to code and manifest was estimated: where they took more, the
/// weights get less.
Expected<compiler::CompileResult> compileWithin(Job &job, const std::string &output,
                                                const CompileProgress &progress) {
  uint64_t aim = job.size;
  for (int tries = 0;; ++tries) {
    PLX_ASSIGN(auto result, compiler::compileToFile(job.source, job.options, output, progress));
    std::error_code none;
    uint64_t bytes = std::filesystem::file_size(output, none);
    if (!job.size || none || bytes <= job.size)
      return result;
    if (tries == 4)
      return error(Code::Internal) << output << ": " << bytes << " bytes, " << job.size
                                   << " were asked for, and smaller forms do not change that";
    aim -= std::min(aim, bytes - job.size + (bytes - job.size) / 8);
    std::filesystem::remove(output, none);
    PLX_RETURN_IF_ERROR(compiler::chooseForSize(job.source, job.options, aim));
  }
}

class Service final : public CompilerService {
public:
  Expected<CompileReply> compileToFile(const std::string &model, const std::string &emit,
                                       const std::string &output, const CompileChoices &choices,
                                       const CompileProgress &progress) override {
    Job job;
    PLX_RETURN_IF_ERROR(job.open(model, choices));
    if (emit == "plx") {
      PLX_ASSIGN(auto result, compileWithin(job, output, progress));
      CompileReply out = reply(std::move(result));
      if (job.options.calibration) {
        PLX_ASSIGN(auto image, loadArtifact(output));
        PLX_ASSIGN(auto model, Model::create(std::move(image)));
        PLX_ASSIGN(out.quality, job.options.calibration->compare(model));
      }
      return out;
    }
    if (emit == "obj") {
      CompileReply out;
      PLX_ASSIGN(out.paths, compiler::emitObjects(job.source, job.options, output));
      return out;
    }
    if (emit == "lib") {
      CompileReply out;
      PLX_ASSIGN(out.paths, compiler::emitLibrary(job.source, job.options, {}, output, progress));
      return out;
    }
    return error(Code::InvalidArgument)
           << "emit is '" << emit << "'; known are plx, lib, obj, mlir";
  }

  Expected<CompileReply> compileThroughCache(const std::string &model,
                                             const CompileChoices &choices,
                                             const CompileProgress &progress) override {
    Job job;
    PLX_RETURN_IF_ERROR(job.open(model, choices));
    if (!job.cache)
      return error(Code::InvalidArgument) << "compiling through the cache without a cache";
    PLX_ASSIGN(auto result,
               compiler::compileThroughCache(job.source, job.options, *job.cache, progress));
    return reply(std::move(result));
  }

  Expected<std::shared_ptr<const ModelImage>>
  compileInMemory(const std::string &model, const CompileChoices &choices,
                  const CompileProgress &progress) override {
    // Code lives on in the image's JIT; the context is needed for compiling only.
    Job job;
    PLX_RETURN_IF_ERROR(job.open(model, choices));
    return compiler::compileInMemory(job.source, job.options, progress);
  }

  Expected<std::shared_ptr<const CodeModule>>
  profilingCode(const std::string &text, const CompileChoices &choices) override {
    auto context = compiler::makeContext();
    PLX_ASSIGN(auto module, compiler::parseModule(*context, text, "the artifact's text"));
    PLX_ASSIGN(CompileOptions options, readChoices(choices));
    return compiler::compileProfilingCode(*module, options);
  }

  Expected<std::string> printModule(const std::string &model, const std::string &afterPass,
                                    const CompileChoices &choices) override {
    Job job;
    PLX_RETURN_IF_ERROR(job.open(model, choices));
    return compiler::printModule(job.source, job.options, afterPass);
  }

  Expected<std::unique_ptr<GraphBuild>> newGraph(const std::string &name,
                                                 const std::string &weights) override {
    return frontends::newGraph(name, weights);
  }
};

} // namespace
} // namespace plexus::frontends

extern "C" __attribute__((visibility("default"))) plexus::CompilerService *plxCompilerService() {
  static plexus::frontends::Service service;
  return &service;
}
