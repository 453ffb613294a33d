// Breadth-first construction of a byte trie from sorted keys.
#include "runtime/text/ByteTrie.h"

#include <algorithm>

namespace plexus::text {

void ByteTrie::build(std::vector<std::pair<std::string_view, uint32_t>> entries) {
  nodes_.clear();
  rootChildren_.fill(none);
  std::erase_if(entries, [](const auto &e) { return e.first.empty(); });
  // Sorted by key and, within equal keys, by order of arrival.
  std::vector<uint32_t> order(entries.size());
  for (uint32_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    int c = entries[a].first.compare(entries[b].first);
    return c != 0 ? c < 0 : a < b;
  });
  struct Range {
    uint32_t node, begin, end;
    size_t depth;
  };
  nodes_.push_back({});
  std::vector<Range> queue = {{0, 0, uint32_t(order.size()), 0}};
  for (size_t q = 0; q < queue.size(); ++q) {
    Range r = queue[q];
    auto key = [&](uint32_t i) { return entries[order[i]].first; };
    for (; r.begin < r.end && key(r.begin).size() == r.depth; ++r.begin)
      nodes_[r.node].value = entries[order[r.begin]].second;
    nodes_[r.node].firstChild = uint32_t(nodes_.size());
    for (uint32_t i = r.begin; i < r.end;) {
      uint8_t label = uint8_t(key(i)[r.depth]);
      uint32_t end = i;
      while (end < r.end && uint8_t(key(end)[r.depth]) == label)
        ++end;
      queue.push_back({uint32_t(nodes_.size()), i, end, r.depth + 1});
      nodes_.push_back({0, none, 0, label});
      ++nodes_[r.node].childCount;
      i = end;
    }
    if (q == 0)
      for (uint32_t c = 0; c < nodes_[0].childCount; ++c)
        rootChildren_[nodes_[1 + c].label] = 1 + c;
  }
}

uint32_t ByteTrie::step(uint32_t node, uint8_t byte) const {
  if (node == 0)
    return rootChildren_[byte];
  const Node &n = nodes_[node];
  const Node *begin = nodes_.data() + n.firstChild, *end = begin + n.childCount;
  const Node *at = std::lower_bound(begin, end, byte,
                                    [](const Node &child, uint8_t b) { return child.label < b; });
  return at != end && at->label == byte ? uint32_t(at - nodes_.data()) : none;
}

} // namespace plexus::text
