// From a model's files to a plx module: reads config and weights, finds the family, lets it build.
#pragma once

#include "frontends/huggingface/Config.h"
#include "frontends/huggingface/SentenceTransformers.h"
#include "plexus/family.h"
#include "runtime/io/TensorSource.h"
#include "runtime/support/Status.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plexus {
class PluginHost;
}

namespace plexus::frontends {

/// A family and the file of the plugin that it is in.
struct FoundFamily {
  const plx_family *family = nullptr;
  std::string plugin;
};

/// The family for a config's model_type. The Status says which families there are and how one is
/// added.
using FamilyFinder = std::function<Expected<FoundFamily>(const std::string &modelType)>;

/// Families among the plugins of `host`, which must outlive the finder.
FamilyFinder familyFinder(PluginHost &host);

/// A model ready to be compiled: everything that the compiler needs besides its options.
struct ImportedModel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// What recipes read: the model's files, then the graph's constants.
  std::vector<std::shared_ptr<const TensorSource>> sources;
  std::string name;   ///< For people: the folder's or file's name.
  std::string family; ///< model_type, or family where the config has no model_type
  SpecialTokens special;
  std::string generation = "{}"; ///< generation_config.json as JSON text.
  std::optional<SentenceEmbedding> embedding;
  std::string tokenizer;    ///< tokenizer JSON (runtime/text/Tokenizer.h), or empty.
  std::string chatTemplate; ///< Or empty.
  std::string pluginDigest; ///< Of the family's plugin.
};

/// Parsed description of a model whose files are already open; what the importers of the different
/// formats hand to buildModel.
struct ModelFiles {
  nlohmann::json config;
  std::string configPath; ///< For messages.
  std::shared_ptr<const TensorSource> weights;
};

/// Lets the family of `files.config` build the model, then checks that every config field was
/// honoured and every weight used. Errors name the config, the field or the weights.
Expected<ImportedModel> buildModel(mlir::MLIRContext &context, const ModelFiles &files,
                                   const std::string &name, const FamilyFinder &findFamily);

/// A Hugging Face directory.
Expected<ImportedModel> importDirectory(mlir::MLIRContext &context, const std::string &path,
                                        const FamilyFinder &findFamily);

} // namespace plexus::frontends
