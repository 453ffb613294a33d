// A loaded model: program, code and weights bound together, immutable and shared by sessions.
#pragma once

#include "runtime/program/Program.h"
#include "runtime/support/Status.h"

#include <memory>

namespace plexus {

/// Everything of a run that does not change: resolved functions, weight pointer tables of every
/// step, layouts of the states. Safe to use from any thread.
class Model {
public:
  /// Errors: NotFound for symbols that the code lacks (all listed), Mismatch for another version of
  /// the calling convention, Unsupported for state kinds that this runtime does not know.
  static Expected<std::shared_ptr<const Model>> create(std::shared_ptr<const ModelImage> image);
  ~Model();
  const ModelImage &image() const;
  const Program &program() const { return image().program; }

  struct Impl;
  const Impl &impl() const { return *impl_; }

private:
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace plexus
