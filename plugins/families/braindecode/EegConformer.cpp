// EEGConformer (Song et al., 2023) as braindecode writes it: a convolutional front end, whose
// samples after pooling are tokens, encoder layers that are compiled once, and a head.
#include "Nets.h"

namespace plexus::families {
namespace {

/// Layers over [N, tokens, width], by the names of the state dict.
struct Conformer {
  const Net &net;
  Builder &b = net.b;

  Value affine(Value v, const std::string &name) {
    return b.linear(v, b.param(name + ".weight"), b.param(name + ".bias"));
  }
  Value norm(Value v, const std::string &name) {
    return b.layerNorm(v, b.param(name + ".weight"), b.param(name + ".bias"), 1e-5);
  }
  Value conv(Value v, const std::string &name) {
    return brain::conv(b, v, b.param(name + ".weight"), b.param(name + ".bias"));
  }

  /// x [N, channels, samples] to tokens.
  Value embed(Value x, const std::string &activation) {
    const std::string cnn = "patch_embedding.";
    x = conv(conv(b.reshape(x, {1, net.channels, net.samples}), cnn + "shallownet.0"),
             cnn + "shallownet.1");
    x = activate(b, brain::batchNorm(b, x, cnn + "shallownet.2", 1e-5), activation);
    brain::Window window;
    window.strides = {1, net.c.integer("pool_time_stride", 15)};
    x = brain::pool(b, x, "mean", {1, net.c.integer("pool_time_length", 75)}, window);
    x = conv(x, cnn + "projection.0");
    const std::vector<int64_t> map = b.shape(x);
    return map.size() == 4 ? brain::permute(b, b.reshape(x, {map[1], map[3]}), {0, 2, 1}) : x;
  }

  /// x + projection(attention(LN x)).
  Value attention(Value x) {
    const std::string prefix = "transformer.{layer}.0.fn.";
    const Value h = norm(x, prefix + "0");
    const Value mixed =
        brain::attention(b, affine(h, prefix + "1.queries"), affine(h, prefix + "1.keys"),
                         affine(h, prefix + "1.values"), net.c.integer("num_heads", 10));
    return b.add(affine(mixed, prefix + "1.projection"), x);
  }

  /// x + W3 f(W0 LN x).
  Value feedForward(Value x, const std::string &activation) {
    const std::string prefix = "transformer.{layer}.1.fn.";
    const Value h = activate(b, affine(norm(x, prefix + "0"), prefix + "1.0"), activation);
    return b.add(affine(h, prefix + "1.3"), x);
  }

  Value head(Value x, const std::string &activation) {
    const std::vector<int64_t> tokens = b.shape(x);
    x = b.reshape(x, {tokens[1] * tokens[2]});
    x = activate(b, affine(x, "fc.fc.0"), activation);
    return affine(activate(b, affine(x, "fc.fc.3"), activation), "final_layer");
  }
};

} // namespace

void eegConformer(const Net &net) {
  const Config &c = net.c;
  Builder &b = net.b;
  Conformer model{net};
  const std::string activation = readModule(c, "activation", "ELU"),
                    inner = readModule(c, "activation_transfor", "GELU");
  const int64_t layers = c.integer("num_layers", 6);
  const bool features = c.flag("return_features", false);
  c.inert({"att_drop_prob", "n_filters_time", "filter_time_length", "final_fc_length"});
  b.info("layers", layers);
  auto embed = b.segment("embed", {Builder::rows({net.channels, net.samples})});
  const Value tokens = model.embed(embed.args[0], activation);
  const std::vector<int64_t> shape = b.shape(tokens);
  b.endSegment({tokens});
  if (shape.size() != 3)
    return;
  const Arg rows = Builder::rows({shape[1], shape[2]});
  if (layers > 0) {
    auto attention = b.segment("attention", {rows});
    b.endSegment({model.attention(attention.args[0])});
    auto feedForward = b.segment("feed_forward", {rows});
    b.endSegment({model.feedForward(feedForward.args[0], inner)});
  }
  if (features) {
    c.unusedWeights({"fc.*", "final_layer.*"});
  } else {
    auto head = b.segment("head", {rows});
    b.endSegment({model.head(head.args[0], activation)});
  }
  auto in = b.schedule("forward", {"x"}, {Builder::rows({net.channels, net.samples})});
  Value x = b.run("embed", -1, {in[0]});
  for (int64_t layer = 0; layer < layers; ++layer)
    x = b.run("feed_forward", layer, {b.run("attention", layer, {x})});
  b.endSchedule({{"y", features ? x : b.run("head", -1, {x})}});
}

} // namespace plexus::families
