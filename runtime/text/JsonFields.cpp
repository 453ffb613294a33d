// Checked access to JSON fields.
#include "runtime/text/JsonFields.h"
#include "runtime/text/Regex.h"
#include "runtime/text/Utf8.h"

#include <algorithm>

namespace plexus::text {

namespace {
constexpr int maxJsonDepth = 64;

/// Nesting depth of `bytes` counted outside strings: an upper bound that needs no parser.
int nestingDepth(std::string_view bytes) {
  int depth = 0, deepest = 0;
  bool inString = false;
  for (size_t i = 0; i < bytes.size(); ++i) {
    char c = bytes[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}
} // namespace

Status checkJsonDepth(std::string_view bytes, std::string_view what) {
  if (nestingDepth(bytes) <= maxJsonDepth)
    return Status::ok();
  return error(Code::Corrupt) << what << ": JSON nested deeper than " << maxJsonDepth << " levels";
}

Expected<Json> parseJson(std::string_view bytes, std::string_view what) {
  PLX_RETURN_IF_ERROR(checkJsonDepth(bytes, what));
  try {
    return Json::parse(bytes);
  } catch (const Json::exception &e) {
    return error(Code::Corrupt) << what << ": " << e.what();
  }
}

const Json *Fields::find(const char *name) const {
  if (!json_.is_object())
    return nullptr;
  auto it = json_.find(name);
  return it == json_.end() || it->is_null() ? nullptr : &*it;
}

Status Fields::wrongKind(const char *name, const char *expected) const {
  return error(Code::Corrupt) << what_ << ": field '" << name << "' must be " << expected;
}

Expected<const Json *> Fields::require(const char *name) const {
  if (const Json *field = find(name))
    return field;
  return error(Code::Corrupt) << what_ << ": field '" << name << "' is missing";
}

Expected<bool> Fields::boolean(const char *name, std::optional<bool> fallback) const {
  if (fallback && !find(name))
    return *fallback;
  PLX_ASSIGN(const Json *field, require(name));
  if (!field->is_boolean())
    return wrongKind(name, "true or false");
  return field->get<bool>();
}

Expected<uint64_t> Fields::number(const char *name, std::optional<uint64_t> fallback) const {
  if (fallback && !find(name))
    return *fallback;
  PLX_ASSIGN(const Json *field, require(name));
  if (!field->is_number_integer() || (!field->is_number_unsigned() && field->get<int64_t>() < 0))
    return wrongKind(name, "a whole number that is not negative");
  return field->get<uint64_t>();
}

Expected<std::string> Fields::string(const char *name, std::optional<std::string> fallback) const {
  if (fallback && !find(name))
    return *std::move(fallback);
  PLX_ASSIGN(const Json *field, require(name));
  if (!field->is_string())
    return wrongKind(name, "a string");
  return field->get<std::string>();
}

Expected<char32_t> Fields::character(const char *name) const {
  PLX_ASSIGN(std::string s, string(name));
  std::vector<char32_t> chars = codePoints(s);
  if (chars.size() != 1)
    return wrongKind(name, "one character");
  return chars[0];
}

Status unknownName(std::string_view kind, std::string_view name,
                   std::span<const std::string> known) {
  std::string list;
  for (const std::string &k : known)
    list += (list.empty() ? "" : ", ") + k;
  return error(Code::Unsupported) << "unknown " << kind << " '" << name << "'; known are " << list;
}

Expected<std::string> componentType(const Json &json, std::string_view kind, int depth) {
  if (depth > maxComponentDepth)
    return error(Code::ResourceExhausted)
           << kind << ": nested deeper than " << maxComponentDepth << " levels";
  if (!json.is_object())
    return error(Code::Corrupt) << kind << ": must be an object with a 'type'";
  return Fields(json, kind).string("type");
}

Expected<Regex> patternField(const Fields &fields) {
  PLX_ASSIGN(const Json *pattern, fields.require("pattern"));
  if (pattern->is_string())
    return Regex::literal(pattern->get_ref<const std::string &>());
  if (pattern->is_object() && pattern->size() == 1 && pattern->begin()->is_string()) {
    const std::string &text = pattern->begin()->get_ref<const std::string &>();
    if (pattern->begin().key() == "String")
      return Regex::literal(text);
    if (pattern->begin().key() == "Regex")
      return Regex::compile(text);
  }
  return fields.wrongKind("pattern", "{\"String\": ...} or {\"Regex\": ...}");
}

} // namespace plexus::text
