// What the commands that run a model on named tensors share.
#pragma once

#include "Command.h"

#include "runtime/exec/Session.h"

namespace plexus::cli {

/// MODEL and its options, --want, --set, --nan, --schedule, --jit.
struct NamedRunArguments {
  ModelArguments model;
  std::string schedule = "forward", nan = "pass";
  std::vector<std::string> wants, set;
  bool jit = false;
  void add(CLI::App &command);
  Expected<RunOptions> options() const;
};

/// Tensors over the bytes of a file, and what keeps these.
struct NamedTensors {
  std::shared_ptr<const TensorSource> source;
  std::vector<NamedTensor> list;
};

/// The tensors of a .safetensors file that holds at least one, without a copy.
Expected<NamedTensors> readTensors(const std::string &path);

} // namespace plexus::cli
