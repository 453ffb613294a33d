// Speculative decoding with a draft model and a tree of drafts (Leviathan et al. 2023; Miao et al.
// 2024, "SpecInfer"). The target checks the whole tree in one run. Lossless: draft and target
// choose with the same noise, so that a draft is accepted when the target would have chosen it
// anyway. A round costs one run of the target and one of the draft model for each level.
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

/// The first levels whose trees have at most `most` nodes, the root included.
std::span<const int64_t> fitting(std::span<const int64_t> widths, int64_t most) {
  size_t levels = 0;
  for (int64_t nodes = 1, level = 1; levels < widths.size(); ++levels) {
    level *= widths[levels];
    if ((nodes += level) > most)
      break;
  }
  return widths.first(levels);
}

/// Rows that still fit a model's context behind `used`.
int64_t rowsLeft(const plx_model_info &info, int64_t used) {
  return info.context > 0 ? info.context - used : std::numeric_limits<int64_t>::max();
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
  // The prompt's last id is the root of the first tree, as the last emitted id is of all others.
  if (unseen.size() > 1)
    co_await g.prefill(g.prompt().first(unseen.size() - 1));
  Emitted emitted;
  while (emitted) {
    // The tree's rows must fit both contexts.
    const auto levels =
        fitting(widths, std::min(rowsLeft(g.info(0), g.main().length()),
                                 rowsLeft(g.info(1), draft.length() + std::ssize(unseen) - 1)));
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
    g.count("target_runs", 1);
    g.count("draft_runs", static_cast<int64_t>(levels.size()));
    emitted = g.emit(walk.ids);
  }
}

} // namespace

PLX_STRATEGY_PLUGIN("strategy_speculate", "1.0.0",
                    R"([{"kind": "strategy", "id": "speculate", "lossless": true,
                         "options": ["tree"],
                         "summary": "a draft model proposes a tree, the target checks it at once"}])",
                    {"speculate", speculate});
