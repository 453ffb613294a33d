// Several tensor sources as one, as a checkpoint and the constants of its graph.
#pragma once

#include "runtime/io/TensorSource.h"

#include <memory>
#include <string>
#include <vector>

namespace plexus::compiler {

/// A name that several sources have is the first one's.
class JoinedTensors : public TensorSource {
public:
  explicit JoinedTensors(std::vector<std::shared_ptr<const TensorSource>> sources);
  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override;
  const std::string &path() const override { return path_; }
  std::vector<std::shared_ptr<const MappedFile>> files() const override;

private:
  std::vector<std::shared_ptr<const TensorSource>> sources_;
  std::vector<std::string> names_;
  std::string path_;
};

} // namespace plexus::compiler
