// Artifacts, the compile cache and the JIT end in the same opened model.
#include "runtime/api/OpenModel.h"

#include "runtime/artifact/Artifact.h"
#include "runtime/engine/TokenizerCodec.h"

#include <chrono>
#include <fstream>

namespace plexus {

static double secondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Expected<const Tokenizer *> OpenedModel::needTokenizer() const {
  if (!tokenizer)
    return error(Code::NotFound) << path
                                 << ": the model has no tokenizer; give token ids (--prompt-ids)";
  return tokenizer.get();
}

bool isArtifact(const std::string &path) {
  char magic[6] = {};
  std::ifstream file(path, std::ios::binary);
  return file.read(magic, sizeof magic) && std::string_view(magic, sizeof magic) == "PLEXUS";
}

Expected<OpenedModelPtr> openImage(std::shared_ptr<const ModelImage> image,
                                   const std::string &name) {
  auto out = std::make_shared<OpenedModel>();
  out->path = name;
  if (!image->tokenizer.empty()) {
    auto tokenizer = Tokenizer::fromSerialized(image->tokenizer);
    if (!tokenizer)
      return tokenizer.status().at(name + ": tokenizer");
    out->tokenizer = *std::move(tokenizer);
    out->codec = makeTokenizerCodec(out->tokenizer);
  }
  out->chatTemplate = image->chatTemplate;
  if (out->chatTemplate.empty() && out->tokenizer)
    out->chatTemplate = out->tokenizer->chatTemplate().value_or("");
  PLX_ASSIGN(out->model, Model::create(std::move(image)));
  return OpenedModelPtr(std::move(out));
}

Expected<OpenedModelPtr> openModel(const std::string &path, const OpenOptions &options) {
  auto begin = std::chrono::steady_clock::now();
  std::shared_ptr<const ModelImage> image;
  double compiled = 0;
  std::string artifact;
  if (isArtifact(path)) {
    artifact = path;
    PLX_ASSIGN(image, loadArtifact(path));
  } else {
    PLX_ASSIGN(CompilerService * service, compilerService());
    if (options.jit) {
      PLX_ASSIGN(image, service->compileInMemory(path, options.compile, options.progress));
      compiled = secondsSince(begin);
      begin = std::chrono::steady_clock::now();
    } else {
      PLX_ASSIGN(CompileReply reply,
                 service->compileThroughCache(path, options.compile, options.progress));
      compiled = secondsSince(begin);
      begin = std::chrono::steady_clock::now();
      artifact = reply.paths.front();
      PLX_ASSIGN(image, loadArtifact(artifact));
    }
  }
  PLX_ASSIGN(OpenedModelPtr model, openImage(std::move(image), path));
  auto out = std::make_shared<OpenedModel>(*model);
  out->artifact = std::move(artifact);
  out->loadSeconds = secondsSince(begin);
  out->compileSeconds = compiled;
  return OpenedModelPtr(std::move(out));
}

} // namespace plexus
