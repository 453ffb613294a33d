#include "frontends/huggingface/Config.h"

#include "runtime/io/Json.h"
#include "runtime/io/MappedFile.h"

#include <array>
#include <limits>

namespace plexus::frontends {
namespace {

using nlohmann::json;

constexpr JsonLimits configLimits{.maxBytes = size_t(16) << 20, .maxDepth = 32};

struct NonFinite {
  std::string_view spelling;
  double value;
};
constexpr std::array nonFinites = {
    NonFinite{"-Infinity", -std::numeric_limits<double>::infinity()},
    NonFinite{"Infinity", std::numeric_limits<double>::infinity()},
    NonFinite{"NaN", std::numeric_limits<double>::quiet_NaN()},
};

/// Python writes bare NaN and Infinity, which JSON has not: rewrites them to the object that newer
/// files hold.
std::string quoteNonFinite(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool inString = false;
  for (size_t i = 0; i < text.size();) {
    char c = text[i];
    if (inString && c == '\\' && i + 1 < text.size()) {
      out.append(text, i, 2);
      i += 2;
      continue;
    }
    inString ^= c == '"';
    const NonFinite *found = nullptr;
    for (const NonFinite &candidate : nonFinites)
      if (!inString && !found && text.substr(i).starts_with(candidate.spelling))
        found = &candidate;
    if (found) {
      out.append("{\"__float__\":\"").append(found->spelling).append("\"}");
      i += found->spelling.size();
    } else {
      out.push_back(c);
      ++i;
    }
  }
  return out;
}

/// {"__float__": "Infinity"} -> inf, everywhere. Depth is bounded by the parser's limit.
void restoreNonFinite(json &value) {
  if (value.is_object() && value.size() == 1 && value.contains("__float__")) {
    for (const NonFinite &candidate : nonFinites)
      if (value["__float__"] == candidate.spelling) {
        value = candidate.value;
        return;
      }
  }
  if (value.is_structured())
    for (json &child : value)
      restoreNonFinite(child);
}

/// Removes `key`; its value, or null when it was absent.
json take(json &object, std::string_view key) {
  auto place = object.find(key);
  if (place == object.end())
    return nullptr;
  json value = std::move(*place);
  object.erase(place);
  return value;
}

/// Sets object[key] = value unless value is null. False when another value is there already.
bool merge(json &object, std::string_view key, json value) {
  if (value.is_null())
    return true;
  auto [place, isNew] = object.emplace(key, value);
  if (isNew || place->is_null()) {
    *place = std::move(value);
    return true;
  }
  return *place == value;
}

/// Old top-level fields and their names in rope_parameters.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> ropeFields = {{
    {"rope_theta", "rope_theta"},
    {"rotary_emb_base", "rope_theta"},
    {"partial_rotary_factor", "partial_rotary_factor"},
    {"rotary_pct", "partial_rotary_factor"},
}};
/// Belongs to the scaling; without one it is a note that stays where it is.
constexpr std::string_view originalContext = "original_max_position_embeddings";

/// rope_parameters by kind of layer, {"full_attention": {...}, ...}, stay as they are.
bool isByLayerType(const json &rope) {
  for (const json &value : rope)
    if (value.is_object())
      return true;
  return false;
}

/// Inside a dictionary of rope parameters: "type" -> "rope_type".
bool renameRopeType(json &rope) {
  if (!merge(rope, "rope_type", take(rope, "type")))
    return false;
  if (auto kind = rope.find("rope_type"); kind != rope.end() && *kind == "su")
    *kind = "longrope";
  return true;
}

Status normalizeRope(json &config, const std::string &source) {
  json rope = config.value("rope_parameters", json());
  if (rope.is_object() && isByLayerType(rope))
    return Status::ok();
  if (rope.is_null())
    rope = json::object();
  json old = take(config, "rope_scaling");
  for (const json *given : {&std::as_const(old), &std::as_const(rope)})
    if (!given->is_null() && !given->is_object())
      return error(Code::Corrupt) << source << ": rope_scaling or rope_parameters is "
                                  << jsonKind(*given) << ", not an object";
  auto disagree = [&](std::string_view field) {
    return error(Code::Corrupt) << source << ": " << field
                                << " says something else than rope_parameters";
  };
  if (!renameRopeType(rope) || (old.is_object() && !renameRopeType(old)))
    return disagree("rope type");
  if (old.is_object())
    for (auto &[key, value] : old.items())
      if (!merge(rope, key, value))
        return disagree("rope_scaling." + key);
  for (auto [oldName, newName] : ropeFields)
    if (!merge(rope, newName, take(config, oldName)))
      return disagree(oldName);
  config.erase("rope_parameters");
  if (rope.empty())
    return Status::ok();
  rope.emplace("rope_type", "default");
  if (rope["rope_type"] != "default" &&
      !merge(rope, originalContext, take(config, originalContext)))
    return disagree(originalContext);
  config["rope_parameters"] = std::move(rope);
  return Status::ok();
}

Status normalizeDtype(json &config, const std::string &source) {
  if (!merge(config, "dtype", take(config, "torch_dtype")))
    return error(Code::Corrupt) << source << ": torch_dtype and dtype differ";
  if (auto dtype = config.find("dtype"); dtype != config.end() && dtype->is_string()) {
    auto &name = dtype->get_ref<std::string &>();
    if (name.starts_with("torch."))
      name.erase(0, std::string_view("torch.").size());
  }
  return Status::ok();
}

Status normalize(json &config, const std::string &source) {
  PLX_RETURN_IF_ERROR(normalizeDtype(config, source));
  PLX_RETURN_IF_ERROR(normalizeRope(config, source));
  for (auto &[key, value] : config.items())
    if (value.is_object() && value.contains("model_type"))
      PLX_RETURN_IF_ERROR(normalize(value, source + ": " + key));
  return Status::ok();
}

Status readId(const json &value, const std::string &where, int64_t &out) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 ||
      value.get<int64_t>() > std::numeric_limits<int32_t>::max())
    return error(Code::Corrupt) << where << ": expected a token id, found " << value.dump();
  out = value.get<int64_t>();
  return Status::ok();
}

} // namespace

Expected<json> parseConfig(std::string_view text, const std::string &source) {
  if (text.size() > configLimits.maxBytes)
    return error(Code::ResourceExhausted) << source << ": " << text.size() << " bytes, at most "
                                          << configLimits.maxBytes << " are read";
  PLX_ASSIGN(json config, parseJson(quoteNonFinite(text), source, configLimits));
  restoreNonFinite(config);
  if (!config.is_object())
    return error(Code::Corrupt) << source << ": expected an object, found " << jsonKind(config);
  PLX_RETURN_IF_ERROR(normalize(config, source));
  return config;
}

Expected<json> readConfig(const std::string &path) {
  PLX_ASSIGN(std::string text, readTextFile(path, configLimits.maxBytes));
  return parseConfig(text, path);
}

Expected<SpecialTokens> readSpecialTokens(const json &config, const json &generation,
                                          const std::string &source) {
  static const json absent;
  auto lookUp = [&](const char *key) -> const json & {
    for (const json *object : {&generation, &config})
      if (auto place = object->find(key); object->is_object() && place != object->end())
        if (!place->is_null())
          return *place;
    return absent;
  };
  SpecialTokens tokens;
  struct {
    const char *key;
    std::optional<int64_t> &id;
  } const single[] = {{"bos_token_id", tokens.bos},
                      {"pad_token_id", tokens.pad},
                      {"decoder_start_token_id", tokens.decoderStart}};
  for (const auto &[key, id] : single)
    // Some models write -1 for a pad token that they do not have.
    if (const json &value = lookUp(key); !value.is_null() && value != -1)
      PLX_RETURN_IF_ERROR(readId(value, source + ": " + key, id.emplace()));
  const json &eos = lookUp("eos_token_id");
  if (eos.is_array()) {
    for (const json &id : eos)
      PLX_RETURN_IF_ERROR(readId(id, source + ": eos_token_id", tokens.eos.emplace_back()));
  } else if (!eos.is_null()) {
    PLX_RETURN_IF_ERROR(readId(eos, source + ": eos_token_id", tokens.eos.emplace_back()));
  }
  return tokens;
}

} // namespace plexus::frontends
