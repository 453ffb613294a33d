// Loading a tokenizer from tokenizer.json and tokenizer_config.json, or from its serialized form.
#include "runtime/text/TokenizerParts.h"
#include "runtime/text/TokenizerSettings.h"

#include <cstring>

namespace plexus::text {

std::optional<uint32_t> TokenizerParts::find(std::string_view token) const {
  std::optional<uint32_t> id = added.find(token);
  return id ? id : model->vocabulary().find(token);
}

const std::string *TokenizerParts::spelling(uint32_t id) const {
  const std::string *s = added.spelling(id);
  return s ? s : model->vocabulary().token(id);
}

namespace {
bool mentionsDecoder(const Json &json, std::string_view type) {
  if (json.value("type", "") == type)
    return true;
  if (json.contains("decoders") && json["decoders"].is_array())
    for (const Json &inner : json["decoders"])
      if (mentionsDecoder(inner, type))
        return true;
  return false;
}

/// Loads the optional section `name` by `make` into `out`.
template <typename T, typename Make>
Status loadSection(const Fields &file, const char *name, Make make, std::unique_ptr<T> &out) {
  const Json *section = file.find(name);
  if (!section)
    return Status::ok();
  PLX_ASSIGN(out, make(*section, 0));
  return Status::ok();
}

Status checkVersion(const Fields &file) {
  PLX_ASSIGN(std::string version, file.string("version", "1.0"));
  if (version == "1.0")
    return Status::ok();
  return error(Code::Unsupported) << "tokenizer.json version '" << version << "'; known is 1.0";
}

/// A special token of tokenizer_config.json: a string, or an object with "content".
std::optional<std::string> configToken(const Json &config, const char *name) {
  auto it = config.find(name);
  if (it == config.end())
    return std::nullopt;
  if (it->is_object() && it->contains("content") && (*it)["content"].is_string())
    return (*it)["content"].get<std::string>();
  if (it->is_string())
    return it->get<std::string>();
  return std::nullopt;
}

/// "chat_template": a string, or a list of {"name", "template"}.
Expected<std::optional<std::string>> configTemplate(const Json &config) {
  const Json *field = Fields(config, "tokenizer_config.json").find("chat_template");
  if (!field)
    return std::optional<std::string>();
  if (field->is_string())
    return std::optional(field->get<std::string>());
  std::optional<std::string> chosen;
  if (field->is_array())
    for (const Json &item : *field) {
      Fields f(item, "tokenizer_config.json chat_template");
      PLX_ASSIGN(std::string name, f.string("name"));
      PLX_ASSIGN(std::string source, f.string("template"));
      if (!chosen || name == "default")
        chosen = std::move(source);
    }
  if (!chosen)
    return error(Code::Corrupt)
           << "tokenizer_config.json: field 'chat_template' must be a string or a "
              "list of {\"name\", \"template\"}";
  return chosen;
}

Status loadConfig(std::string_view bytes, TokenizerParts &parts) {
  PLX_ASSIGN(Json config, parseJson(bytes, "tokenizer_config.json"));
  if (!config.is_object())
    return error(Code::Corrupt) << "tokenizer_config.json: must be an object";
  struct Named {
    const char *name;
    std::optional<uint32_t> &id;
  };
  SpecialTokenIds &ids = parts.specialIds;
  for (const Named &n : {Named{"bos_token", ids.bos}, Named{"eos_token", ids.eos},
                         Named{"unk_token", ids.unk}, Named{"pad_token", ids.pad}})
    if (auto token = configToken(config, n.name))
      n.id = parts.find(*token);
  PLX_ASSIGN(parts.chatTemplate, configTemplate(config));
  return Status::ok();
}
} // namespace

Status TokenizerParts::setDecoder(const Json &json) {
  PLX_ASSIGN(decoder, makeDecoder(json));
  decodesByteLevel = mentionsDecoder(json, "ByteLevel");
  decodesByteTokens = mentionsDecoder(json, "ByteFallback");
  return Status::ok();
}

Expected<Parts> loadJson(std::string_view json, std::string_view config) {
  PLX_ASSIGN(Json document, parseJson(json, "tokenizer.json"));
  if (!document.is_object())
    return error(Code::Corrupt) << "tokenizer.json: must be an object";
  Fields file(document, "tokenizer.json");
  PLX_RETURN_IF_ERROR(checkVersion(file));
  auto parts = std::make_unique<TokenizerParts>();
  PLX_ASSIGN(const Json *model, file.require("model"));
  PLX_ASSIGN(parts->model, makeModel(*model));
  PLX_RETURN_IF_ERROR(loadSection(file, "normalizer", makeNormalizer, parts->normalizer));
  PLX_RETURN_IF_ERROR(loadSection(file, "pre_tokenizer", makePreTokenizer, parts->preTokenizer));
  PLX_RETURN_IF_ERROR(loadSection(file, "post_processor", makePostProcessor, parts->postProcessor));
  if (const Json *decoder = file.find("decoder"))
    PLX_RETURN_IF_ERROR(parts->setDecoder(*decoder));
  if (const Json *added = file.find("added_tokens")) {
    PLX_ASSIGN(std::vector<AddedToken> tokens, AddedVocabulary::fromJson(*added));
    PLX_RETURN_IF_ERROR(parts->added.add(tokens, *parts->model, parts->normalizer.get()));
  }
  PLX_ASSIGN(parts->truncation, readTruncation(document));
  PLX_ASSIGN(parts->padding, readPadding(document));
  parts->specialIds.unk = parts->model->unknownId();
  if (!config.empty())
    PLX_RETURN_IF_ERROR(loadConfig(config, *parts));
  parts->serialized = packSerialized(SerializedKind::HuggingFace, json, config);
  return parts;
}

namespace {
constexpr std::string_view magic = "PLXT";
constexpr uint32_t serializedVersion = 1;

template <typename T>
void appendNumber(std::string &out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    out += char((value >> (8 * i)) & 0xFF);
}

/// Takes a little-endian number off the front of `bytes`.
template <typename T>
Expected<T> takeNumber(std::string_view &bytes) {
  if (bytes.size() < sizeof(T))
    return error(Code::Corrupt) << "serialized tokenizer: cut short";
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= T(uint8_t(bytes[i])) << (8 * i);
  bytes.remove_prefix(sizeof(T));
  return value;
}

Expected<std::string_view> takePart(std::string_view &bytes) {
  PLX_ASSIGN(uint64_t length, takeNumber<uint64_t>(bytes));
  if (length > bytes.size())
    return error(Code::Corrupt) << "serialized tokenizer: a part of " << length << " bytes where "
                                << bytes.size() << " are left";
  std::string_view part = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return part;
}
} // namespace

std::string packSerialized(SerializedKind kind, std::string_view first, std::string_view second) {
  std::string out(magic);
  out.reserve(first.size() + second.size() + 32);
  appendNumber(out, serializedVersion);
  appendNumber(out, uint32_t(kind));
  for (std::string_view part : {first, second}) {
    appendNumber(out, uint64_t(part.size()));
    out += part;
  }
  return out;
}

Expected<Parts> loadSerialized(std::string_view bytes) {
  if (!bytes.starts_with(magic))
    return error(Code::Corrupt) << "serialized tokenizer: does not begin with PLXT";
  bytes.remove_prefix(magic.size());
  PLX_ASSIGN(uint32_t version, takeNumber<uint32_t>(bytes));
  if (version != serializedVersion)
    return error(Code::Mismatch) << "serialized tokenizer of version " << version << "; known is "
                                 << serializedVersion;
  PLX_ASSIGN(uint32_t kind, takeNumber<uint32_t>(bytes));
  PLX_ASSIGN(std::string_view first, takePart(bytes));
  PLX_ASSIGN(std::string_view second, takePart(bytes));
  if (kind == uint32_t(SerializedKind::HuggingFace))
    return loadJson(first, second);
  if (kind != uint32_t(SerializedKind::Gguf))
    return error(Code::Corrupt) << "serialized tokenizer: unknown kind " << kind;
  PLX_ASSIGN(GgufVocabulary vocabulary, ggufFromJson(first));
  return loadGguf(vocabulary);
}

} // namespace plexus::text
