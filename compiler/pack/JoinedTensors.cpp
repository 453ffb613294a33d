// Joined tensor sources.
#include "compiler/pack/JoinedTensors.h"

#include <algorithm>

namespace plexus::compiler {

JoinedTensors::JoinedTensors(std::vector<std::shared_ptr<const TensorSource>> sources)
    : sources_(std::move(sources)), path_(sources_.empty() ? "no files" : sources_[0]->path()) {
  for (const auto &source : sources_)
    names_.insert(names_.end(), source->names().begin(), source->names().end());
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
}

const TensorView *JoinedTensors::find(std::string_view name) const {
  for (const auto &source : sources_)
    if (const TensorView *view = source->find(name))
      return view;
  return nullptr;
}

std::vector<std::shared_ptr<const MappedFile>> JoinedTensors::files() const {
  std::vector<std::shared_ptr<const MappedFile>> all;
  for (const auto &source : sources_)
    for (auto &file : source->files())
      all.push_back(std::move(file));
  return all;
}

} // namespace plexus::compiler
