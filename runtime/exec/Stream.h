// A schedule fed sample by sample or piece by piece, whose states stay from call to call.
#pragma once

#include "runtime/exec/PreparedRun.h"
#include "runtime/exec/Session.h"
#include "runtime/program/Program.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace plexus {

/// How a stream runs.
struct StreamOptions {
  RunOptions run; ///< `chunks` is not for streams.
  /// Rows are windows of this many samples, one each `hop` (0: each window): for models without
  /// states whose row is a window (its last dimension). 0: the schedule's own samples or frames.
  int64_t window = 0, hop = 0;
};

/// Made by Session::openStream, which must outlive it; the engine's thread alone pushes.
class Stream {
public:
  ~Stream();
  /// Takes the next samples of every input that has a sequence axis; others (a subject) are given
  /// with the first call and stay. Returns the outputs of the rows that are complete with them,
  /// which may be none: samples of an unfinished frame wait for the next call. The batch is that of
  /// the first call. A failed call leaves the stream as it was.
  Expected<std::vector<NamedTensor>> push(std::span<const NamedTensor> inputs);
  /// Binds the memory of the next samples, as many as `inputs` have: each run of what is returned
  /// pushes what lies there by then, and makes no heap allocation after the first ones. Pushes,
  /// prepared ones of other sizes and `reset` may come between; the stream must outlive it.
  /// Unsupported where samples wait for their frame to be complete.
  Expected<std::unique_ptr<PreparedRun>> prepare(std::span<const NamedTensor> inputs);
  /// Begins anew, with the next call as the first.
  void reset();

  /// The sequence axis of an input's or output's tensor, or -1 where it has none.
  int sequenceAxis(const std::string &name) const;
  /// Names of the schedule's inputs.
  const std::vector<std::string> &inputs() const;
  /// Shape of a tensor of that input for a batch of one, -1 along the sequence.
  std::vector<int64_t> pieceShape(const std::string &name) const;
  /// Samples of the longest of whole inputs, and their part [begin, end) as push takes it.
  int64_t samplesOf(std::span<const NamedTensor> inputs) const;
  Expected<std::vector<NamedTensor>> piece(std::span<const NamedTensor> inputs, int64_t begin,
                                           int64_t end) const;

private:
  friend class Session;
  struct Impl;
  explicit Stream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace plexus
