// The sequences of a session: committed and pending rows, and their states.
#pragma once

#include "runtime/exec/Forward.h"
#include "runtime/state/LayerSet.h"
#include "runtime/state/StateGroup.h"

#include <memory>
#include <span>
#include <vector>

namespace plexus {

/// A row that was run and is not committed. Its slot is committed + its number.
struct PendingRow {
  int32_t parent;   ///< Number of another pending row, -1: the last committed row.
  int32_t index;    ///< Committed rows + depth below them.
  int32_t position; ///< For rope and learned positions.
  int32_t tokenType;
  int32_t seesUpTo; ///< Bidirectional: sees pending rows [0, seesUpTo); 0: its ancestors.
  LayerSet layers;  ///< Layers whose states hold the row.
  LayerSet visible; ///< Layers that hold the row and all of its pending ancestors.
};

struct Sequence {
  uint32_t generation = 1;
  bool open = false;
  int lane = 0;
  int64_t committed = 0;
  std::vector<PendingRow> pending;
  uint64_t mark = 0; ///< For the caller: the last round of work that took this sequence.
};

/// Sequences and snapshots over the states of a program. Rows of a forward request are added as
/// pending, run, and then committed, left or dropped. One thread at a time.
class SequenceStore {
public:
  /// `maxRows`: most rows of a sequence, pending ones included. Unsupported for state kinds that
  /// this runtime does not know.
  static Expected<std::unique_ptr<SequenceStore>> create(const Program &program, int64_t maxRows,
                                                         int64_t maxStateBytes);
  ~SequenceStore();

  Expected<SequenceId> open();
  Status close(SequenceId id);
  Expected<SequenceId> fork(SequenceId id);
  Status truncate(SequenceId id, int64_t length);
  Status commit(SequenceId id, std::span<const int32_t> path);
  Expected<SnapshotId> snapshot(SequenceId id);
  Status restore(SequenceId id, SnapshotId snapshot);
  Status drop(SnapshotId snapshot);

  /// NotFound unless the sequence is open; the pointer is good until the next open or fork.
  Expected<Sequence *> find(SequenceId id);
  Expected<const Sequence *> find(SequenceId id) const;

  /// Makes the slots of pending rows [first, pending) writable.
  Status prepare(Sequence &sequence, size_t first);
  /// Commits all pending rows, which are a chain that ran through every layer, where they are.
  void commitChain(Sequence &sequence);
  /// Drops pending rows from number `count` on.
  void dropPending(Sequence &sequence, size_t count);
  /// Truncates committed rows when every state can, else NotKept; pending rows are dropped.
  Status truncateCommitted(Sequence &sequence, int64_t committed);

  int64_t maxRows() const { return maxRows_; }
  std::span<const std::unique_ptr<StateGroup>> groups() const { return groups_; }
  /// Layers that have a state: what a row must have run through to be committed.
  const LayerSet &stateLayers() const { return stateLayers_; }

private:
  SequenceStore() = default;
  struct Snapshot {
    uint32_t generation = 1;
    bool open = false;
    int lane = 0;
    int64_t committed = 0;
  };
  int takeLane();
  void returnLane(int lane);
  Sequence &newSequence(SequenceId &id);
  Status refusePending(const Sequence &sequence, std::string_view what) const;
  void settle(Sequence &sequence);

  int64_t maxRows_ = 0;
  StateBudget budget_;
  LayerSet stateLayers_;
  std::vector<std::unique_ptr<StateGroup>> groups_;
  std::vector<std::string> groupNames_;
  std::vector<Sequence> sequences_;
  std::vector<Snapshot> snapshots_;
  std::vector<int> freeLanes_;
  int lanes_ = 0;
};

} // namespace plexus
