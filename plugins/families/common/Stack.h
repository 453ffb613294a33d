// The outside of decoders whose layers are of several kinds: embedding, a list of segments for each
// layer, final norm, head.
#pragma once

#include "Activation.h"

#include <plexus/family.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace plexus::families {

/// Longest sequence of models that have no positions: what the runtime counts with.
inline constexpr int64_t kEndless = int64_t{1} << 20;

struct Stack {
  using Value = graph::Value;

  int64_t hidden = 0, layers = 0, vocab = 0, context = 0;
  bool head = true;                          ///< False: a bare model.
  std::function<Value(Value ids)> embed;     ///< [T] to [T, hidden].
  std::function<Value(Value x)> finalNorm;   ///< Of rows.
  std::function<Value(Value normed)> logits; ///< Of normed rows.
  /// The segments of each layer, in order. Each takes and gives rows [hidden].
  std::function<std::vector<std::string>(int64_t layer)> segments;

  /// What families spell alike: whether there is a head (`family` + "ForCausalLM"; "Model": none),
  /// and sizes.
  void read(const graph::Config &c, const std::string &family, int64_t contextByDefault) {
    head = readArchitecture(c, {(family + "ForCausalLM").c_str(), (family + "Model").c_str()}) ==
           family + "ForCausalLM";
    hidden = c.integer("hidden_size");
    layers = c.integer("num_hidden_layers");
    vocab = c.integer("vocab_size");
    context = c.integer("max_position_embeddings", contextByDefault);
  }

  /// The embedding by `table`, and logits by it too where they are tied, else by lm_head.
  void useTable(const graph::Config &c, graph::Builder &b, const std::string &table, bool tied) {
    if (tied || !head)
      c.unusedWeights({"lm_head.weight"});
    embed = [&b, table](Value ids) { return b.embedding(ids, b.param(table)); };
    logits = [&b, weight = tied ? table : "lm_head.weight"](Value x) {
      return b.linear(x, b.param(weight));
    };
  }

  /// Everything but the layers' segments, which are built before.
  void build(graph::Builder &b) const {
    using graph::Builder;
    b.info("task", head ? "causal-lm" : "encoder");
    b.info("context", context);
    b.info("layers", layers);
    b.info("hidden_size", hidden);
    b.info("vocab_size", vocab);
    auto first = b.segment("embed", {Builder::ids()});
    b.endSegment({embed(first.args[0])});
    auto norm = b.segment("norm", {Builder::rows({hidden})});
    b.endSegment({finalNorm(norm.args[0])});
    if (head) {
      auto last = b.segment("head", {Builder::rows({hidden})});
      b.endSegment({logits(finalNorm(b.selectRows(last.args[0], last.batch)))});
    }
    schedule(b);
  }

private:
  void schedule(graph::Builder &b) const {
    using graph::Builder;
    auto in = b.schedule("forward", {"input_ids"}, {Builder::ids()});
    Value x = b.run("embed", -1, {in[0]});
    std::vector<Value> states;
    for (int64_t l = 0; l < layers; ++l) {
      states.push_back(x);
      for (const std::string &segment : segments(l))
        x = b.run(segment, l, {x});
    }
    Value last = b.run("norm", -1, {x});
    states.push_back(last);
    b.hidden(states);
    std::vector<Builder::Output> outputs;
    if (head)
      outputs.push_back({"logits", b.run("head", -1, {x})});
    outputs.push_back({"last_hidden_state", last});
    b.endSchedule(outputs);
  }
};

/// The kinds of the layers by config field `path`, an array of names of which `known` are the right
/// ones (name in the file, name of the result), or `otherwise` where there is none.
inline std::vector<std::string>
readLayerKinds(const graph::Config &c, const std::string &path, int64_t layers,
               const std::vector<std::pair<std::string, std::string>> &known,
               const std::function<std::string(int64_t)> &otherwise) {
  std::vector<std::string> kinds;
  const int64_t given = c.size(path);
  if (given >= 0 && given != layers)
    c.refuse(path, std::to_string(given) + " entries long", "one for each layer");
  std::string list;
  for (const auto &[from, to] : known)
    list += (list.empty() ? "" : ", ") + from;
  for (int64_t l = 0; l < layers; ++l) {
    const std::string at = path + "." + std::to_string(l);
    const std::string name = given >= 0 ? c.string(at, "") : otherwise(l);
    std::string kind;
    for (const auto &[from, to] : known)
      if (name == from)
        kind = to;
    if (kind.empty())
      c.refuse(at, "'" + name + "'", list);
    kinds.push_back(kind);
  }
  return kinds;
}

inline bool contains(const std::vector<std::string> &kinds, const std::string &kind) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

/// Attention with rope over a state, of normed rows h [T, ..]: the heads' values side by side.
struct StackAttention {
  int64_t heads = 0, kvHeads = 0, headDim = 0, window = 0;
  graph::Rope rope; ///< dims 0: none.

  void declare(graph::Builder &b, const std::string &state) const {
    b.kvState(state, kvHeads, headDim, headDim, window);
  }
  /// q [T, heads, headDim], k and v [T, kvHeads, headDim]: [T, heads * headDim].
  graph::Value build(graph::Builder &b, graph::Value batch, const std::string &state,
                     graph::Value q, graph::Value k, graph::Value v) const {
    auto kv = b.state(state);
    const bool turns = rope.dims > 0;
    b.kvWrite(turns ? b.rope(k, batch, rope) : k, v, kv, batch);
    auto a =
        b.attention(turns ? b.rope(q, batch, rope) : q, kv, batch,
                    {.scale = 1.0f / std::sqrt(static_cast<float>(headDim)), .window = window});
    return b.reshape(a, {heads * headDim});
  }
};

} // namespace plexus::families
