#include "frontends/huggingface/SentenceTransformers.h"

#include "runtime/io/Json.h"

#include <filesystem>
#include <utility>
#include <vector>

namespace plexus::frontends {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr JsonLimits smallFile{.maxBytes = size_t(1) << 20, .maxDepth = 16};

/// Flags of 1_Pooling/config.json and the names of newer files.
constexpr std::pair<std::string_view, std::string_view> poolingModes[] = {
    {"pooling_mode_cls_token", "cls"},
    {"pooling_mode_mean_tokens", "mean"},
    {"pooling_mode_max_tokens", "max"},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len"},
    {"pooling_mode_weightedmean_tokens", "weighted_mean"},
    {"pooling_mode_lasttoken", "last"},
};

struct Module {
  std::string type; ///< The last part of the Python class.
  std::string path;
};

Expected<json> readObject(const std::string &path) {
  PLX_ASSIGN(json value, readJsonFile(path, smallFile));
  if (!value.is_object())
    return error(Code::Corrupt) << path << ": expected an object, found " << jsonKind(value);
  return value;
}

/// A member of the wanted type, or `otherwise` when absent or null.
template <typename T>
Expected<T> member(const json &object, const char *key, T otherwise, const std::string &path) {
  auto place = object.find(key);
  if (place == object.end() || place->is_null())
    return otherwise;
  bool fits = std::is_same_v<T, bool>      ? place->is_boolean()
              : std::is_same_v<T, int64_t> ? place->is_number_integer()
                                           : place->is_string();
  if (!fits)
    return error(Code::Corrupt) << path << ": \"" << key << "\" is " << jsonKind(*place);
  return place->get<T>();
}

Expected<std::vector<Module>> readModules(const std::string &path) {
  PLX_ASSIGN(json list, readJsonFile(path, smallFile));
  if (!list.is_array())
    return error(Code::Corrupt) << path << ": expected an array, found " << jsonKind(list);
  std::vector<Module> modules;
  for (const json &entry : list) {
    if (!entry.is_object())
      return error(Code::Corrupt) << path << ": a module is " << jsonKind(entry);
    Module module;
    PLX_ASSIGN(module.type, member(entry, "type", std::string(), path));
    PLX_ASSIGN(module.path, member(entry, "path", std::string(), path));
    module.type.erase(0, module.type.rfind('.') + 1); // npos + 1 is 0.
    fs::path relative(module.path);
    for (const fs::path &part : relative)
      if (relative.is_absolute() || part == "..")
        return error(Code::Corrupt)
               << path << ": the path \"" << module.path << "\" leads out of the model's folder";
    modules.push_back(std::move(module));
  }
  return modules;
}

Expected<std::string> readPooling(const std::string &path) {
  PLX_ASSIGN(json config, readObject(path));
  PLX_ASSIGN(std::string mode, member(config, "pooling_mode", std::string(), path));
  std::string all = mode;
  int chosen = mode.empty() ? 0 : 1;
  for (auto [flag, name] : poolingModes) {
    PLX_ASSIGN(bool isSet, member(config, flag.data(), false, path));
    if (!isSet || name == mode)
      continue;
    mode = name;
    all += (all.empty() ? "" : ", ") + mode;
    ++chosen;
  }
  bool isKnown = false;
  for (auto [flag, name] : poolingModes)
    isKnown |= name == mode;
  if (chosen != 1 || !isKnown)
    return error(Code::Unsupported)
           << path << ": pooling by " << (all.empty() ? "nothing" : all)
           << "; Plexus pools by exactly one of cls, mean, max, mean_sqrt_len, weighted_mean, last";
  return mode;
}

Status readTextSettings(const std::string &folder, SentenceEmbedding &out) {
  std::string path = (fs::path(out.transformerPath) / "sentence_bert_config.json").string();
  std::error_code ignored;
  if (fs::exists(path, ignored)) {
    PLX_ASSIGN(json config, readObject(path));
    PLX_ASSIGN(int64_t longest, member(config, "max_seq_length", int64_t(0), path));
    if (longest > 0)
      out.maxSequenceLength = longest;
    PLX_ASSIGN(out.lowerCase, member(config, "do_lower_case", false, path));
  }
  path = (fs::path(folder) / "config_sentence_transformers.json").string();
  if (!fs::exists(path, ignored))
    return Status::ok();
  PLX_ASSIGN(json config, readObject(path));
  PLX_ASSIGN(std::string prompt, member(config, "default_prompt_name", std::string(), path));
  if (prompt.empty())
    return Status::ok();
  auto prompts = config.find("prompts");
  if (prompts == config.end() || !prompts->is_object() || !prompts->contains(prompt))
    return error(Code::Corrupt) << path << ": the default prompt \"" << prompt
                                << "\" is not among \"prompts\"";
  PLX_ASSIGN(out.defaultPrompt, member(*prompts, prompt.c_str(), std::string(), path));
  return Status::ok();
}

} // namespace

Expected<SentenceEmbedding> readSentenceEmbedding(const std::string &folder) {
  std::string path = (fs::path(folder) / "modules.json").string();
  PLX_ASSIGN(std::vector<Module> modules, readModules(path));
  if (modules.size() < 2 || modules[0].type != "Transformer" || modules[1].type != "Pooling")
    return error(Code::Unsupported)
           << path << ": expected the modules Transformer, Pooling and perhaps Normalize";
  SentenceEmbedding out;
  out.transformerPath =
      modules[0].path.empty() ? folder : (fs::path(folder) / modules[0].path).string();
  for (size_t i = 2; i < modules.size(); ++i) {
    if (modules[i].type != "Normalize")
      return error(Code::Unsupported) << path << ": module \"" << modules[i].type
                                      << "\" is not one that Plexus has (Normalize)";
    out.normalize = true;
  }
  PLX_ASSIGN(out.pooling,
             readPooling((fs::path(folder) / modules[1].path / "config.json").string()));
  PLX_RETURN_IF_ERROR(readTextSettings(folder, out));
  return out;
}

} // namespace plexus::frontends
