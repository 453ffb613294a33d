// Strict reading of JSON: a cursor that knows its path and keeps the first error.
#pragma once

#include "runtime/support/Status.h"

#include <nlohmann/json.hpp>

#include <initializer_list>
#include <string>
#include <string_view>

namespace plexus {

/// Parses text of at most `maxBytes` and `maxDepth` nested brackets; Corrupt with the position
/// else.
Expected<nlohmann::json> parseJson(std::string_view text, size_t maxBytes, int maxDepth);

/// A place in a document. The first failure is kept in `error`; after it every read gives a default
/// value, so that a parser reads straight down and asks once at the end.
class JsonCursor {
public:
  JsonCursor(const nlohmann::json &node, std::string path, Status &error)
      : node_(&node), path_(std::move(path)), error_(&error) {}

  /// Fails unless this is an object with all of `required` and nothing but those and `optional`.
  void expectFields(std::initializer_list<std::string_view> required,
                    std::initializer_list<std::string_view> optional = {}) const;
  JsonCursor field(std::string_view name) const;
  bool has(std::string_view name) const;
  bool isNull() const { return node_->is_null(); }
  /// Entries of a list; fails for more than `most`.
  size_t listSize(size_t most) const;
  JsonCursor item(size_t index) const;

  int64_t integer(int64_t least, int64_t most) const;
  double number() const;
  bool boolean() const;
  std::string string() const;
  /// This subtree as text; fails unless it is an object.
  std::string objectText() const;

  /// fn(JsonCursor) for each item of a list, while there is no error.
  template <typename Fn>
  void each(size_t most, Fn fn) const {
    for (size_t i = 0, n = listSize(most); i < n && error_->isOk(); ++i)
      fn(item(i));
  }
  void fail(Code code, std::string_view message) const;
  const std::string &path() const { return path_; }

private:
  const nlohmann::json *node_;
  std::string path_;
  Status *error_;
};

} // namespace plexus
