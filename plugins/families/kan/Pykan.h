// Networks as pykan trains them (Liu et al., 2024 and 2024b): masks, symbolic edges, multiplication
// nodes, affine maps of nodes. What no output depends on is left out when the graph is built.
#pragma once

#include <plexus/family.hpp>
#include <plexus/kan.hpp>

namespace plexus::families {

using namespace plexus::graph;

class PykanBuilder {
public:
  PykanBuilder(const Config &c, Builder &b, int64_t count) : c(c), b(b) {
    for (int64_t l = 0; l < count; ++l)
      layers.push_back(read(l));
  }
  /// x [.., inputs] to [.., outputs of the last layer].
  Value build(Value x);

private:
  struct Edge {
    int64_t in, out;
    std::string function;
  };
  struct Layer {
    std::string path, prefix;
    int64_t in, out, subnodes, sums, products, arity;
    std::string base;
    int64_t order;
    std::vector<float> mask, scaleBase, scaleSpline; ///< [in, subnodes]
    std::vector<float> subnodeScale, subnodeBias, nodeScale, nodeBias, affine;
    std::vector<Edge> symbolic;
    std::vector<int64_t> liveIn, liveSubnodes, liveNodes;
  };
  using List = std::vector<int64_t>;

  Layer read(int64_t index);
  std::vector<float> values(const Layer &layer, const char *name, int64_t count);
  void prune();
  void pruneLayer(Layer &layer, const List &nodes);
  Value pick(Value x, const List &columns, int64_t width);
  Recipe pick(Recipe r, int64_t axis, const List &entries, int64_t size);
  Value buildLayer(const Layer &layer, Value x);
  Value symbolicEdges(const Layer &layer, Value x, const std::vector<float> &scale);

  const Config &c;
  Builder &b;
  std::vector<Layer> layers;
};

} // namespace plexus::families
