// The token table of a model.
#include "runtime/text/Vocabulary.h"

#include <utility>
#include <xxhash.h>

namespace plexus::text {

Expected<Vocabulary> Vocabulary::fromJson(const Json &object, std::string_view what) {
  if (!object.is_object())
    return error(Code::Corrupt) << what << ": 'vocab' must be an object of token to id";
  Vocabulary out;
  out.reserve(object.size());
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (!it->is_number_unsigned())
      return error(Code::Corrupt) << what << ": id of token '" << it.key()
                                  << "' must be a whole number that is not negative";
    uint64_t id = it->get<uint64_t>();
    PLX_RETURN_IF_ERROR(out.add(it.key(), uint32_t(std::min<uint64_t>(id, UINT32_MAX))).at(what));
  }
  return out;
}

void Vocabulary::reserve(size_t n) {
  resizeTable(n);
  byId_.reserve(n);
}

namespace {
uint32_t hashOf(std::string_view s) { return uint32_t(XXH3_64bits(s.data(), s.size())); }
} // namespace

size_t Vocabulary::place(std::string_view token, uint32_t hash) const {
  size_t mask = table_.size() - 1, i = hash & mask;
  // The table is never full, so that every search ends.
  while (table_[i].id != noId && !(table_[i].hash == hash && strings_[table_[i].string] == token))
    i = (i + 1) & mask;
  return i;
}

void Vocabulary::resizeTable(size_t tokens) {
  size_t capacity = 16;
  while (capacity < tokens * 2)
    capacity *= 2;
  if (capacity <= table_.size())
    return;
  std::vector<Slot> old = std::exchange(table_, std::vector<Slot>(capacity));
  for (const Slot &slot : old)
    if (slot.id != noId)
      table_[place(strings_[slot.string], slot.hash)] = slot;
}

Status Vocabulary::add(std::string token, uint32_t id) {
  if (id >= maxTokenId)
    return error(Code::ResourceExhausted)
           << "token '" << token << "' has id " << id << "; the limit is " << maxTokenId - 1;
  if (byId_.size() <= id)
    byId_.resize(id + 1, nullptr);
  resizeTable(strings_.size() + 1);
  uint32_t hash = hashOf(token);
  Slot &slot = table_[place(token, hash)];
  if (slot.id == noId) {
    slot = {hash, id, uint32_t(strings_.size())};
    strings_.push_back(std::move(token));
  }
  // A token given twice gets the last id; the older id keeps its string, so that both decode.
  slot.id = id;
  byId_[id] = &strings_[slot.string];
  return Status::ok();
}

std::optional<uint32_t> Vocabulary::find(std::string_view token) const {
  if (table_.empty())
    return std::nullopt;
  const Slot &slot = table_[place(token, hashOf(token))];
  return slot.id == noId ? std::nullopt : std::optional(slot.id);
}

} // namespace plexus::text
