// Transformer blocks whose feed-forward parts are Kolmogorov-Arnold layers.
#include "../common/KanLayer.h"

#include <plexus/plugin.hpp>

#include <cmath>

using namespace plexus::families;

namespace {

struct Shape {
  int64_t width, heads, blocks, ffn;
  double eps;
  bool causal;
};

void attention(Builder &b, const Shape &s) {
  auto seg = b.segment("attn", {Builder::rows({s.width})});
  const int64_t dim = s.width / s.heads;
  const std::string p = "blocks.{layer}.";
  auto linear = [&](Value x, const char *name) {
    return b.linear(x, b.param(p + name + ".weight"), b.param(p + name + ".bias"));
  };
  auto heads = [&](Value x) { return b.reshape(x, {s.heads, dim}); };
  Value x = seg.args[0];
  Value h = b.layerNorm(x, b.param(p + "ln1.weight"), b.param(p + "ln1.bias"), s.eps);
  Value q = heads(linear(h, "q")), k = heads(linear(h, "k")), v = heads(linear(h, "v"));
  Attention a{.scale = static_cast<float>(1 / std::sqrt(double(dim))), .causal = s.causal};
  Value mixed;
  if (s.causal) { // earlier pieces of a sequence stay in the state
    Value kv = b.state("kv");
    b.kvWrite(k, v, kv, seg.batch);
    mixed = b.attention(q, kv, seg.batch, a);
  } else {
    mixed = b.attention(q, k, v, seg.batch, a);
  }
  b.endSegment({b.add(x, linear(b.reshape(mixed, {s.width}), "o"))});
}

void feedForward(const Config &c, Builder &b, const Shape &s) {
  auto seg = b.segment("ffn", {Builder::rows({s.width})});
  Value x = seg.args[0];
  Value h = b.layerNorm(x, b.param("blocks.{layer}.ln2.weight"), b.param("blocks.{layer}.ln2.bias"),
                        s.eps);
  for (int64_t i = 0; i < s.ffn; ++i) {
    const std::string tail = "ffn." + std::to_string(i) + ".";
    h = KanLayer(c, b, tail, "blocks.{layer}." + tail, "blocks.0." + tail).build(h);
  }
  b.endSegment({b.add(x, h)});
}

void build(const Config &c, Builder &b) {
  Shape s{c.integer("d_model"),
          c.integer("heads"),
          c.integer("blocks"),
          c.size("ffn"),
          c.number("layer_norm_eps", 1e-5),
          c.flag("causal", false)};
  if (s.heads < 1 || s.width % s.heads || s.ffn < 1)
    return b.fail(3, "d_model must be a multiple of heads, and ffn a list of layers");
  b.info("task", "sequence");
  b.info("layers", s.blocks);
  b.info("hidden_size", s.width);
  if (s.causal)
    b.kvState("kv", s.heads, s.width / s.heads, s.width / s.heads);
  attention(b, s);
  feedForward(c, b, s);
  auto in = b.schedule("forward", {"x"}, {Builder::rows({s.width})});
  Value x = in[0];
  for (int64_t l = 0; l < s.blocks; ++l)
    x = b.run("ffn", l, {b.run("attn", l, {x})});
  b.endSchedule({{"y", x}});
}

} // namespace

PLX_FAMILY_PLUGIN("kan-transformer", "Transformers with Kolmogorov-Arnold feed-forward layers",
                  build);
