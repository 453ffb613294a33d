// Checked access to the fields of a JSON object from outside: every failure names the field.
#pragma once

#include "runtime/support/Status.h"
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::text {

using Json = nlohmann::json;

/// How deep components (a Sequence in a Sequence ...) may nest.
constexpr int maxComponentDepth = 16;

/// Parses bytes as JSON. Corrupt with the byte position where they are not; nesting deeper than 64
/// levels is refused before it can exhaust anything.
Status checkJsonDepth(std::string_view bytes, std::string_view what);
Expected<Json> parseJson(std::string_view bytes, std::string_view what);

/// The fields of one object, read by name. `what` is the object's name in messages.
class Fields {
public:
  Fields(const Json &json, std::string_view what) : json_(json), what_(what) {}

  /// The field, or nullptr where it is absent or null.
  const Json *find(const char *name) const;
  Expected<const Json *> require(const char *name) const;
  Expected<bool> boolean(const char *name, std::optional<bool> fallback = {}) const;
  Expected<uint64_t> number(const char *name, std::optional<uint64_t> fallback = {}) const;
  Expected<std::string> string(const char *name, std::optional<std::string> fallback = {}) const;
  /// A string of exactly one character.
  Expected<char32_t> character(const char *name) const;
  const std::string &what() const { return what_; }
  Status wrongKind(const char *name, const char *expected) const;

private:
  const Json &json_;
  std::string what_;
};

/// "Unsupported: unknown <kind> 'x'; known are a, b, c".
Status unknownName(std::string_view kind, std::string_view name,
                   std::span<const std::string> known);

/// The "type" of a component, checked to be a string in an object.
Expected<std::string> componentType(const Json &json, std::string_view kind, int depth);

/// Builds a component from the maker that `makers` (type name to function) has for its "type".
template <typename Makers>
auto makeComponent(const Json &json, std::string_view kind, const Makers &makers, int depth)
    -> decltype(makers.begin()->second(std::declval<const Fields &>(), 0)) {
  PLX_ASSIGN(std::string type, componentType(json, kind, depth));
  auto it = makers.find(type);
  if (it != makers.end())
    return it->second(Fields(json, std::string(kind) + " " + type), depth);
  std::vector<std::string> known;
  for (const auto &maker : makers)
    known.push_back(maker.first);
  return unknownName(kind, type, known);
}

/// Reads "pattern": {"String": s} or {"Regex": s} (or a plain string).
class Regex;
Expected<Regex> patternField(const Fields &fields);

} // namespace plexus::text
