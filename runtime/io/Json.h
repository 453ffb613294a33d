// Strict JSON from outside: limits on size and depth, no duplicate keys, errors instead of
// exceptions.
#pragma once

#include "runtime/support/Status.h"

#include <nlohmann/json.hpp>

#include <string_view>

namespace plexus {

struct JsonLimits {
  size_t maxBytes = size_t(256) << 20;
  int maxDepth = 64; ///< Objects and arrays inside one another.
};

/// Parses one JSON document. `source` (a path) opens every message. Errors: Corrupt for what is not
/// JSON, invalid UTF-8, a key twice in one object, or a number out of range; ResourceExhausted for
/// a limit.
Expected<nlohmann::json> parseJson(std::string_view text, std::string_view source,
                                   const JsonLimits &limits = {});

/// Parses the file `path`.
Expected<nlohmann::json> readJsonFile(const std::string &path, const JsonLimits &limits = {});

/// "an object", "a string" ...: for messages of the form "expected X, found Y".
std::string_view jsonKind(const nlohmann::json &value);

} // namespace plexus
