// Rows in order, and bitmaps where a chain does not say who sees whom.
#include "runtime/exec/Batch.h"

#include <algorithm>

namespace plexus {

void BatchBuilder::clear() {
  sequences_.clear();
  for (auto *list : {&sequence_, &position_, &index_, &slot_, &tokenBegin_, &past_, &outputRow_,
                     &pendingIndex_, &pendingBegin_, &tokenType_, &ids_, &numbers_, &outputPlace_})
    list->clear();
  wanted_.clear();
  tree_ = anyTokenType_ = false;
}

bool BatchBuilder::needsTree(const Sequence &sequence, int32_t lastNumber) const {
  for (int32_t i = 0; i <= lastNumber; ++i) {
    const PendingRow &row = sequence.pending[i];
    bool seesBlock = row.seesUpTo > 0;
    if (row.parent != i - 1 || (seesBlock && causal_))
      return true;
  }
  return false;
}

int64_t BatchBuilder::add(const Sequence &sequence, std::span<const int32_t> numbers,
                          std::span<const int32_t> ids) {
  int64_t first = tokens();
  int32_t place = static_cast<int32_t>(sequences_.size());
  sequences_.push_back(&sequence);
  tokenBegin_.push_back(static_cast<int32_t>(first));
  past_.push_back(static_cast<int32_t>(sequence.committed));
  for (int32_t number : numbers) {
    const PendingRow &row = sequence.pending[number];
    sequence_.push_back(place);
    position_.push_back(row.position);
    index_.push_back(row.index);
    slot_.push_back(static_cast<int32_t>(sequence.committed) + number);
    tokenType_.push_back(row.tokenType);
    anyTokenType_ |= row.tokenType != 0;
  }
  numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  wanted_.resize(position_.size(), 0);
  tree_ |= needsTree(sequence, numbers.back());
  return first;
}

const plx_batch &BatchBuilder::finish() {
  outputPlace_.resize(wanted_.size());
  for (size_t t = 0; t < wanted_.size(); ++t) {
    outputPlace_[t] = static_cast<int32_t>(outputRow_.size());
    if (wanted_[t])
      outputRow_.push_back(static_cast<int32_t>(t));
  }
  tokenBegin_.push_back(static_cast<int32_t>(tokens()));
  batch_ = {};
  for (const Sequence *sequence : sequences_)
    batch_.context = std::max(batch_.context,
                              sequence->committed + static_cast<int64_t>(sequence->pending.size()));
  batch_.tokens = tokens();
  batch_.sequences = static_cast<int64_t>(sequences_.size());
  batch_.outputs = static_cast<int64_t>(outputRow_.size());
  batch_.sequence = sequence_.data();
  batch_.position = position_.data();
  batch_.index = index_.data();
  batch_.slot = slot_.data();
  batch_.token_begin = tokenBegin_.data();
  batch_.past = past_.data();
  batch_.output_row = outputRow_.data();
  batch_.token_type = anyTokenType_ ? tokenType_.data() : nullptr;
  if (tree_)
    fillTree();
  if (!sequences_.empty() && sequences_.front()->carry)
    fillCarry();
  return batch_;
}

/// A row goes on from the token before it where that is its parent, otherwise from a slot.
void BatchBuilder::fillCarry() {
  carryFrom_.assign(wanted_.size(), nullptr);
  carryTo_.assign(wanted_.size(), nullptr);
  for (size_t t = 0; t < wanted_.size(); ++t) {
    const Sequence &sequence = *sequences_[sequence_[t]];
    const PendingRow &row = sequence.pending[numbers_[t]];
    bool first = t == static_cast<size_t>(tokenBegin_[sequence_[t]]);
    if (first || row.parent != numbers_[t - 1])
      carryFrom_[t] = sequence.carryBehind(row.parent);
    carryTo_[t] = row.carry;
  }
  batch_.carry_from = carryFrom_.data();
  batch_.carry_to = carryTo_.data();
}

void BatchBuilder::fillTree() {
  size_t most = 0;
  for (const Sequence *sequence : sequences_) {
    pendingBegin_.push_back(static_cast<int32_t>(pendingIndex_.size()));
    for (const PendingRow &row : sequence->pending)
      pendingIndex_.push_back(row.index);
    most = std::max(most, sequence->pending.size());
  }
  pendingBegin_.push_back(static_cast<int32_t>(pendingIndex_.size()));
  size_t words = (most + 63) / 64;
  treeBits_.assign(words * wanted_.size(), 0);
  for (size_t t = 0; t < wanted_.size(); ++t)
    setVisible(*sequences_[sequence_[t]], numbers_[t], treeBits_.data() + t * words);
  batch_.tree = treeBits_.data();
  batch_.tree_words = static_cast<int64_t>(words);
  batch_.pending_index = pendingIndex_.data();
  batch_.pending_begin = pendingBegin_.data();
}

void BatchBuilder::setVisible(const Sequence &sequence, int32_t number, uint64_t *bits) const {
  auto set = [&](int32_t j) { bits[j / 64] |= uint64_t(1) << (j % 64); };
  for (; number >= 0; number = sequence.pending[number].parent) {
    set(number);
    int32_t block = sequence.pending[number].seesUpTo;
    for (int32_t j = 0; j < block; ++j)
      set(j);
    if (block > 0)
      return;
  }
}

} // namespace plexus
