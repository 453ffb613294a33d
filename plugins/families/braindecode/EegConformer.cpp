// EEGConformer (Song et al., 2023) as braindecode writes it.
#include "Nets.h"

namespace plexus::families {

/// x += projection(attention(LN x)); x += W3 f(W0 LN x).
static Value encoderLayer(const Net &net, Value x, int64_t layer, const std::string &activation) {
  Builder &b = net.b;
  const std::string prefix = "transformer." + std::to_string(layer) + ".";
  auto affine = [&](Value v, const std::string &name) {
    return b.linear(v, b.param(name + ".weight"), b.param(name + ".bias"));
  };
  auto norm = [&](Value v, const std::string &name) {
    return b.layerNorm(v, b.param(name + ".weight"), b.param(name + ".bias"), 1e-5);
  };
  const std::string attention = prefix + "0.fn.1.", feedForward = prefix + "1.fn.1.";
  Value h = norm(x, prefix + "0.fn.0");
  h = brain::attention(b, affine(h, attention + "queries"), affine(h, attention + "keys"),
                       affine(h, attention + "values"), net.c.integer("num_heads", 10));
  x = b.add(affine(h, attention + "projection"), x);
  h = activate(b, affine(norm(x, prefix + "1.fn.0"), feedForward + "0"), activation);
  return b.add(affine(h, feedForward + "3"), x);
}

Value eegConformer(const Net &net, Value x) {
  const Config &c = net.c;
  Builder &b = net.b;
  const std::string activation = readModule(c, "activation", "ELU"), cnn = "patch_embedding.";
  c.inert({"att_drop_prob", "n_filters_time", "filter_time_length", "final_fc_length"});
  auto conv = [&](Value v, const std::string &name) {
    return brain::conv(b, v, b.param(name + ".weight"), b.param(name + ".bias"));
  };
  x = conv(conv(x, cnn + "shallownet.0"), cnn + "shallownet.1");
  x = activate(b, brain::batchNorm(b, x, cnn + "shallownet.2", 1e-5), activation);
  brain::Window window;
  window.strides = {1, c.integer("pool_time_stride", 15)};
  x = brain::pool(b, x, "mean", {1, c.integer("pool_time_length", 75)}, window);
  x = conv(x, cnn + "projection.0");
  const std::vector<int64_t> map = b.shape(x);
  if (map.size() != 4)
    return x;
  x = brain::permute(b, b.reshape(x, {map[1], map[3]}), {0, 2, 1}); // tokens [N, n, d]
  const std::string inner = readModule(c, "activation_transfor", "GELU");
  for (int64_t layer = 0, layers = c.integer("num_layers", 6); layer < layers; ++layer)
    x = encoderLayer(net, x, layer, inner);
  if (c.flag("return_features", false)) {
    c.unusedWeights({"fc.*", "final_layer.*"});
    c.inert({"n_outputs"});
    return x;
  }
  auto affine = [&](Value v, const std::string &name) {
    return b.linear(v, b.param(name + ".weight"), b.param(name + ".bias"));
  };
  x = b.reshape(x, {map[1] * map[3]});
  x = activate(b, affine(x, "fc.fc.0"), activation);
  x = activate(b, affine(x, "fc.fc.3"), activation);
  return affine(x, "final_layer");
}

} // namespace plexus::families
