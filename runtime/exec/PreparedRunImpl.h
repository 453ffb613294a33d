// What a prepared run holds, for those who make one: sessions and streams.
#pragma once

#include "runtime/exec/PreparedRun.h"
#include "runtime/exec/SequenceRun.h"

#include <optional>

namespace plexus {

struct PreparedRun::Impl {
  Session::Impl &session;
  SequenceRun run;
  bool refuseNan;
  /// Its own sequences, which begin anew with every run; none in a run of a stream.
  std::optional<OpenSequences> own = {};
  /// A stream's, which go on from run to run; null: `own`.
  std::optional<OpenSequences> *shared = nullptr;
  std::vector<NamedTensor> outputs = {};

  /// The sequences as the next run finds them.
  Expected<std::span<const SequenceId>> begin();
  /// Wraps it, with the outputs that it has by now.
  static Expected<std::unique_ptr<PreparedRun>> finish(std::unique_ptr<Impl> impl);
};

} // namespace plexus
