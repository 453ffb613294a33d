// A run bound once to its inputs' and outputs' memory, and made as often as wanted.
#pragma once

#include "runtime/exec/Session.h"

#include <memory>
#include <span>

namespace plexus {

/// Made by Session::prepare, which must outlive it; the engine's thread alone runs it. Every run
/// begins from fresh states; one of a stream (Stream::prepare) goes on where the stream is. Inputs
/// are read where they lie, so that callers write new numbers into the same memory; those of
/// another type than the model's (an I64 subject) are read once. After the first run of a kind none
/// makes a heap allocation.
class PreparedRun {
public:
  ~PreparedRun();
  Status run();
  /// The outputs of the last run, in memory that the next one writes; zeros before the first.
  std::span<const NamedTensor> outputs() const;

private:
  friend class Session;
  friend class Stream;
  struct Impl;
  explicit PreparedRun(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace plexus
