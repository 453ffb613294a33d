// Ragged batches with their keys and values, for tests of attention.
#ifndef PLEXUS_TESTS_UNIT_EMIT_BATCHES_H
#define PLEXUS_TESTS_UNIT_EMIT_BATCHES_H

#include "passes/lower/cpu/emit/Attention.h"
#include "runtime/abi/Call.h"
#include <cmath>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

namespace plexus::emit::test {

inline std::vector<float> randomFloats(size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(size);
  for (float &value : values)
    value = normal(generator);
  return values;
}

/// The nearest bf16, ties to even.
inline float nearestBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  std::memcpy(&value, &bits, 4);
  return value;
}

/// All keys and values of one sequence, by slot: those of a state of bf16 as it keeps them.
struct History {
  AttentionSpec spec;
  std::vector<float> keys, values;

  History(const AttentionSpec &spec, int64_t slots, unsigned seed)
      : spec(spec), keys(randomFloats(slots * spec.kvHeads * spec.keyDim, seed)),
        values(randomFloats(slots * spec.kvHeads * spec.valueDim, seed + 1)) {
    if (spec.form == KvForm::BF16)
      for (std::vector<float> *all : {&keys, &values})
        for (float &value : *all)
          value = nearestBf16(value);
  }
  const float *key(int64_t slot, int64_t head) const {
    return &keys[(slot * spec.kvHeads + head) * spec.keyDim];
  }
  const float *value(int64_t slot, int64_t head) const {
    return &values[(slot * spec.kvHeads + head) * spec.valueDim];
  }
};

/// A ragged batch. Rows of its new keys and values, and pages not yet written, are padded with NaN,
/// so that a read of what must not be read shows.
class Batch {
public:
  struct Part {
    int64_t past, count; ///< committed slots and tokens of one sequence
    unsigned seed = 0;   ///< 0: its number in the batch
    bool operator==(const Part &) const = default;
  };

  Batch(const AttentionSpec &spec, std::vector<Part> parts, bool hasState, bool tree)
      : spec(spec), parts(parts), hasState(hasState), hasTree(tree) {
    begins.push_back(0);
    for (size_t s = 0; s < parts.size(); ++s)
      addPart(s);
    fillNew();
    if (hasState)
      fillPages();
  }

  int64_t tokens() const { return static_cast<int64_t>(slots.size()); }
  int64_t sequences() const { return static_cast<int64_t>(parts.size()); }
  const History &history(int64_t token) const { return histories[sequenceOf[token]]; }
  const std::vector<float> &newKeys() const { return keys; }
  const std::vector<float> &newValues() const { return values; }
  int64_t keyStride() const { return spec.kvHeads * spec.keyDim + 3; }
  int64_t valueStride() const { return spec.kvHeads * spec.valueDim + 1; }

  /// Sequence s as a batch of its own.
  Batch only(size_t s) const { return Batch(spec, {parts[s]}, hasState, hasTree); }
  /// The only sequence's tokens from `begin` on, those before being committed.
  Batch tail(int64_t begin) const {
    Part part = parts[0];
    part.past += begin, part.count -= begin;
    return Batch(spec, {part}, hasState, hasTree);
  }

  plx_batch view() const {
    plx_batch batch = {};
    batch.tokens = tokens();
    batch.sequences = sequences();
    for (const Part &part : parts)
      batch.context = std::max(batch.context, part.past + part.count);
    batch.sequence = sequenceOf.data();
    batch.position = indices.data();
    batch.index = indices.data();
    batch.slot = slots.data();
    batch.token_begin = begins.data();
    batch.past = past.data();
    if (hasTree) {
      batch.tree = bits.data();
      batch.tree_words = kWords;
      batch.pending_index = indices.data();
      batch.pending_begin = begins.data();
    }
    return batch;
  }

  plx_kv pages() const { return {tables.data(), kLayerOffset, nullptr, 0, nullptr, nullptr}; }

  /// Which slots of its sequence a token sees.
  std::vector<bool> visible(int64_t token, bool causal, int64_t window) const {
    int64_t s = sequenceOf[token], committed = past[s];
    std::vector<bool> sees(committed + parts[s].count);
    for (size_t slot = 0; slot < sees.size(); ++slot) {
      int64_t pending = static_cast<int64_t>(slot) - committed, index = slot;
      bool seen = true;
      if (pending >= 0) {
        index = indices[begins[s] + pending];
        if (causal)
          seen = hasTree ? bits[token * kWords + pending / 64] >> pending % 64 & 1
                         : static_cast<int64_t>(slot) <= slots[token];
      }
      sees[slot] = seen && (window == 0 || indices[token] - index < window);
    }
    return sees;
  }

private:
  static constexpr int64_t kWords = 2, kLayerOffset = 192;

  void addPart(size_t s) {
    Part &part = parts[s];
    if (part.seed == 0)
      part.seed = 1000 + 10 * static_cast<unsigned>(s);
    histories.emplace_back(spec, part.past + part.count, part.seed);
    past.push_back(part.past);
    std::mt19937 generator(part.seed);
    int64_t first = tokens();
    for (int64_t i = 0; i < part.count; ++i) {
      sequenceOf.push_back(static_cast<int32_t>(s));
      slots.push_back(part.past + i);
      // In a tree, the parent is one of the last few tokens, or what is committed.
      int64_t parent = i - 1;
      if (hasTree)
        parent = std::max<int64_t>(-1, i - 1 - static_cast<int64_t>(generator() % 4));
      indices.push_back(parent < 0 ? part.past : indices[first + parent] + 1);
      std::vector<uint64_t> row(kWords);
      if (parent >= 0)
        row.assign(bits.begin() + (first + parent) * kWords,
                   bits.begin() + (first + parent + 1) * kWords);
      if (i < kWords * 64)
        row[i / 64] |= uint64_t(1) << i % 64;
      bits.insert(bits.end(), row.begin(), row.end());
    }
    begins.push_back(tokens());
  }

  void fillNew() {
    keys.assign(tokens() * keyStride(), NAN);
    values.assign(tokens() * valueStride(), NAN);
    for (int64_t t = 0; t < tokens(); ++t) {
      const History &own = history(t);
      std::copy_n(own.key(slots[t], 0), spec.kvHeads * spec.keyDim, &keys[t * keyStride()]);
      std::copy_n(own.value(slots[t], 0), spec.kvHeads * spec.valueDim, &values[t * valueStride()]);
    }
  }

  /// Writes `value` to entry `d` of a slot in a part of a page whose first byte is `part`.
  static void put(uint8_t *part, const KvPartLayout &layout, bool keys, int64_t head, int64_t slot,
                  int64_t d, float value) {
    int64_t dim = layout.paddedDim();
    if (layout.form == KvForm::F32) {
      int64_t place = keys ? (head * dim + d) * 32 + slot : (head * 32 + slot) * dim + d;
      std::memcpy(part + place * 4, &value, 4);
      return;
    }
    int64_t place = keys ? ((head * dim + d) / 2 * 32 + slot) * 2 + d % 2
                         : ((head * 32 + slot) / 2 * dim + d) * 2 + slot % 2;
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    uint16_t half = bits >> 16;
    std::memcpy(part + place * 2, &half, 2);
  }

  void fillPages() {
    KvPartLayout keyPart = spec.keys(), valuePart = spec.values();
    int64_t bytes = kLayerOffset + keyPart.bytes() + valuePart.bytes();
    for (int64_t s = 0; s < sequences(); ++s) {
      std::vector<uint8_t *> table;
      int64_t all = past[s] + parts[s].count;
      for (int64_t page = 0; page * 32 < all; ++page) {
        bool leftBehind =
            spec.window > 0 && page * 32 + 31 < past[s] && page * 32 + 31 <= past[s] - spec.window;
        if (leftBehind) {
          table.push_back(nullptr);
          continue;
        }
        memory.emplace_back(bytes / 4, NAN);
        uint8_t *k = reinterpret_cast<uint8_t *>(memory.back().data()) + kLayerOffset;
        for (int64_t slot = page * 32; slot < std::min<int64_t>(past[s], page * 32 + 32); ++slot)
          for (int64_t h = 0; h < spec.kvHeads; ++h) {
            for (int64_t d = 0; d < keyPart.paddedDim(); ++d)
              put(k, keyPart, true, h, slot % 32, d,
                  d < spec.keyDim ? histories[s].key(slot, h)[d] : 0);
            for (int64_t d = 0; d < spec.valueDim; ++d)
              put(k + keyPart.bytes(), valuePart, false, h, slot % 32, d,
                  histories[s].value(slot, h)[d]);
          }
        table.push_back(reinterpret_cast<uint8_t *>(memory.back().data()));
      }
      pageLists.push_back(std::move(table));
    }
    for (const std::vector<uint8_t *> &list : pageLists)
      tables.push_back(list.data());
  }

  AttentionSpec spec;
  std::vector<Part> parts;
  bool hasState, hasTree;
  std::deque<History> histories;
  std::vector<int32_t> sequenceOf, slots, indices, begins, past;
  std::vector<uint64_t> bits;
  std::vector<float> keys, values;
  std::deque<std::vector<float>> memory;
  std::deque<std::vector<uint8_t *>> pageLists;
  std::vector<uint8_t *const *> tables;
};

} // namespace plexus::emit::test

#endif // PLEXUS_TESTS_UNIT_EMIT_BATCHES_H
