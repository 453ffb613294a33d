#include "frontends/huggingface/WeightIndex.h"

#include <algorithm>

namespace plexus::frontends {

bool matchesPattern(std::string_view text, std::string_view pattern) {
  size_t at = 0, in = 0;                              // Positions in text and pattern.
  size_t star = std::string_view::npos, resumeAt = 0; // The last '*' and how far it reached.
  while (at < text.size()) {
    if (in < pattern.size() && pattern[in] == '*') {
      star = in++;
      resumeAt = at;
    } else if (in < pattern.size() && pattern[in] == text[at]) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      in = star + 1;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (in < pattern.size() && pattern[in] == '*')
    ++in;
  return in == pattern.size();
}

const TensorView *WeightIndex::use(std::string_view name) {
  const TensorView *view = source_->find(name);
  (view ? used_ : missing_).emplace(name);
  return view;
}

Status WeightIndex::check() const {
  std::string unused, missing;
  for (const std::string &name : missing_)
    missing += "\n  missing: " + name;
  for (const std::string &name : source_->names()) {
    auto matches = [&](const std::string &pattern) { return matchesPattern(name, pattern); };
    if (!used_.contains(name) && std::none_of(allowed_.begin(), allowed_.end(), matches))
      unused += "\n  unused: " + name + " " + shapeToString(source_->find(name)->shape);
  }
  if (missing.empty() && unused.empty())
    return Status::ok();
  return error(missing.empty() ? Code::Mismatch : Code::NotFound)
         << source_->path() << ": the weights are not those that the model needs:" << missing
         << unused;
}

} // namespace plexus::frontends
