// The graph of a pykan network, without its dead edges.
#include "Pykan.h"

#include <algorithm>
#include <numeric>

namespace plexus::families {
namespace {

int64_t indexOf(const std::vector<int64_t> &list, int64_t value) {
  auto at = std::lower_bound(list.begin(), list.end(), value);
  return at != list.end() && *at == value ? at - list.begin() : -1;
}

} // namespace

std::vector<float> PykanBuilder::values(const Layer &layer, const char *name, int64_t count) {
  std::vector<float> found = c.weightValues(layer.prefix + name);
  if (static_cast<int64_t>(found.size()) == count)
    return found;
  b.fail(3, layer.prefix + name + " has " + std::to_string(found.size()) +
                " entries, the config asks for " + std::to_string(count));
  return std::vector<float>(count);
}

PykanBuilder::Layer PykanBuilder::read(int64_t index) {
  Layer layer;
  layer.path = layer.prefix = "layers." + std::to_string(index) + ".";
  auto integer = [&](const char *field) { return c.integer(layer.path + field); };
  layer.in = integer("in");
  layer.out = integer("out");
  layer.subnodes = integer("subnodes");
  layer.sums = integer("sum_nodes");
  layer.products = integer("mult_nodes");
  layer.arity = integer("mult_arity");
  layer.order = integer("order");
  layer.base = c.string(layer.path + "base", "silu");
  const std::string grid = layer.path + "grid";
  c.inert({grid.c_str()}); // the grid tensor has it
  if (layer.in < 1 || layer.arity < 1 || layer.sums + layer.products != layer.out ||
      layer.sums + layer.products * layer.arity != layer.subnodes)
    b.fail(3, layer.path +
                  "out must be sum_nodes + mult_nodes, and subnodes sum_nodes + mult_nodes "
                  "* mult_arity");
  for (int64_t e = 0, n = c.size(layer.path + "symbolic"); e < n; ++e) {
    const std::string at = layer.path + "symbolic." + std::to_string(e) + ".";
    layer.symbolic.push_back(
        {c.integer(at + "in"), c.integer(at + "out"), c.string(at + "fun", "")});
    const Edge &edge = layer.symbolic.back();
    if (edge.in < 0 || edge.in >= layer.in || edge.out < 0 || edge.out >= layer.subnodes)
      b.fail(3, at + " names an edge that is not there");
  }
  if (!b.ok())
    return layer;
  const int64_t edges = layer.in * layer.subnodes;
  layer.mask = values(layer, "mask", edges);
  layer.scaleBase = values(layer, "scale_base", edges);
  layer.scaleSpline = values(layer, "scale_sp", edges);
  layer.subnodeScale = values(layer, "subnode_scale", layer.subnodes);
  layer.subnodeBias = values(layer, "subnode_bias", layer.subnodes);
  layer.nodeScale = values(layer, "node_scale", layer.out);
  layer.nodeBias = values(layer, "node_bias", layer.out);
  if (!layer.symbolic.empty())
    layer.affine = values(layer, "affine", edges * 4);
  return layer;
}

/// From the outputs back: what each layer must compute, and what it needs for that.
void PykanBuilder::prune() {
  List nodes(layers.back().out);
  std::iota(nodes.begin(), nodes.end(), 0);
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    pruneLayer(*layer, nodes);
    nodes = layer->liveIn;
  }
}

void PykanBuilder::pruneLayer(Layer &layer, const List &nodes) {
  layer.liveNodes = nodes;
  for (int64_t node : nodes)
    if (node < layer.sums)
      layer.liveSubnodes.push_back(node);
    else
      for (int64_t factor = 0; factor < layer.arity; ++factor)
        layer.liveSubnodes.push_back(layer.sums + (node - layer.sums) * layer.arity + factor);
  std::vector<bool> live(layer.in);
  for (int64_t i = 0; i < layer.in; ++i)
    for (int64_t o : layer.liveSubnodes) {
      const int64_t edge = i * layer.subnodes + o;
      live[i] = live[i] || (layer.mask[edge] != 0 &&
                            (layer.scaleBase[edge] != 0 || layer.scaleSpline[edge] != 0));
    }
  for (const Edge &edge : layer.symbolic)
    if (indexOf(layer.liveSubnodes, edge.out) >= 0)
      live[edge.in] = true;
  for (int64_t i = 0; i < layer.in; ++i)
    if (live[i])
      layer.liveIn.push_back(i);
  if (layer.liveIn.empty()) // all outputs are constants: an input has to be there
    layer.liveIn.push_back(0);
}

Value PykanBuilder::pick(Value x, const List &columns, int64_t width) {
  List all(width);
  std::iota(all.begin(), all.end(), 0);
  return columns == all ? x : kan::pick(b, x, columns);
}

Recipe PykanBuilder::pick(Recipe r, int64_t axis, const List &entries, int64_t size) {
  std::vector<Recipe> runs;
  for (size_t i = 0; i < entries.size();) {
    size_t end = i + 1;
    while (end < entries.size() && entries[end] == entries[end - 1] + 1)
      ++end;
    runs.push_back(b.slice(r, axis, entries[i], static_cast<int64_t>(end - i)));
    i = end;
  }
  if (static_cast<int64_t>(entries.size()) == size)
    return r;
  return runs.size() == 1 ? runs[0] : b.concat(axis, runs);
}

Value PykanBuilder::symbolicEdges(const Layer &layer, Value x, const std::vector<float> &scale) {
  kan::SymbolicEdges edges;
  std::vector<float> affine;
  for (const Edge &edge : layer.symbolic) {
    const int64_t out = indexOf(layer.liveSubnodes, edge.out);
    if (out < 0)
      continue;
    edges.inputs.push_back(indexOf(layer.liveIn, edge.in));
    edges.outputs.push_back(out);
    edges.functions.push_back(edge.function);
    const float *a = layer.affine.data() + (edge.out * layer.in + edge.in) * 4;
    affine.insert(affine.end(), {a[0], a[1], a[2] * scale[out], a[3] * scale[out]});
  }
  if (edges.inputs.empty())
    return {};
  const auto count = static_cast<int64_t>(edges.inputs.size());
  return kan::symbolic(b, x, b.param(layer.prefix + "edges", b.constant(affine, {count, 4})), edges,
                       static_cast<int64_t>(layer.liveSubnodes.size()));
}

/// x has the live inputs; the result the live nodes. Masks, scales and the affine maps of subnodes
/// join the weights, those of nodes too where none is a product.
Value PykanBuilder::buildLayer(const Layer &layer, Value x) {
  const auto in = static_cast<int64_t>(layer.liveIn.size());
  const auto out = static_cast<int64_t>(layer.liveSubnodes.size());
  const auto nodes = static_cast<int64_t>(layer.liveNodes.size());
  const int64_t sums = std::count_if(layer.liveNodes.begin(), layer.liveNodes.end(),
                                     [&](int64_t node) { return node < layer.sums; });
  std::vector<float> scale, bias, base, spline;
  for (int64_t o : layer.liveSubnodes) {
    const float node = layer.products == 0 ? layer.nodeScale[o] : 1.0f;
    const float shift = layer.products == 0 ? layer.nodeBias[o] : 0.0f;
    scale.push_back(layer.subnodeScale[o] * node);
    bias.push_back(layer.subnodeBias[o] * node + shift);
  }
  for (int64_t i : layer.liveIn)
    for (int64_t o = 0; o < out; ++o) {
      const int64_t edge = i * layer.subnodes + layer.liveSubnodes[o];
      base.push_back(layer.mask[edge] * layer.scaleBase[edge] * scale[o]);
      spline.push_back(layer.mask[edge] * layer.scaleSpline[edge] * scale[o]);
    }
  kan::Spline s;
  s.grid = b.param(
      layer.prefix + "knots",
      b.transpose(pick(b.source(layer.prefix + "grid"), 0, layer.liveIn, layer.in), {1, 0}));
  Recipe coef = pick(b.source(layer.prefix + "coef"), 0, layer.liveIn, layer.in);
  coef = pick(coef, 1, layer.liveSubnodes, layer.subnodes);
  s.coef = b.param(layer.prefix + "weights",
                   b.einsum("ioj,io->ijo", {coef, b.constant(spline, {in, out})}));
  if (layer.base != "zero")
    s.base = b.param(layer.prefix + "base", b.constant(base, {in, out}));
  s.bias = b.param(layer.prefix + "bias", b.constant(bias, {out}));
  Value y = kan::bspline(b, x, s, {layer.order, s.base ? layer.base : "silu"});
  if (Value known = symbolicEdges(layer, x, scale))
    y = b.add(y, known);
  if (layer.products == 0)
    return y;
  y = kan::multiply(b, y, sums, layer.arity);
  std::vector<float> gain, shift;
  for (int64_t node : layer.liveNodes) {
    gain.push_back(layer.nodeScale[node]);
    shift.push_back(layer.nodeBias[node]);
  }
  y = b.mul(y, b.param(layer.prefix + "gain", b.constant(gain, {nodes})));
  return b.add(y, b.param(layer.prefix + "shift", b.constant(shift, {nodes})));
}

Value PykanBuilder::build(Value x) {
  if (!b.ok() || layers.empty())
    return x;
  for (size_t l = 1; l < layers.size(); ++l)
    if (layers[l].in != layers[l - 1].out)
      b.fail(3, layers[l].path + "in is not the out of the layer before");
  if (!b.ok())
    return x;
  prune();
  const std::vector<int64_t> shape = b.shape(x);
  List columns = layers[0].liveIn;
  if (c.has("input_id")) {
    for (int64_t &column : columns)
      column = c.integer("input_id." + std::to_string(column));
    c.inert({"input_id"}); // columns of dead inputs
  }
  x = pick(x, columns, shape.back());
  for (const Layer &layer : layers)
    x = buildLayer(layer, x);
  for (const char *name : {"mask", "scale_base", "scale_sp", "subnode_scale", "subnode_bias",
                           "node_scale", "node_bias", "affine"})
    c.unusedWeights({(std::string("layers.*.") + name).c_str()});
  return x;
}

} // namespace plexus::families
