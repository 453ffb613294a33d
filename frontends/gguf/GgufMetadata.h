// Typed access to a GGUF file's metadata, with a record of what was read.
#pragma once

#include "frontends/gguf/GgufFile.h"

#include <set>

namespace plexus::frontends {

/// Reads values by key; one of another type reads as absent and fails check(). Integers are
/// accepted where a number is asked for.
class GgufMetadata {
public:
  explicit GgufMetadata(const GgufFile &file) : file_(file) {}

  template <typename T>
  std::optional<T> get(std::string_view key) {
    const GgufValue *value = read(key);
    if (!value)
      return std::nullopt;
    if (const T *held = std::get_if<T>(value))
      return *held;
    if constexpr (std::is_same_v<T, double>)
      if (const int64_t *integer = std::get_if<int64_t>(value))
        return static_cast<double>(*integer);
    wrongType(key, GgufValue(T()), *value);
    return std::nullopt;
  }
  /// Empty, 0 or false when absent.
  template <typename T>
  T getOrEmpty(std::string_view key) {
    return get<T>(key).value_or(T());
  }
  /// The same for what must be there; absent ones fail check().
  template <typename T>
  T require(std::string_view key) {
    if (!file_.metadata(key))
      problems_.push_back("\"" + std::string(key) + "\" is missing");
    return getOrEmpty<T>(key);
  }
  /// Values that do not matter.
  void ignore(std::string_view key) { read_.emplace(key); }
  void problem(std::string text) { problems_.push_back(std::move(text)); }

  /// Corrupt: everything that was missing or of the wrong type, in one message.
  Status check() const;
  /// check(), then Unsupported with all keys that begin with `prefix` and were never read.
  Status allRead(std::string_view prefix) const;
  const GgufFile &file() const { return file_; }

private:
  const GgufValue *read(std::string_view key) {
    read_.emplace(key);
    return file_.metadata(key);
  }
  void wrongType(std::string_view key, const GgufValue &wanted, const GgufValue &found);
  const GgufFile &file_;
  std::set<std::string, std::less<>> read_;
  std::vector<std::string> problems_;
};

} // namespace plexus::frontends
