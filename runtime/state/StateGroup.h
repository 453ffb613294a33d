// What every kind of state can do: the interface between sequences and their states.
#pragma once

#include "runtime/abi/Call.h"
#include "runtime/program/Program.h"
#include "runtime/state/PagePool.h"
#include "runtime/support/Status.h"

#include <cstdint>
#include <memory>
#include <span>

namespace plexus {

/// One declared state of a model that keeps rows, for all sequences of a session. Sequences and
/// snapshots are lanes, small dense numbers given out by the caller. A lane's slots [0, committed)
/// are committed rows and the next ones pending rows in the order of their drafting; the caller
/// keeps those counts, and asks canTruncate of all states before it truncates any.
///
/// Key/value pages are one kind. Recurrent states, which every token replaces, are no rows:
/// CarrySlots keeps them.
class StateGroup {
public:
  virtual ~StateGroup() = default;

  /// An empty lane. Lanes are used again after close().
  virtual void open(int lane) = 0;
  virtual void close(int lane) = 0;
  /// Makes `to`, which is open and empty, hold the committed rows of `from`; copied when written.
  virtual void share(int from, int to, int64_t committed) = 0;

  /// Makes slots [begin, end) of the lane writable and their neighbours in the same pages readable.
  virtual Status prepare(int lane, int64_t begin, int64_t end) = 0;
  /// Whether rows from `committed` on could be run after truncation to `committed` rows.
  virtual bool canTruncate(int lane, int64_t committed) const = 0;
  virtual void truncate(int lane, int64_t committed) = 0;
  /// Moves the rows in slots begin + path[i] to begin + i; path ascends.
  virtual void compact(int lane, int64_t begin, std::span<const int32_t> path) = 0;
  /// Rows [0, committed) are final: lets go of what no later row sees. `inOrder`: those that were
  /// not final before ran in one batch, in the order of their slots.
  virtual void settle(int lane, int64_t committed, bool inOrder) = 0;

  /// The lane's entry in plx_kv::pages; stays valid while the lane is open.
  virtual uint8_t *const *pages(int lane) const = 0;
  /// The same in plx_kv::sealed; null where pages are not sealed.
  virtual uint8_t *const *sealedPages(int lane) const = 0;
  /// plx_kv::layer_offset of a layer that uses the state.
  virtual int64_t layerOffset(int layer) const = 0;
  /// plx_kv of a layer, but for its pages.
  virtual plx_kv view(int layer) const = 0;
};

/// A group for the kind that `info` names. `maxRows`: slots of a lane, pending ones included.
/// Unsupported for kinds and element types that this runtime does not know.
Expected<std::unique_ptr<StateGroup>> createStateGroup(const StateInfo &info, int64_t maxRows,
                                                       StateBudget &budget);

} // namespace plexus
