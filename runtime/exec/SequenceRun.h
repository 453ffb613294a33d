// Runs of schedules on named tensors other than tokens: sequences of samples or frames, and graphs.
#pragma once

#include "runtime/exec/PortLayout.h"
#include "runtime/exec/SessionImpl.h"

#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace plexus {

/// Fresh sequences that are closed again whatever happens.
class OpenSequences {
public:
  OpenSequences(SequenceStore &store, int64_t count) : store_(store) {
    for (int64_t i = 0; i < count; ++i)
      ids.push_back(*store.open());
  }
  ~OpenSequences() {
    for (SequenceId id : ids)
      if (auto sequence = store_.find(id)) {
        store_.dropPending(**sequence, 0);
        (void)store_.close(id);
      }
  }
  OpenSequences(const OpenSequences &) = delete;
  OpenSequences(OpenSequences &&other) : ids(std::move(other.ids)), store_(other.store_) {
    other.ids.clear();
  }
  std::vector<SequenceId> ids;

private:
  SequenceStore &store_;
};

/// One call: bind, want, then feed ranges of rows in order, and take the outputs. Sequences are the
/// caller's, so that a stream keeps them from call to call. In a graph all rows are one sequence.
class SequenceRun {
public:
  /// `frames`: instead of the schedule's own (streams of windows); size 0: those.
  SequenceRun(Session::Impl &session, int schedule, const Framing &frames = {});

  /// Inputs of the schedule, ports of states and "lengths", all by name; nothing else is allowed.
  /// `maybeEmpty`: samples may be fewer than a frame.
  Status bind(std::span<const NamedTensor> inputs, const RunOptions &options,
              bool maybeEmpty = false);
  /// Sequences that the run needs, after bind.
  int64_t sequences() const { return graph_ ? 1 : std::max<int64_t>(sizes_.batch, 1); }
  int64_t samples() const { return std::max<int64_t>(sizes_.samples, 1); }
  /// Rows that all samples together give.
  int64_t rows() const;
  /// Rows that are there when the first `samples` are.
  int64_t rowsOf(int64_t samples) const;
  /// Outputs asked for; empty: all that there are.
  Status want(const std::vector<std::string> &names);
  /// Puts given initial states into fresh sequences.
  Status setStates(std::span<const SequenceId> ids);
  /// Runs rows [begin, end) of every sequence that has them.
  Status feed(std::span<const SequenceId> ids, int64_t begin, int64_t end);
  /// Reads the final states that are wanted.
  Status readStates(std::span<const SequenceId> ids);
  /// In the order of the wants; they share the memory that feed and readStates write.
  std::vector<NamedTensor> outputs() const;
  Status checkNan() const;

  const Schedule &schedule() const { return schedule_; }

private:
  struct Output {
    WantTarget target;
    BoundOutput bound;
  };
  struct Lane {
    int64_t b = 0, begin = 0, end = 0;
  };
  int64_t samplesOf(int64_t b) const;
  Status bindOne(const std::string &name, const ValueType &type,
                 std::span<const NamedTensor> inputs);
  Status fillOne(BoundInput &input);
  Status bindLengths(const Tensor &lengths);
  Status checkNames(std::span<const NamedTensor> inputs) const;
  Status checkWhole(bool inPieces) const;
  Status addLanes(std::span<const SequenceId> ids, int64_t begin, int64_t end);
  Expected<const void *> gatherWhole(size_t input);
  Status gatherInputs(const plx_batch &built);
  void scatterOutputs(const plx_batch &built);

  Session::Impl &session_;
  int index_;
  Schedule schedule_; ///< The program's, with the frames of this run.
  bool graph_;
  RunSizes sizes_;
  OptionValues options_;
  std::vector<BoundInput> inputs_;
  std::vector<int64_t> lengths_;                   ///< [b], empty: all are whole.
  std::vector<std::pair<size_t, Tensor>> initial_; ///< Of states, by index.
  std::vector<std::pair<size_t, Tensor>> finals_;  ///< States whose final values are wanted.
  std::vector<std::string> names_;                 ///< Of the outputs, then of the final states.
  std::vector<Output> outputs_;
  std::vector<Lane> lanes_;
  PlanKey key_;
  std::vector<std::vector<uint32_t>> buffers_; ///< [input]
  /// [input] of those without rows: their padding is zeros from the beginning, so that the memory
  /// of a large one that is mostly empty is never touched.
  struct Free {
    void operator()(void *memory) const { std::free(memory); }
  };
  std::vector<std::unique_ptr<uint32_t, Free>> wholes_;
  std::vector<const void *> pointers_; ///< [input]
};

/// The schedule for these options: "forward:subject=1" goes before "forward" where subject is 1.
/// NotFound with the names that there are.
Expected<int> findSchedule(const Program &program, const RunOptions &options);

/// The pieces in which `total` is fed: those of the options, or all of it at once. `what` names the
/// units ("columns").
Expected<std::vector<int64_t>> piecesOf(const RunOptions &options, int64_t total,
                                        std::string_view what);

} // namespace plexus
