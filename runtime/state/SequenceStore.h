// The sequences of a session: committed and pending rows, and their states.
#pragma once

#include "runtime/exec/Forward.h"
#include "runtime/state/CarrySlots.h"
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
  /// The recurrent states behind the row; null where nothing goes on from it but the next row of
  /// its run, or where the model has none.
  uint8_t *carry = nullptr;
};

struct Sequence {
  uint32_t generation = 1;
  bool open = false;
  int lane = 0;
  int64_t committed = 0;
  std::vector<PendingRow> pending;
  uint64_t mark = 0;        ///< For the caller: the last round of work that took this sequence.
  uint8_t *carry = nullptr; ///< The recurrent states behind the last committed row, if any.

  /// The recurrent states that a row with that parent starts from.
  uint8_t *carryBehind(int32_t parent) const {
    while (parent >= 0 && !pending[parent].carry)
      parent = pending[parent].parent;
    return parent < 0 ? carry : pending[parent].carry;
  }
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

  /// Makes the slots of pending rows [first, pending) writable. Recurrent states are kept behind
  /// the last of them, or behind all (`everyRow`), so that others can start there.
  Status prepare(Sequence &sequence, size_t first, bool everyRow);
  /// Commits all pending rows, which are a chain that ran through every layer, where they are.
  void commitChain(Sequence &sequence);
  /// Drops pending rows from number `count` on.
  void dropPending(Sequence &sequence, size_t count);
  /// Truncates committed rows when every state can, else NotKept; pending rows are dropped.
  /// `carry`: the recurrent states behind row `committed`, where the caller kept them.
  Status truncateCommitted(Sequence &sequence, int64_t committed, uint8_t *carry = nullptr);
  /// Gives recurrent states of layers that pending rows did not run through the values of their
  /// parents.
  void inheritSkipped(Sequence &sequence);

  /// Replaces the recurrent states of a sequence without pending rows by a copy that only it holds,
  /// to be written.
  Expected<uint8_t *> ownCarry(Sequence &sequence);

  int64_t maxRows() const { return maxRows_; }
  /// [state of the program]; null for recurrent ones.
  std::span<const std::unique_ptr<StateGroup>> groups() const { return groups_; }
  /// Null where the program has no recurrent states.
  CarrySlots *carries() const { return carries_.get(); }
  /// Layers whose states keep rows: what a row must have run through to be committed.
  const LayerSet &stateLayers() const { return stateLayers_; }

private:
  SequenceStore() = default;
  struct Snapshot {
    uint32_t generation = 1;
    bool open = false;
    int lane = 0;
    int64_t committed = 0;
    uint8_t *carry = nullptr;
  };
  /// The groups that keep rows.
  template <typename Fn>
  void eachGroup(Fn fn) {
    for (auto &group : groups_)
      if (group)
        fn(*group);
  }
  /// Makes `place` hold `carry`, which gets one more reference.
  void setCarry(uint8_t *&place, uint8_t *carry);
  int takeLane();
  void returnLane(int lane);
  Sequence &newSequence(SequenceId &id);
  Status refusePending(const Sequence &sequence, std::string_view what) const;
  void settle(Sequence &sequence, bool inOrder);

  int64_t maxRows_ = 0;
  StateBudget budget_;
  LayerSet stateLayers_;
  std::vector<std::unique_ptr<StateGroup>> groups_;
  std::vector<std::string> groupNames_;
  std::unique_ptr<CarrySlots> carries_;
  std::vector<Sequence> sequences_;
  std::vector<Snapshot> snapshots_;
  std::vector<int> freeLanes_;
  int lanes_ = 0;
};

} // namespace plexus
