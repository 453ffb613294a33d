// Opening a model, whatever it is: an artifact is mapped, anything else goes through the compiler
// and its cache. What the command line, the C API and the tests open models with.
#pragma once

#include "runtime/api/CompilerService.h"
#include "runtime/engine/TextCodec.h"
#include "runtime/exec/Model.h"
#include "runtime/text/Tokenizer.h"

namespace plexus {

/// A model with what belongs to it. Immutable and shared.
struct OpenedModel {
  std::string path;     ///< As it was asked for: what messages name.
  std::string artifact; ///< The file that is mapped, in the cache or elsewhere; empty: memory.
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer; ///< Null where the model has none.
  std::shared_ptr<const TextCodec> codec; ///< The tokenizer as the engine uses it; null without.
  std::string chatTemplate;               ///< Or empty.
  double loadSeconds = 0;                 ///< From opening to ready, compilation apart.
  double compileSeconds = 0;

  const ModelInfo &info() const { return model->program().model; }
  /// The tokenizer, or an error that says that the model has none.
  Expected<const Tokenizer *> needTokenizer() const;
};
using OpenedModelPtr = std::shared_ptr<const OpenedModel>;

struct OpenOptions {
  CompileChoices compile; ///< Where `path` is no artifact.
  bool jit = false;       ///< Compile in memory instead of through the cache.
  CompileProgress progress;
};

/// Whether the file begins like an artifact.
bool isArtifact(const std::string &path);

Expected<OpenedModelPtr> openModel(const std::string &path, const OpenOptions &options = {});
/// A model that is in memory already.
Expected<OpenedModelPtr> openImage(std::shared_ptr<const ModelImage> image,
                                   const std::string &name);

} // namespace plexus
