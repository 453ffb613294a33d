// Speculative decoding with a draft model and a tree of drafts (Leviathan et al. 2023; Miao et al.
// 2024, "SpecInfer"). The target checks the whole tree in one run. Lossless: draft and target
// choose with the same noise, so that a draft is accepted when the target would have chosen it
// anyway.
#include <plexus/strategy.hpp>

#include <algorithm>

namespace {

using namespace plexus;

/// Children of each node, level by level: "4,2,1".
std::vector<int64_t> parseShape(const std::string &text) {
  std::vector<int64_t> widths;
  for (const char *at = text.data(), *end = at + text.size(); at < end;) {
    int64_t width = 0;
    const auto [next, failed] = std::from_chars(at, end, width);
    if (failed != std::errc() || width < 1 || width > 64 || (next < end && *next != ','))
      throw sdk::Error(PLX_INVALID_ARGUMENT, "option 'tree' is '" + text +
                                                 "': expected numbers from 1 to 64, as in 4,2,1");
    widths.push_back(width);
    at = next + 1;
  }
  return widths;
}

/// The first levels whose trees have at most `room` nodes, the root included.
std::span<const int64_t> fitting(std::span<const int64_t> widths, int64_t room) {
  size_t levels = 0;
  for (int64_t nodes = 1, level = 1; levels < widths.size(); ++levels) {
    level *= widths[levels];
    if ((nodes += level) > room)
      break;
  }
  return widths.first(levels);
}

/// Adds the first choices of a draft row as children of `node`.
void grow(Generation &g, Tree &tree, const Row &row, int32_t node, int64_t width) {
  std::vector<int32_t> ids(static_cast<size_t>(width));
  row.best(ids, tree.path(node));
  for (const int32_t id : ids)
    if (id >= 0 && id < g.info().vocab_size) // a draft's vocabulary may be padded further
      tree.add(node, id);
}

/// Drafts a tree below the last emitted token. Afterwards the draft model has committed `unseen`,
/// and holds all nodes but the root and the last level as pending rows, in the order of the tree.
Task<Tree> draftTree(Generation &g, Sequence &draft, Ids unseen, std::span<const int64_t> widths) {
  Tree tree(unseen.back());
  grow(g, tree, co_await draft.append(unseen), 0, widths[0]);
  size_t begin = 1;
  for (const int64_t width : widths.subspan(1)) {
    const size_t end = tree.size();
    std::vector<int32_t> tokens, parents;
    for (size_t node = begin; node < end; ++node) {
      tokens.push_back(tree.tokens[node]);
      parents.push_back(tree.parents[node] - 1); // the root is committed: rows count from node 1
    }
    const Rows rows = co_await draft.draft(tokens, parents);
    for (size_t node = begin; node < end; ++node)
      grow(g, tree, rows[node - begin], static_cast<int32_t>(node), width);
    begin = end;
  }
  co_return tree;
}

Task<> speculate(Generation &g) {
  const auto widths = parseShape(g.option("tree", "2,2,1,1"));
  if (widths.empty() || fitting(widths, 1024).size() < widths.size())
    throw sdk::Error(PLX_INVALID_ARGUMENT, "option 'tree': expected 1 to 1024 nodes");
  if (g.models() < 2)
    throw sdk::Error(PLX_INVALID_ARGUMENT, "strategy 'speculate' needs a draft model (--draft)");
  Sequence draft = g.open(1);
  std::vector<int32_t> unseen(g.prompt().begin(), g.prompt().end()); // by the draft model
  unseen.push_back((co_await g.forward(g.prompt())).choose());
  Emitted emitted = g.emit(unseen.back());
  while (emitted) {
    // Drafts behind the end of the output, or of either context, would be wasted.
    const int64_t context = g.info(1).context, seen = draft.length();
    const int64_t left = context - seen - static_cast<int64_t>(unseen.size());
    const auto levels = fitting(widths, context > 0 ? std::min(g.room(), left) : g.room());
    Tree tree(unseen.back());
    if (!levels.empty())
      tree = co_await draftTree(g, draft, unseen, levels);
    const Walk walk(tree, co_await g.main().draft(tree.tokens, tree.parents));
    g.main().commit(walk.nodes);
    // What was accepted the draft model has run, but for a node of the last level.
    std::vector<int32_t> path;
    for (size_t i = 1; i < walk.nodes.size() && walk.nodes[i] <= draft.pending(); ++i)
      path.push_back(walk.nodes[i] - 1);
    draft.commit(path);
    if (!levels.empty())
      unseen.clear();
    unseen.insert(unseen.end(), walk.ids.begin() + static_cast<std::ptrdiff_t>(path.size()),
                  walk.ids.end());
    g.count("drafted", static_cast<int64_t>(tree.size()) - 1);
    g.count("accepted", static_cast<int64_t>(walk.nodes.size()) - 1);
    emitted = g.emit(walk.ids);
  }
}

} // namespace

PLX_STRATEGY_PLUGIN("strategy_speculate", "1.0.0",
                    R"([{"kind": "strategy", "id": "speculate", "lossless": true,
                         "options": ["tree"],
                         "summary": "a draft model proposes a tree, the target checks it at once"}])",
                    {"speculate", speculate});
