// ATM (Li et al., 2024): an EEG encoder whose tokens are channels, with a token for the subject,
// and a convolutional head to an image embedding.
#include "../common/Sequences.h"
#include "../common/Shapes.h"

#include <plexus/brain.hpp>
#include <plexus/family.hpp>
#include <plexus/plugin.hpp>

using namespace plexus::graph;
namespace families = plexus::families;

namespace {

/// The model's sizes and layers, by the names of its tensors.
struct Atm {
  const Config &c;
  Builder &b;
  int64_t channels = c.integer("channels"), samples = c.integer("samples"),
          width = c.integer("d_model"), heads = c.integer("heads"), layers = c.integer("layers"),
          outputs = c.integer("outputs"), subjects = c.integer("subjects");
  std::string activation = families::readSequenceActivation(c, "activation");
  double layerEps = c.number("layer_norm_eps", 1e-5), batchEps = c.number("batch_norm_eps", 1e-5);

  Value affine(Value v, const std::string &name) {
    return b.linear(v, b.param(name + ".weight"), b.param(name + ".bias"));
  }
  Value norm(Value v, const std::string &name) {
    return b.layerNorm(v, b.param(name + ".weight"), b.param(name + ".bias"), layerEps);
  }
  Value conv(Value v, const std::string &name) {
    return brain::conv(b, v, b.param(name + ".weight"), b.param(name + ".bias"));
  }

  /// x [N, channels, samples] and the subject's token: [N, channels + 1, width].
  Value tokens(Value x, Value subject) {
    x = b.add(affine(x, "embed"), b.param("channel_position"));
    const Value own = b.embedding(subject, b.param("subject_token"));
    return b.reshape(b.op("concat", {b.reshape(x, {channels * width}), own}),
                     {channels + 1, width});
  }

  /// h = norm1(h + out_proj(attention(h))), then norm2(h + linear2 GELU(linear1 h)).
  Value layer(Value h) {
    const std::string p = "encoder.{layer}.", a = p + "self_attn.";
    auto part = [&](int64_t which) {
      const std::string name = a + "in_proj." + std::to_string(which);
      Recipe w = b.slice(b.source(a + "in_proj_weight"), 0, which * width, width);
      Recipe bias = b.slice(b.source(a + "in_proj_bias"), 0, which * width, width);
      return b.linear(h, b.param(name + ".weight", w), b.param(name + ".bias", bias));
    };
    const Value mixed = brain::attention(b, part(0), part(1), part(2), heads);
    h = norm(b.add(affine(mixed, a + "out_proj"), h), p + "norm1");
    const Value inner = b.activation(affine(h, p + "linear1"), activation);
    return norm(b.add(affine(inner, p + "linear2"), h), p + "norm2");
  }

  /// The channels' tokens as a map [N, 1, channels, width], to the embedding [N, outputs].
  Value head(Value h) {
    h = b.reshape(norm(h, "encoder_norm"), {(channels + 1) * width});
    Value x = b.reshape(b.slice(h, 0, channels * width), {1, channels, width});
    brain::Window window;
    window.strides = {1, c.integer("pool_stride")};
    x = brain::pool(b, conv(x, "tsconv.0"), "mean", {1, c.integer("pool")}, window);
    x = b.activation(brain::batchNorm(b, x, "tsconv.1", batchEps), "elu");
    x = conv(x, "tsconv.2");
    x = b.activation(brain::batchNorm(b, x, "tsconv.3", batchEps), "elu");
    x = conv(x, "projection");
    const std::vector<int64_t> map = b.shape(x);
    if (map.size() != 4)
      return x;
    x = brain::permute(b, b.reshape(x, {map[1], map[3]}), {0, 2, 1});
    x = affine(b.reshape(x, {map[1] * map[3]}), "proj.0");
    return norm(b.add(affine(b.activation(x, activation), "proj.1"), x), "proj.2");
  }
};

} // namespace

/// Rows that a gallery may have; `plexus run` and the engine take any number up to it.
static constexpr int64_t kGallery = 32768;
static constexpr int64_t kTop = 5;

/// The best of a gallery for each embedding: cosines, logits and the `top` best.
static void retrievalSegment(Builder &b, int64_t outputs, int64_t gallery, int64_t top) {
  auto s = b.segment("retrieve", {Builder::rows({outputs}), Builder::whole({gallery, outputs}),
                                  Builder::whole({1}, "I32")});
  const brain::Retrieved found = brain::retrieve(b, s.args[0], s.args[1], s.args[2], top);
  b.endSegment(
      {found.cosine, brain::temperature(b, found.cosine, b.param("logit_scale")), found.top});
}

static void build(const Config &c, Builder &b) {
  Atm m{c, b};
  c.inert({"family"});
  const int64_t filters = c.integer("filters");
  families::expectShape(c, b, "tsconv.0.weight", {filters, 1, 1, c.integer("kernel")},
                        "filters and kernel");
  families::expectShape(c, b, "projection.weight", {c.integer("embed"), filters, 1, 1},
                        "embed and filters");
  b.info("task", "graph");
  b.info("layers", m.layers);
  // Others have no token.
  b.requiredInt("subject", families::numbersUpTo(c, "subjects", m.subjects));
  const Arg x = Builder::rows({m.channels, m.samples}), subject = Builder::ids(),
            rows = Builder::rows({m.channels + 1, m.width});
  auto embed = b.segment("embed", {x, subject});
  b.endSegment({m.tokens(embed.args[0], embed.args[1])});
  if (m.layers > 0) {
    auto layer = b.segment("layer", {rows});
    b.endSegment({m.layer(layer.args[0])});
  }
  auto head = b.segment("head", {rows});
  b.endSegment({m.head(head.args[0])});
  auto embedding = [&](Value x, Value subject) {
    Value h = b.run("embed", -1, {x, subject});
    for (int64_t i = 0; i < m.layers; ++i)
      h = b.run("layer", i, {h});
    return b.run("head", -1, {h});
  };
  auto in = b.schedule("forward", {"x", "subject"}, {x, subject});
  b.endSchedule({{"embedding", embedding(in[0], in[1])}});
  if (!c.hasWeight("logit_scale"))
    return;
  const int64_t gallery = c.integer("gallery", kGallery);
  if (gallery < kTop)
    return c.refuse("gallery", std::to_string(gallery), std::to_string(kTop) + " rows or more");
  b.intOption("ways", gallery);
  retrievalSegment(b, m.outputs, gallery, kTop);
  in = b.schedule("retrieval", {"x", "subject", "gallery", "ways"},
                  {x, subject, Builder::whole({gallery, m.outputs}), Builder::whole({1}, "I32")});
  const Value embedded = embedding(in[0], in[1]);
  auto found = b.runs("retrieve", -1, {embedded, in[2], in[3]}, 3);
  b.port("gallery", "ways d");
  b.port("cosine", "b ways");
  b.port("logits", "b ways");
  b.endSchedule(
      {{"embedding", embedded}, {"cosine", found[0]}, {"logits", found[1]}, {"top5", found[2]}});
}

PLX_FAMILY_PLUGIN("atm", "EEG encoders with channels as tokens (ATM)", build);
