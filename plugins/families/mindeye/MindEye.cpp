// fMRI to image embeddings in the manner of MindEye (Scotti et al., 2023 and 2024): a ridge map for
// each subject's voxels, a residual backbone that all subjects share, and a contrastive head.
#include "../common/Sequences.h"
#include "../common/Shapes.h"

#include <plexus/family.hpp>
#include <plexus/plugin.hpp>

using namespace plexus::graph;
namespace families = plexus::families;

namespace {

struct MindEye {
  const Config &c;
  Builder &b;
  int64_t hidden = c.integer("hidden"), blocks = c.integer("blocks"), tokens = c.integer("tokens"),
          width = c.integer("clip_dim");
  std::string activation = families::readSequenceActivation(c, "activation");
  double eps = c.number("layer_norm_eps", 1e-5);

  Value affine(Value x, const std::string &name) {
    return b.linear(x, b.param(name + ".weight"), b.param(name + ".bias"));
  }
  /// Linear(gelu(LN(x))).
  Value mix(Value x, const std::string &norm, const std::string &linear) {
    Value h = b.layerNorm(x, b.param(norm + ".weight"), b.param(norm + ".bias"), eps);
    return affine(b.activation(h, activation), linear);
  }

  static std::string ridge(size_t subject) { return "ridge." + std::to_string(subject); }

  void segments(const std::vector<float> &voxels) {
    for (size_t s = 0; s < voxels.size(); ++s) {
      auto in = b.segment(ridge(s), {Builder::rows({static_cast<int64_t>(voxels[s])})});
      b.endSegment({affine(in.args[0], ridge(s))});
    }
    auto block = b.segment("block", {Builder::rows({hidden})});
    Value x = block.args[0];
    b.endSegment({b.add(x, mix(x, "backbone.{layer}.0", "backbone.{layer}.1"))});
    auto clip = b.segment("to_clip", {Builder::rows({hidden})});
    b.endSegment({b.reshape(affine(clip.args[0], "to_clip"), {tokens, width})});
    auto head = b.segment("contrastive", {Builder::rows({tokens, width})});
    Value h = head.args[0];
    for (const char *part : {"head.0", "head.1"})
      h = mix(h, std::string(part) + ".norm", std::string(part) + ".linear");
    b.endSegment({b.op("l2_normalize", {b.reshape(h, {tokens * width})}, {{"eps", 1e-12}})});
  }

  /// What runs where the option `subject` says so.
  void schedule(size_t subject, int64_t voxels) {
    const std::string name = "forward:subject=" + std::to_string(subject);
    auto in = b.schedule(name, {"x"}, {Builder::rows({voxels})});
    Value x = b.run(ridge(subject), -1, {in[0]});
    for (int64_t i = 0; i < blocks; ++i)
      x = b.run("block", i, {x});
    Value backbone = b.run("to_clip", -1, {x});
    b.endSchedule({{"backbone", backbone}, {"contrastive", b.run("contrastive", -1, {backbone})}});
  }
};

void build(const Config &c, Builder &b) {
  MindEye m{c, b};
  const std::vector<float> voxels = c.numbers("voxels");
  if (voxels.empty())
    return c.refuse("voxels", "empty", "the number of voxels of each subject");
  b.info("task", "graph");
  b.info("layers", m.blocks);
  b.requiredInt("subject", families::numbersUpTo(c, "voxels", static_cast<int64_t>(voxels.size())));
  m.segments(voxels);
  for (size_t s = 0; s < voxels.size(); ++s)
    m.schedule(s, static_cast<int64_t>(voxels[s]));
}

} // namespace

PLX_FAMILY_PLUGIN("mindeye", "fMRI to image embeddings, a ridge map for each subject (MindEye)",
                  build);
