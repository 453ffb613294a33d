// Trees of drafted tokens and the target's lossless way through them.
#pragma once

#include <plexus/generation.hpp>

namespace plexus {

/// A drafted tree of tokens: node 0 is the root, the last emitted token, which no model has run
/// yet. Parents come before their children, so that the node numbers are those of pending rows when
/// the whole tree is drafted on a sequence without other pending rows.
struct Tree {
  std::vector<int32_t> tokens;
  std::vector<int32_t> parents; ///< -1 for the root.

  explicit Tree(int32_t root) : tokens{root}, parents{-1} {}
  int32_t add(int32_t parent, int32_t token) {
    tokens.push_back(token);
    parents.push_back(parent);
    return static_cast<int32_t>(tokens.size()) - 1;
  }
  size_t size() const { return tokens.size(); }
  /// Tokens below the root on the way to `node`, itself included: the path of its choices.
  std::vector<int32_t> path(int32_t node) const {
    std::vector<int32_t> ids;
    for (; node > 0; node = parents[static_cast<size_t>(node)])
      ids.insert(ids.begin(), tokens[static_cast<size_t>(node)]);
    return ids;
  }
  int32_t child(int32_t parent, int32_t token) const {
    for (size_t i = static_cast<size_t>(parent) + 1; i < tokens.size(); ++i)
      if (parents[i] == parent && tokens[i] == token)
        return static_cast<int32_t>(i);
    return -1;
  }
};

/// The target's way through a drafted tree: at each node it makes the choice that it would have
/// made without a draft, and goes on while a child holds that choice. Lossless by construction.
struct Walk {
  std::vector<int32_t> nodes; ///< From the root down: what to commit.
  std::vector<int32_t> ids;   ///< The choices: one more than nodes below the root.

  /// `rows`: the target's rows of the tree's nodes.
  Walk(const Tree &tree, const Rows &rows) {
    for (int32_t node = 0; node >= 0; node = tree.child(node, ids.back())) {
      nodes.push_back(node);
      ids.push_back(rows[static_cast<size_t>(node)].choose(ids));
    }
  }
};

} // namespace plexus
