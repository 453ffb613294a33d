// A set of layers: which layers' states hold a row.
#pragma once

#include <array>
#include <cstdint>

namespace plexus {

class LayerSet {
public:
  /// Models with more layers are refused when they are bound.
  static constexpr int kMostLayers = 512;
  /// What comes ahead of the first layer and behind the last one, as members of the set.
  static constexpr int kBefore = kMostLayers, kAfter = kMostLayers + 1;

  static LayerSet all() {
    LayerSet set;
    set.words_.fill(~uint64_t(0));
    return set;
  }
  void insert(int layer) { words_[layer / 64] |= uint64_t(1) << (layer % 64); }
  bool contains(int layer) const { return words_[layer / 64] >> (layer % 64) & 1; }
  LayerSet &operator&=(const LayerSet &other) {
    for (size_t i = 0; i < words_.size(); ++i)
      words_[i] &= other.words_[i];
    return *this;
  }
  LayerSet &operator|=(const LayerSet &other) {
    for (size_t i = 0; i < words_.size(); ++i)
      words_[i] |= other.words_[i];
    return *this;
  }
  /// A layer of this set that `other` lacks, or -1.
  int firstMissingIn(const LayerSet &other) const {
    for (size_t i = 0; i < words_.size(); ++i)
      if (uint64_t missing = words_[i] & ~other.words_[i])
        return static_cast<int>(i) * 64 + __builtin_ctzll(missing);
    return -1;
  }

private:
  std::array<uint64_t, kMostLayers / 64 + 1> words_{};
};

} // namespace plexus
