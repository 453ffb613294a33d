// One user of a model: its sequences and their states, and the runs on them.
#pragma once

#include "runtime/exec/Forward.h"
#include "runtime/tensor/Tensor.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace plexus {

class Model;
class PreparedRun;
class Stream;
struct StreamOptions;

struct SessionOptions {
  int64_t chunk = 512;       ///< Rows of one run; longer requests are split unless NoChunk.
  int64_t maxContext = 0;    ///< Rows of a sequence, 0: the model's context.
  int64_t maxStateBytes = 0; ///< Limit of all state pages together, 0: none.
};

/// How runNamed runs.
struct RunOptions {
  std::string schedule = "forward";
  /// Outputs asked for, empty: the schedule's own. "logits", "last_hidden_state", "pooler_output",
  /// "hidden_states.3" (0 .. L, the last one after the final norm), "taps.3.mlp.out", or any output
  /// that the schedule names.
  std::vector<std::string> wants = {};
  /// Feed the columns (samples) in pieces of these lengths through the states; their sum is the
  /// length.
  std::vector<int64_t> chunks = {};
  /// Options of the model and their values.
  std::vector<std::pair<std::string, std::string>> set = {};
  /// NaN in a float input is an error; otherwise it goes where the arithmetic takes it.
  bool refuseNan = false;
};

/// A Session is used by one thread at a time, the engine's (EngineThread.h); Models are shared by
/// all. Every call is checked: ids from outside (plugins) are refused by message, never trusted.
/// After the first few steps of a kind, forward() makes no heap allocation.
class Session {
public:
  static Expected<std::unique_ptr<Session>> create(std::shared_ptr<const Model> model,
                                                   const SessionOptions &options = {});
  /// Drops all sequences and snapshots; Results live on.
  ~Session();
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  const Model &model() const;
  const SessionOptions &options() const;

  // Sequences. Errors: NotFound for an id that is not open.

  Expected<SequenceId> openSequence();
  /// Refused while rows are pending: commit or truncate them first.
  Status closeSequence(SequenceId sequence);
  /// A second sequence with the same committed rows; pages are shared until written. Refused while
  /// rows are pending.
  Expected<SequenceId> fork(SequenceId sequence);
  /// Committed rows.
  Expected<int64_t> length(SequenceId sequence) const;
  /// Pending rows, in the order in which they were drafted.
  Expected<int64_t> pending(SequenceId sequence) const;
  /// Keeps the first `length` rows, counting committed rows, then pending ones in the order of
  /// their drafting. NotKept where a window has dropped rows that the next one would see.
  Status truncate(SequenceId sequence, int64_t length);
  /// Commits the pending rows `path` (numbers as in ForwardRequest::parents, each the child of the
  /// one before, the first a child of the last committed row) and drops the others. Empty: drops
  /// all.
  Status commit(SequenceId sequence, std::span<const int32_t> path);

  /// Keeps the committed rows as they are now, whatever happens to the sequence. Refused while rows
  /// are pending.
  Expected<SnapshotId> snapshot(SequenceId sequence);
  /// Sets a sequence (this one or another of the session) to a snapshot, dropping what it had.
  Status restore(SequenceId sequence, SnapshotId snapshot);
  Status dropSnapshot(SnapshotId snapshot);

  /// Runs the requests merged into as few ragged batches as their layer ranges, skip masks and
  /// sequences allow; several requests on one sequence run in their order. outcomes[i] answers
  /// requests[i]; the spans have equal length. One request's error does not touch the others.
  void forward(std::span<const ForwardRequest> requests, std::span<ForwardOutcome> outcomes);

  /// Runs a schedule on named tensors. Token models: `input_ids` [B, S] (any integer type), and as
  /// the model takes them `attention_mask`, `position_ids`, `token_type_ids` [B, S]; columns with
  /// mask 0 are dropped by packing and come back as zeros. Positions default to the column. Others:
  /// every input of the schedule by name, laid out as its port says (Program.h, PortInfo):
  /// sequences [B, S, ...], with `lengths` [B] where some are shorter, whose outputs are zeros from
  /// there on, and initial and final states by the names of the states' ports; graphs [..., row].
  /// What has an option or a filling may be left out. Outputs in the order of the wants.
  Expected<std::vector<NamedTensor>> runNamed(std::span<const NamedTensor> inputs,
                                              const RunOptions &options = {});

  /// runNamed for runs that are made often (PreparedRun.h); inputs are borrowed as long as it
  /// lives. Not for models that run on tokens.
  Expected<std::unique_ptr<PreparedRun>> prepare(std::span<const NamedTensor> inputs,
                                                 const RunOptions &options = {});

  /// A stream on a schedule (Stream.h), which must not outlive the session. Unsupported for a model
  /// that keeps no states and is given no window.
  Expected<std::unique_ptr<Stream>> openStream(const StreamOptions &options);

  struct Impl;

private:
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace plexus
