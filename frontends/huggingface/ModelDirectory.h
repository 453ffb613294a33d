// A Hugging Face model directory: which files it has, and opening them with errors that say what is
// missing and what was found instead.
#pragma once

#include "frontends/huggingface/Config.h"
#include "frontends/huggingface/SentenceTransformers.h"
#include "runtime/io/TensorSource.h"

#include <memory>
#include <optional>
#include <string>

namespace plexus::frontends {

/// Nothing but the folder itself must exist to open it: a directory with a tokenizer alone is one.
class ModelDirectory {
public:
  static Expected<ModelDirectory> open(const std::string &path);

  const std::string &path() const { return path_; }
  /// How embeddings are made, for a directory in the layout of sentence-transformers.
  const std::optional<SentenceEmbedding> &sentenceEmbedding() const { return embedding_; }

  /// config.json, normalised (parseConfig).
  Expected<nlohmann::json> readConfig() const;
  std::string configPath() const { return inTransformer("config.json"); }
  /// generation_config.json; null when there is none.
  Expected<nlohmann::json> readGenerationConfig() const;
  /// model.safetensors, or the shards of model.safetensors.index.json.
  Expected<std::shared_ptr<const TensorSource>> openWeights() const;

  /// Path of tokenizer.json; NotFound when there is none.
  Expected<std::string> tokenizerPath() const;
  /// Path of tokenizer_config.json, or nothing.
  std::optional<std::string> tokenizerConfigPath() const;
  /// The default chat template: of chat_template.jinja, chat_template.json or
  /// tokenizer_config.json, in this order; nothing when none has one.
  Expected<std::optional<std::string>> readChatTemplate() const;

private:
  ModelDirectory() = default;
  std::string inTransformer(const std::string &name) const;
  std::optional<std::string> existing(const std::string &name) const;
  Status missing(const std::string &what) const;

  std::string path_;
  std::string transformerPath_; ///< The same, but for sentence-transformers that keep it below.
  std::optional<SentenceEmbedding> embedding_;
};

} // namespace plexus::frontends
