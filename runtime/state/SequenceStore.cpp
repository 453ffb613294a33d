// Ids with generations, lanes, and the rules of commit, truncate, fork and snapshot.
#include "runtime/state/SequenceStore.h"

namespace plexus {
namespace {

/// Spare pages behind the last row are kept for the next drafts; more than this many rows are not.
constexpr int64_t kSpareRows = 4 * PLX_PAGE_TOKENS;

template <typename Id>
Id makeId(size_t index, uint32_t generation) {
  return static_cast<Id>(uint64_t(generation) << 32 | (index + 1));
}

/// The open entry of `table` that `id` names, or null.
template <typename Table, typename Id>
auto *lookUp(Table &table, Id id) {
  uint64_t bits = static_cast<uint64_t>(id);
  size_t index = (bits & 0xffffffff) - 1;
  bool known = index < table.size() && table[index].open && table[index].generation == bits >> 32;
  return known ? &table[index] : nullptr;
}

/// The first closed entry, appended where there is none.
template <typename Table>
size_t freeEntry(Table &table) {
  for (size_t i = 0; i < table.size(); ++i)
    if (!table[i].open)
      return i;
  table.emplace_back();
  return table.size() - 1;
}

Status noSequence() { return Status(Code::NotFound, "no open sequence has this id"); }
Status noSnapshot() { return Status(Code::NotFound, "no snapshot has this id"); }

} // namespace

Expected<std::unique_ptr<SequenceStore>>
SequenceStore::create(const Program &program, int64_t maxRows, int64_t maxStateBytes) {
  std::unique_ptr<SequenceStore> store(new SequenceStore());
  store->maxRows_ = maxRows;
  store->budget_.limit = maxStateBytes;
  if (program.carryBytes() > 0) {
    PLX_ASSIGN(store->carries_, CarrySlots::create(program, store->budget_));
  }
  for (const StateInfo &info : program.states) {
    store->groupNames_.push_back(info.name);
    if (info.kind == StateKind::Replace) {
      store->groups_.push_back(nullptr);
      continue;
    }
    PLX_ASSIGN(auto group, createStateGroup(info, maxRows, store->budget_));
    store->groups_.push_back(std::move(group));
    for (int layer : info.layers)
      if (layer >= 0)
        store->stateLayers_.insert(layer);
  }
  return store;
}

SequenceStore::~SequenceStore() {
  if (!carries_)
    return;
  for (Sequence &sequence : sequences_) {
    for (PendingRow &row : sequence.pending)
      carries_->release(row.carry);
    carries_->release(sequence.carry);
  }
  for (Snapshot &snapshot : snapshots_)
    carries_->release(snapshot.carry);
}

void SequenceStore::setCarry(uint8_t *&place, uint8_t *carry) {
  if (!carries_)
    return;
  uint8_t *before = place;
  place = carry ? CarrySlots::retain(carry) : nullptr;
  carries_->release(before);
}

int SequenceStore::takeLane() {
  int lane = lanes_;
  if (freeLanes_.empty()) {
    ++lanes_;
  } else {
    lane = freeLanes_.back();
    freeLanes_.pop_back();
  }
  eachGroup([&](StateGroup &group) { group.open(lane); });
  return lane;
}

void SequenceStore::returnLane(int lane) {
  eachGroup([&](StateGroup &group) { group.close(lane); });
  freeLanes_.push_back(lane);
}

Sequence &SequenceStore::newSequence(SequenceId &id) {
  size_t index = freeEntry(sequences_);
  Sequence &sequence = sequences_[index];
  sequence.open = true;
  sequence.lane = takeLane();
  sequence.committed = 0;
  sequence.pending.clear();
  sequence.mark = 0;
  id = makeId<SequenceId>(index, sequence.generation);
  return sequence;
}

Expected<SequenceId> SequenceStore::open() {
  SequenceId id;
  Sequence &sequence = newSequence(id);
  if (carries_)
    sequence.carry = carries_->fresh();
  return id;
}

Expected<Sequence *> SequenceStore::find(SequenceId id) {
  if (Sequence *sequence = lookUp(sequences_, id))
    return sequence;
  return noSequence();
}

Expected<const Sequence *> SequenceStore::find(SequenceId id) const {
  if (const Sequence *sequence = lookUp(sequences_, id))
    return sequence;
  return noSequence();
}

Status SequenceStore::refusePending(const Sequence &sequence, std::string_view what) const {
  if (sequence.pending.empty())
    return Status::ok();
  return error(Code::InvalidArgument)
         << what << " while " << sequence.pending.size() << " rows are pending: commit a path or "
         << "truncate them first";
}

Status SequenceStore::close(SequenceId id) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  PLX_RETURN_IF_ERROR(refusePending(*sequence, "close"));
  returnLane(sequence->lane);
  setCarry(sequence->carry, nullptr);
  sequence->open = false;
  ++sequence->generation;
  return Status::ok();
}

Expected<SequenceId> SequenceStore::fork(SequenceId id) {
  PLX_ASSIGN(Sequence * source, find(id));
  PLX_RETURN_IF_ERROR(refusePending(*source, "fork"));
  size_t sourceIndex = static_cast<size_t>(source - sequences_.data());
  SequenceId copyId;
  Sequence &copy = newSequence(copyId);
  const Sequence &original = sequences_[sourceIndex]; // newSequence may have moved the table.
  copy.committed = original.committed;
  setCarry(copy.carry, original.carry);
  eachGroup([&](StateGroup &group) { group.share(original.lane, copy.lane, original.committed); });
  return copyId;
}

Status SequenceStore::truncateCommitted(Sequence &sequence, int64_t committed, uint8_t *carry) {
  if (carries_ && committed < sequence.committed && committed > 0 && !carry)
    return error(Code::NotKept) << "cannot go back from " << sequence.committed << " to "
                                << committed
                                << " rows: the recurrent states are kept behind the last committed "
                                   "row alone; draft rows "
                                << "before they are committed, or take snapshots and restore them";
  for (size_t g = 0; g < groups_.size(); ++g)
    if (groups_[g] && !groups_[g]->canTruncate(sequence.lane, committed))
      return error(Code::NotKept)
             << "cannot go back from " << sequence.committed << " to " << committed
             << " rows: the window of state " << groupNames_[g]
             << " has dropped rows that the next one would see; take snapshots";
  dropPending(sequence, 0);
  eachGroup([&](StateGroup &group) { group.truncate(sequence.lane, committed); });
  if (carries_ && committed < sequence.committed) {
    uint8_t *zeros = committed == 0 ? carries_->fresh() : nullptr;
    setCarry(sequence.carry, zeros ? zeros : carry);
    carries_->release(zeros);
  }
  sequence.committed = committed;
  return Status::ok();
}

Status SequenceStore::truncate(SequenceId id, int64_t length) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  int64_t rows = sequence->committed + static_cast<int64_t>(sequence->pending.size());
  if (length < 0 || length > rows)
    return error(Code::InvalidArgument)
           << "truncate to " << length << " rows: the sequence has " << rows;
  if (length >= sequence->committed) {
    dropPending(*sequence, static_cast<size_t>(length - sequence->committed));
    return Status::ok();
  }
  return truncateCommitted(*sequence, length);
}

void SequenceStore::dropPending(Sequence &sequence, size_t count) {
  int64_t dropped = static_cast<int64_t>(sequence.pending.size() - count);
  for (size_t i = count; i < sequence.pending.size(); ++i)
    setCarry(sequence.pending[i].carry, nullptr);
  sequence.pending.resize(count);
  if (dropped > kSpareRows)
    eachGroup([&](StateGroup &group) {
      group.truncate(sequence.lane, sequence.committed + static_cast<int64_t>(count));
    });
}

Status SequenceStore::commit(SequenceId id, std::span<const int32_t> path) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  std::vector<PendingRow> &pending = sequence->pending;
  int32_t before = -1;
  for (int32_t row : path) {
    if (row < 0 || static_cast<size_t>(row) >= pending.size())
      return error(Code::InvalidArgument)
             << "commit: row " << row << " is not pending (" << pending.size() << " rows are)";
    if (pending[row].parent != before)
      return error(Code::InvalidArgument)
             << "commit: row " << row << " follows row " << pending[row].parent << ", not row "
             << before << " as the path has it";
    before = row;
  }
  int missing = path.empty() ? -1 : stateLayers_.firstMissingIn(pending[before].visible);
  if (missing >= 0)
    return error(Code::InvalidArgument)
           << "commit: layer " << missing << " has not seen row " << before
           << " or a row before it: run them through the layers that they skipped first";
  eachGroup([&](StateGroup &group) { group.compact(sequence->lane, sequence->committed, path); });
  if (!path.empty())
    setCarry(sequence->carry, sequence->carryBehind(before));
  sequence->committed += static_cast<int64_t>(path.size());
  dropPending(*sequence, 0);
  settle(*sequence, /*inOrder=*/false);
  return Status::ok();
}

void SequenceStore::commitChain(Sequence &sequence) {
  if (!sequence.pending.empty())
    setCarry(sequence.carry, sequence.pending.back().carry);
  int64_t rows = static_cast<int64_t>(sequence.pending.size());
  for (PendingRow &row : sequence.pending)
    setCarry(row.carry, nullptr);
  sequence.committed += rows;
  sequence.pending.clear();
  settle(sequence, /*inOrder=*/true);
}

void SequenceStore::settle(Sequence &sequence, bool inOrder) {
  eachGroup([&](StateGroup &group) { group.settle(sequence.lane, sequence.committed, inOrder); });
}

Status SequenceStore::prepare(Sequence &sequence, size_t first, bool everyRow) {
  int64_t begin = sequence.committed + static_cast<int64_t>(first);
  int64_t end = sequence.committed + static_cast<int64_t>(sequence.pending.size());
  for (auto &group : groups_)
    if (group)
      PLX_RETURN_IF_ERROR(group->prepare(sequence.lane, begin, end));
  std::vector<PendingRow> &pending = sequence.pending;
  for (size_t i = first; carries_ && i < pending.size(); ++i) {
    if (!everyRow && i + 1 < pending.size())
      continue;
    PLX_ASSIGN(uint8_t *slot, carries_->take());
    carries_->copySkipped(sequence.carryBehind(pending[i].parent), slot, pending[i].layers);
    pending[i].carry = slot;
  }
  return Status::ok();
}

Expected<uint8_t *> SequenceStore::ownCarry(Sequence &sequence) {
  PLX_ASSIGN(uint8_t *slot, carries_->take());
  carries_->copySkipped(sequence.carry, slot, LayerSet());
  carries_->release(sequence.carry);
  return sequence.carry = slot;
}

void SequenceStore::inheritSkipped(Sequence &sequence) {
  if (!carries_)
    return;
  for (PendingRow &row : sequence.pending)
    if (row.carry)
      carries_->copySkipped(sequence.carryBehind(row.parent), row.carry, row.layers);
}

Expected<SnapshotId> SequenceStore::snapshot(SequenceId id) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  PLX_RETURN_IF_ERROR(refusePending(*sequence, "snapshot"));
  size_t index = freeEntry(snapshots_);
  Snapshot &snapshot = snapshots_[index];
  snapshot.open = true;
  snapshot.lane = takeLane();
  snapshot.committed = sequence->committed;
  setCarry(snapshot.carry, sequence->carry);
  eachGroup(
      [&](StateGroup &group) { group.share(sequence->lane, snapshot.lane, sequence->committed); });
  return makeId<SnapshotId>(index, snapshot.generation);
}

Status SequenceStore::restore(SequenceId id, SnapshotId snapshotId) {
  PLX_ASSIGN(Sequence * sequence, find(id));
  Snapshot *snapshot = lookUp(snapshots_, snapshotId);
  if (!snapshot)
    return noSnapshot();
  dropPending(*sequence, 0);
  setCarry(sequence->carry, snapshot->carry);
  eachGroup([&](StateGroup &group) {
    group.close(sequence->lane);
    group.share(snapshot->lane, sequence->lane, snapshot->committed);
  });
  sequence->committed = snapshot->committed;
  return Status::ok();
}

Status SequenceStore::drop(SnapshotId id) {
  Snapshot *snapshot = lookUp(snapshots_, id);
  if (!snapshot)
    return noSnapshot();
  returnLane(snapshot->lane);
  setCarry(snapshot->carry, nullptr);
  snapshot->open = false;
  ++snapshot->generation;
  return Status::ok();
}

} // namespace plexus
