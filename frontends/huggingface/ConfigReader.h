// Typed access to a config, with a record of what was read: so that a field that changes the
// mathematics and that nobody honoured can be refused by name.
#pragma once

#include "runtime/support/Status.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::frontends {

/// Paths are keys joined by '.', array elements by index: "rope_parameters.factor",
/// "layer_types.0". A field that is null counts as absent. Every get marks the field as honoured.
/// A field of another type than asked for reads as absent and is remembered for check().
class ConfigReader {
public:
  /// `source` (a path) opens every message.
  ConfigReader(nlohmann::json config, std::string source);

  /// There and not null. Does not mark.
  bool has(std::string_view path) const { return find(path) != nullptr; }
  /// There and null.
  bool isNull(std::string_view path) const;

  /// Integers; floats without a fraction count.
  std::optional<int64_t> getInt(std::string_view path);
  /// Any number, infinities included.
  std::optional<double> getFloat(std::string_view path);
  std::optional<bool> getBool(std::string_view path);
  /// The string lives as long as the reader; null when absent.
  const std::string *getString(std::string_view path);
  /// Elements of an array. Marks the whole of it.
  std::optional<size_t> getArraySize(std::string_view path);

  /// The same for fields that must be there: absent ones read as 0 or "" and fail check().
  int64_t requireInt(std::string_view path);
  double requireFloat(std::string_view path);
  std::string requireString(std::string_view path);

  /// Declares that a field, or all below it, does not change what the model computes.
  void ignore(std::string_view path) { ignored_.emplace(path); }

  /// Whether a get found something of another type than asked for, and where.
  bool hasTypeErrors() const { return !problems_.empty(); }
  /// All that was missing or of the wrong type so far, in one message; Corrupt.
  Status check() const;
  /// check(), then Unsupported with the name and value of every field that was neither read, nor
  /// ignored, nor is in inertConfigFields().
  Status allHonoured() const;

  const nlohmann::json &json() const { return config_; }
  const std::string &source() const { return source_; }

private:
  /// Null where the field is absent or null.
  const nlohmann::json *find(std::string_view path) const;
  const nlohmann::json *findAny(std::string_view path) const;
  const nlohmann::json *read(std::string_view path);
  void problem(std::string_view path, std::string_view expected, const nlohmann::json *found);
  void listUnread(const nlohmann::json &value, const std::string &path,
                  std::vector<std::string> &unread) const;

  nlohmann::json config_;
  std::string source_;
  std::set<std::string, std::less<>> read_, ignored_;
  std::vector<std::string> problems_;
};

/// Switches of any config.json that no family has: inert where they are off.
std::span<const std::string_view> absentSwitches();

/// Fields of any config.json that never change what a model computes at inference: bookkeeping,
/// training, labels, and defaults of generation (which the engine reads for itself).
std::span<const std::string_view> inertConfigFields();

} // namespace plexus::frontends
