// A compact byte trie over a fixed set of strings: longest and common prefix search.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace plexus::text {

/// Immutable once built. Nodes are numbers; `none` is no node.
class ByteTrie {
public:
  static constexpr uint32_t none = UINT32_MAX;

  /// Of equal keys the last one given counts. Empty keys are left out.
  void build(std::vector<std::pair<std::string_view, uint32_t>> entries);

  uint32_t root() const { return nodes_.empty() ? none : 0; }
  /// The child of `node` by `byte`.
  uint32_t step(uint32_t node, uint8_t byte) const;
  /// The value of the key that ends at `node`, or none.
  uint32_t value(uint32_t node) const { return nodes_[node].value; }

private:
  struct Node {
    uint32_t firstChild = 0;
    uint32_t value = none;
    uint16_t childCount = 0;
    uint8_t label = 0;
  };
  std::vector<Node> nodes_; ///< Children of a node are neighbours, sorted by label.
  std::array<uint32_t, 256> rootChildren_{};
};

} // namespace plexus::text
