// Tokenizers of EEG and ECoG windows after LaBraM (Jiang et al., 2024): patches of each channel
// through temporal convolutions and a transformer, then the nearest codes of one codebook, or of
// several in a cascade (residual quantisation). docs/decode-eeg.md has the config and the tensors.
#include "../common/Sequences.h"
#include "../common/Shapes.h"

#include <plexus/brain.hpp>
#include <plexus/family.hpp>
#include <plexus/plugin.hpp>

using namespace plexus::graph;
namespace families = plexus::families;

namespace {

/// The model's sizes and layers, by the names of its tensors.
struct Tokenizer {
  const Config &c;
  Builder &b;
  int64_t channels = c.integer("channels"), patches = c.integer("patches"),
          patch = c.integer("patch_size"), width = c.integer("d_model"),
          layers = c.integer("layers"), heads = c.integer("heads"),
          codeWidth = c.integer("code_dim"), codes = c.integer("codes"),
          books = c.integer("codebooks", 1);
  int64_t groups = c.integer("norm_groups", 0), convolutions = c.size("conv_filters");
  std::string activation = families::readSequenceActivation(c, "activation");
  double eps = c.number("layer_norm_eps", 1e-5), groupEps = c.number("group_norm_eps", 1e-5);
  bool summary = c.hasWeight("summary_token");
  int64_t tokens = channels * patches, all = tokens + summary;

  Value optional(const std::string &name, const std::string &first) {
    return c.hasWeight(first) ? b.param(name) : Value{};
  }
  Value affine(Value v, const std::string &name) {
    return b.linear(v, b.param(name + ".weight"), b.param(name + ".bias"));
  }
  Value norm(Value v, const std::string &name) {
    return b.layerNorm(v, b.param(name + ".weight"), b.param(name + ".bias"), eps);
  }

  /// [N, filters, tokens, samples]: each group of filters has mean 0 and variance 1 over the whole
  /// window.
  Value groupNorm(Value v, const std::string &name) {
    const std::vector<int64_t> map = b.shape(v);
    if (map.size() != 4 || groups < 1 || map[1] % groups) {
      b.fail(3, "norm_groups " + std::to_string(groups) + " must divide the filters of " + name);
      return v;
    }
    const int64_t size = map[1] / groups * map[2] * map[3];
    const Value ones = b.param(
        name + ".ones", b.constant(std::vector<float>(static_cast<size_t>(size), 1.0f), {size}));
    v = b.layerNorm(b.reshape(v, {groups, size}), ones, {}, groupEps);
    return brain::channelAffine(b, b.reshape(v, {map[1], map[2], map[3]}),
                                b.param(name + ".weight"), b.param(name + ".bias"));
  }

  /// x [N, channels, samples] to vectors of patches [N, channels * patches, width].
  Value encodePatches(Value x) {
    Value v = b.reshape(x, {1, tokens, patch});
    for (int64_t i = 0; i < convolutions; ++i) {
      const std::string number = std::to_string(i), name = "patch." + number;
      const int64_t filters = c.integer("conv_filters." + number),
                    kernel = c.integer("conv_kernels." + number),
                    stride = c.integer("conv_strides." + number, 1),
                    padding = c.integer("conv_paddings." + number, 0),
                    inputs = b.shape(v).size() == 4 ? b.shape(v)[1] : 1;
      families::expectShape(c, b, name + ".conv.weight", {filters, inputs, 1, kernel},
                            "conv_filters and conv_kernels");
      brain::Window window{{1, stride}, {}, {0, padding}, {0, padding}};
      v = brain::conv(b, v, b.param(name + ".conv.weight"),
                      optional(name + ".conv.bias", name + ".conv.bias"), window);
      if (groups > 0)
        v = groupNorm(v, name + ".norm");
      v = b.activation(v, activation);
    }
    const std::vector<int64_t> map = b.shape(v);
    if (map.size() != 4)
      return v;
    // A patch's vector: its samples, of each all filters.
    v = b.reshape(brain::permute(b, v, {0, 2, 3, 1}), {tokens, map[3] * map[1]});
    if (c.hasWeight("patch_proj.weight"))
      return affine(v, "patch_proj");
    if (map[3] * map[1] != width)
      c.refuse("d_model", std::to_string(width),
               std::to_string(map[3] * map[1]) + " where there is no patch_proj.weight");
    return v;
  }

  /// Where each patch is: what belongs to its channel and to its place in time.
  Value addPositions(Value v) {
    auto spread = [&](const std::string &name, const char *axes, int64_t other) {
      Recipe ones = b.constant(std::vector<float>(static_cast<size_t>(other), 1.0f), {other});
      return b.reshape(b.einsum(axes, {b.source(name), ones}), {tokens, width});
    };
    std::vector<Recipe> parts;
    if (c.hasWeight("channel_embed"))
      parts.push_back(spread("channel_embed", "cd,p->cpd", patches));
    if (c.hasWeight("time_embed"))
      parts.push_back(spread("time_embed", "pd,c->cpd", channels));
    if (parts.empty())
      return v;
    return b.add(v, b.param("positions", parts.size() > 1 ? b.sum(parts) : parts[0]));
  }

  /// [N, tokens, width] with the summary's token in front.
  Value withSummary(Value v) {
    if (!summary)
      return v;
    Recipe token = b.reshape(b.source("summary_token"), {width});
    Value zeros = b.scale(b.slice(b.reshape(v, {tokens * width}), 0, width), 0.0);
    Value first = b.add(zeros, b.param("summary_token.row", token));
    return b.reshape(b.concat({first, b.reshape(v, {tokens * width})}), {all, width});
  }

  /// h + gamma1 out_proj(attention(norm1 h)), then + gamma2 linear2 act(linear1 norm2 h).
  Value layer(Value h) {
    const std::string p = "blocks.{layer}.", a = p + "attn.", first = "blocks.0.";
    const bool biased = c.hasWeight(first + "attn.in_proj_bias");
    const Value inner = norm(h, p + "norm1");
    auto part = [&](int64_t which) {
      const std::string name = a + "in_proj." + std::to_string(which);
      Recipe w = b.slice(b.source(a + "in_proj_weight"), 0, which * width, width);
      Value bias = biased ? b.param(name + ".bias",
                                    b.slice(b.source(a + "in_proj_bias"), 0, which * width, width))
                          : Value{};
      return b.linear(inner, b.param(name + ".weight", w), bias);
    };
    auto scaled = [&](Value v, const std::string &name) {
      return c.hasWeight(first + name) ? b.mul(v, b.param(p + name)) : v;
    };
    const Value mixed = brain::attention(b, part(0), part(1), part(2), heads);
    h = b.add(h, scaled(affine(mixed, a + "out_proj"), "gamma1"));
    Value v = b.activation(affine(norm(h, p + "norm2"), p + "linear1"), activation);
    return b.add(h, scaled(affine(v, p + "linear2"), "gamma2"));
  }

  /// The patches' numbers in the codebooks [N, channels, patches, books], and the codes' sums.
  std::pair<Value, Value> quantize(Value h) {
    h = norm(h, "norm");
    if (summary)
      h = b.reshape(b.slice(b.reshape(h, {all * width}), width, tokens * width), {tokens, width});
    h = affine(
        b.activation(affine(h, "head.0"), families::readSequenceActivation(c, "head_activation")),
        "head.1");
    const std::string distance = c.string("distance", "cosine");
    if (distance != "cosine" && distance != "euclidean")
      c.refuse("distance", "'" + distance + "'", "cosine, euclidean");
    h = b.reshape(h, {channels, patches, codeWidth});
    auto made = brain::vectorQuantize(b, h, b.param("codebooks"), distance == "cosine");
    return {made.codes, made.rows};
  }
};

void build(const Config &c, Builder &b) {
  Tokenizer m{c, b};
  c.inert({"family"});
  if (m.convolutions < 1)
    c.refuse("conv_filters", "empty", "one convolution or more");
  for (const char *field : {"conv_kernels", "conv_strides", "conv_paddings"})
    if (c.size(field) >= 0 && c.size(field) != m.convolutions)
      c.refuse(field, std::to_string(c.size(field)) + " numbers",
               std::to_string(m.convolutions) + ", as many as conv_filters");
  families::expectShape(c, b, "codebooks", {m.books, m.codes, m.codeWidth},
                        "codebooks, codes and code_dim");
  b.info("task", "graph");
  b.info("layers", m.layers);
  const Arg x = Builder::rows({m.channels, m.patches * m.patch}),
            rows = Builder::rows({m.all, m.width});
  auto embed = b.segment("embed", {x});
  b.endSegment({m.withSummary(m.addPositions(m.encodePatches(embed.args[0])))});
  if (m.layers > 0) {
    auto layer = b.segment("layer", {rows});
    b.endSegment({m.layer(layer.args[0])});
  }
  auto head = b.segment("quantize", {rows});
  auto [numbers, sums] = m.quantize(head.args[0]);
  b.endSegment({numbers, sums});
  auto in = b.schedule("forward", {"x"}, {x});
  Value h = b.run("embed", -1, {in[0]});
  for (int64_t i = 0; i < m.layers; ++i)
    h = b.run("layer", i, {h});
  auto out = b.runs("quantize", -1, {h}, 2);
  b.endSchedule({{"codes", out[0]}, {"quantized", out[1]}});
}

} // namespace

PLX_FAMILY_PLUGIN("neural-tokenizer", "Tokenizers of EEG and ECoG windows (VQ and RVQ)", build);
