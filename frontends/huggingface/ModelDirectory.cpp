#include "frontends/huggingface/ModelDirectory.h"

#include "runtime/io/Json.h"
#include "runtime/io/Safetensors.h"

#include <algorithm>
#include <filesystem>
#include <vector>

namespace plexus::frontends {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr size_t maxTemplateBytes = size_t(4) << 20;
constexpr size_t maxListedFiles = 12;

/// Weights in formats that are not read from a directory, and what to do about it.
struct Foreign {
  std::string_view suffix, advice;
};
constexpr Foreign foreignWeights[] = {
    {".bin", "PyTorch's pickle format is not read: convert it to safetensors (save_pretrained of a "
             "current transformers does)"},
    {".pth", "PyTorch's pickle format is not read: convert it to safetensors"},
    {".pt", "PyTorch's pickle format is not read: convert it to safetensors"},
    {".h5", "TensorFlow's weights are not read: convert them to safetensors"},
    {".msgpack", "Flax's weights are not read: convert them to safetensors"},
    {".gguf", "give the path of the GGUF file itself instead of its folder"},
    {".onnx", "give the path of the ONNX file itself instead of its folder"},
};

std::vector<std::string> listFiles(const std::string &folder) {
  std::vector<std::string> names;
  std::error_code problem;
  for (fs::directory_iterator entry(folder, problem), end; !problem && entry != end;
       entry.increment(problem))
    names.push_back(entry->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string describeFiles(const std::vector<std::string> &names) {
  if (names.empty())
    return "the folder is empty";
  std::string text = "found ";
  for (size_t i = 0; i < std::min(names.size(), maxListedFiles); ++i)
    text += (i ? ", " : "") + names[i];
  if (names.size() > maxListedFiles)
    text += " and " + std::to_string(names.size() - maxListedFiles) + " more";
  return text;
}

/// The `chat_template` of tokenizer_config.json: a string, or a list of named ones.
Expected<std::optional<std::string>> templateOf(const json &config, const std::string &path) {
  auto place = config.is_object() ? config.find("chat_template") : config.end();
  if (!config.is_object() || place == config.end() || place->is_null())
    return std::optional<std::string>();
  if (place->is_string())
    return std::optional(place->get<std::string>());
  if (place->is_array())
    for (const json &entry : *place)
      if (entry.is_object() && entry.value("name", json()) == "default" &&
          entry.value("template", json()).is_string())
        return std::optional(entry["template"].get<std::string>());
  return error(Code::Corrupt)
         << path << ": \"chat_template\" is neither a string nor a list with one named \"default\"";
}

} // namespace

Expected<ModelDirectory> ModelDirectory::open(const std::string &path) {
  std::error_code problem;
  fs::file_status status = fs::status(path, problem);
  if (!fs::exists(status))
    return error(Code::NotFound) << path << ": no such directory";
  if (!fs::is_directory(status))
    return error(Code::InvalidArgument) << path << ": expected a model's directory, found a file";
  ModelDirectory directory;
  directory.path_ = directory.transformerPath_ = path;
  if (directory.existing("modules.json")) {
    PLX_ASSIGN(directory.embedding_, readSentenceEmbedding(path));
    directory.transformerPath_ = directory.embedding_->transformerPath;
  }
  return directory;
}

std::string ModelDirectory::inTransformer(const std::string &name) const {
  return (fs::path(transformerPath_) / name).string();
}

std::optional<std::string> ModelDirectory::existing(const std::string &name) const {
  std::string path = inTransformer(name);
  std::error_code problem;
  return fs::exists(path, problem) ? std::optional(path) : std::nullopt;
}

Status ModelDirectory::missing(const std::string &what) const {
  return error(Code::NotFound) << transformerPath_ << ": no " << what << "; "
                               << describeFiles(listFiles(transformerPath_));
}

Expected<json> ModelDirectory::readConfig() const {
  if (!existing("config.json"))
    return missing("config.json");
  return frontends::readConfig(configPath());
}

Expected<json> ModelDirectory::readGenerationConfig() const {
  if (std::optional<std::string> path = existing("generation_config.json"))
    return frontends::readConfig(*path);
  return json();
}

Expected<std::shared_ptr<const TensorSource>> ModelDirectory::openWeights() const {
  for (const char *name : {"model.safetensors", "model.safetensors.index.json"})
    if (std::optional<std::string> path = existing(name))
      return openSafetensors(*path);
  Status status = missing("model.safetensors or model.safetensors.index.json");
  std::vector<std::string> names = listFiles(transformerPath_);
  for (const Foreign &foreign : foreignWeights)
    for (const std::string &name : names)
      if (name.ends_with(foreign.suffix))
        return error(Code::NotFound) << status.message() << ". " << name << ": " << foreign.advice;
  return status;
}

Expected<std::string> ModelDirectory::tokenizerPath() const {
  if (std::optional<std::string> path = existing("tokenizer.json"))
    return *path;
  return missing("tokenizer.json");
}

std::optional<std::string> ModelDirectory::tokenizerConfigPath() const {
  return existing("tokenizer_config.json");
}

Expected<std::optional<std::string>> ModelDirectory::readChatTemplate() const {
  if (std::optional<std::string> path = existing("chat_template.jinja")) {
    PLX_ASSIGN(std::string text, readTextFile(*path, maxTemplateBytes));
    return std::optional(std::move(text));
  }
  for (const char *name : {"chat_template.json", "tokenizer_config.json"})
    if (std::optional<std::string> path = existing(name)) {
      PLX_ASSIGN(json config, readJsonFile(*path));
      PLX_ASSIGN(std::optional<std::string> found, templateOf(config, *path));
      if (found)
        return found;
    }
  return std::optional<std::string>();
}

} // namespace plexus::frontends
