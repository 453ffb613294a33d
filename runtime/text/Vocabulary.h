// The tokens of a model: string to id and back.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/JsonFields.h"
#include <deque>
#include <optional>
#include <vector>

namespace plexus::text {

/// Ids may have holes but stay below this, so that a table by id stays small.
constexpr uint32_t maxTokenId = 1u << 24;

class Vocabulary {
public:
  /// {"token": id, ...}
  static Expected<Vocabulary> fromJson(const Json &object, std::string_view what);

  /// ResourceExhausted where `id` is too large. A token given twice gets the last id.
  Status add(std::string token, uint32_t id);

  std::optional<uint32_t> find(std::string_view token) const;
  /// The token of `id`, or nullptr.
  const std::string *token(uint32_t id) const { return id < byId_.size() ? byId_[id] : nullptr; }
  /// Number of different tokens.
  size_t size() const { return strings_.size(); }
  /// One more than the largest id.
  uint32_t idLimit() const { return uint32_t(byId_.size()); }
  void reserve(size_t n);

private:
  /// One place of the open-addressed table from token to id; free where `id` is noId.
  struct Slot {
    uint32_t hash = 0;
    uint32_t id = noId;
    uint32_t string = 0; ///< Index into strings_.
  };
  static constexpr uint32_t noId = UINT32_MAX;
  /// Where `token` is or would be.
  size_t place(std::string_view token, uint32_t hash) const;
  void resizeTable(size_t tokens);

  std::deque<std::string> strings_; ///< Stable addresses for byId_.
  std::vector<Slot> table_;
  std::vector<const std::string *> byId_;
};

} // namespace plexus::text
