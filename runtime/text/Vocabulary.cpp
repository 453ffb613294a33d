// The token table of a model.
#include "runtime/text/Vocabulary.h"

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
  ids_.reserve(n);
  byId_.reserve(n);
}

Status Vocabulary::add(std::string token, uint32_t id) {
  if (id >= maxTokenId)
    return error(Code::ResourceExhausted)
           << "token '" << token << "' has id " << id << "; the limit is " << maxTokenId - 1;
  if (byId_.size() <= id)
    byId_.resize(id + 1, nullptr);
  auto known = ids_.find(token);
  if (known != ids_.end()) {
    const std::string *string = byId_[known->second];
    // The older id keeps its string, so that both ids decode.
    known->second = id;
    byId_[id] = string;
    return Status::ok();
  }
  strings_.push_back(std::move(token));
  ids_.emplace(strings_.back(), id);
  byId_[id] = &strings_.back();
  return Status::ok();
}

std::optional<uint32_t> Vocabulary::find(std::string_view token) const {
  auto it = ids_.find(token);
  if (it == ids_.end())
    return std::nullopt;
  return it->second;
}

} // namespace plexus::text
