// Mixtures of gated experts: their weights from files that hold one tensor for each expert, or
// stacked ones.
#pragma once

#include <plexus/family.hpp>

#include <string>
#include <vector>

namespace plexus::families {

struct Experts {
  int64_t count = 0, topK = 0; ///< Experts, and those that a row goes to.
  int64_t columns = 0, hidden = 0;
  std::string score = "softmax", activation = "silu";
  bool normalize = false; ///< The kept weights sum to 1.
};

namespace experts {

using graph::Builder;
using graph::Config;
using graph::Recipe;
using graph::Value;

/// `part` of `rows` rows, followed by zeros up to a multiple of 64 rows.
inline void appendPadded(Builder &b, std::vector<Recipe> &parts, std::vector<Recipe> part,
                         int64_t rows, int64_t columns) {
  parts.insert(parts.end(), part.begin(), part.end());
  if (const int64_t missing = (64 - rows % 64) % 64)
    parts.push_back(b.constant(std::vector<float>(missing * columns), {missing, columns}));
}

/// The matrices of all experts below each other, as `moe` takes them. `prefix` ends in "experts.";
/// names of the file: "<prefix>0.gate_proj.weight" and so on, or the stacked "<prefix>gate_up_proj"
/// [E, 2 hidden, D] and "<prefix>down_proj" [E, D, hidden]. `layer`: one that has them.
inline std::pair<Value, Value> weights(const Config &c, Builder &b, const std::string &prefix,
                                       int64_t layer, const Experts &e) {
  std::string first = prefix;
  if (const size_t hole = first.find("{layer}"); hole != std::string::npos)
    first.replace(hole, 7, std::to_string(layer));
  const bool stacked = c.hasWeight(first + "gate_up_proj");
  std::vector<Recipe> gateUp, down;
  for (int64_t i = 0; i < e.count; ++i) {
    auto own = [&](const char *name) {
      return b.source(prefix + std::to_string(i) + "." + name + ".weight");
    };
    auto of = [&](const char *name, int64_t rows, int64_t columns) {
      return b.reshape(b.slice(b.source(prefix + name), 0, i, 1), {rows, columns});
    };
    if (stacked)
      appendPadded(b, gateUp, {of("gate_up_proj", 2 * e.hidden, e.columns)}, 2 * e.hidden,
                   e.columns);
    else
      appendPadded(b, gateUp, {own("gate_proj"), own("up_proj")}, 2 * e.hidden, e.columns);
    appendPadded(b, down, {stacked ? of("down_proj", e.columns, e.hidden) : own("down_proj")},
                 e.columns, e.hidden);
  }
  return {b.param(prefix + "gate_up", b.concat(0, gateUp)),
          b.param(prefix + "down", b.concat(0, down))};
}

/// The experts' sum for x [T, columns] and the router's logits [T, count].
inline Value build(const Config &c, Builder &b, Value x, Value logits, const std::string &prefix,
                   int64_t layer, const Experts &e) {
  auto [gateUp, down] = weights(c, b, prefix, layer, e);
  Value routes = b.route(logits, e.score, e.topK, e.normalize);
  return b.moe(x, routes, gateUp, down, e.activation, e.topK, e.hidden);
}

} // namespace experts
} // namespace plexus::families
