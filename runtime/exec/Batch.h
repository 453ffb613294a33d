// Builds the ragged batch of a run from pending rows of sequences.
#pragma once

#include "runtime/abi/Call.h"
#include "runtime/state/SequenceStore.h"

#include <cstdint>
#include <span>
#include <vector>

namespace plexus {

/// Use: clear, add for each sequence, wantRow, finish. The arrays keep their room between runs.
class BatchBuilder {
public:
  /// `causal`: attention sees earlier slots by itself; otherwise all slots of the batch, so that
  /// rows that see each other need no bitmap.
  explicit BatchBuilder(bool causal) : causal_(causal) {}

  void clear();
  /// Adds the pending rows `numbers` (ascending) of a sequence that is not in the batch yet, with
  /// their token ids, or without where hidden rows enter. Returns the first token's row.
  int64_t add(const Sequence &sequence, std::span<const int32_t> numbers,
              std::span<const int32_t> ids);
  /// Rows with outputs; in any order, several times is once.
  void wantRow(int64_t token) { wanted_[token] = 1; }
  /// The batch; valid until clear().
  const plx_batch &finish();

  int64_t tokens() const { return static_cast<int64_t>(position_.size()); }
  const int32_t *ids() const { return ids_.data(); }
  std::span<const Sequence *const> sequences() const { return sequences_; }
  /// After finish: the place of a wanted token among the output rows.
  int64_t outputOf(int64_t token) const { return outputPlace_[token]; }
  int64_t sequenceOf(int64_t token) const { return sequence_[token]; }

private:
  bool needsTree(const Sequence &sequence, int32_t lastNumber) const;
  void fillTree();
  void fillCarry();
  void setVisible(const Sequence &sequence, int32_t number, uint64_t *bits) const;

  bool causal_;
  bool tree_ = false;
  plx_batch batch_{};
  std::vector<const Sequence *> sequences_;
  std::vector<int32_t> sequence_, position_, index_, slot_, tokenBegin_, past_, outputRow_;
  std::vector<int32_t> pendingIndex_, pendingBegin_, tokenType_, ids_, numbers_, outputPlace_;
  std::vector<uint8_t> wanted_;
  std::vector<uint64_t> treeBits_;
  std::vector<const uint8_t *> carryFrom_;
  std::vector<uint8_t *> carryTo_;
  bool anyTokenType_ = false;
};

} // namespace plexus
