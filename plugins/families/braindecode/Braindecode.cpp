// EEG nets by their braindecode names, constructor arguments and state dicts.
#include "Nets.h"

#include <plexus/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace plexus::families {

std::string readModule(const Config &c, const char *path, const char *otherwise) {
  static constexpr std::pair<const char *, const char *> kinds[] = {{"ELU", "elu"},
                                                                    {"GELU", "gelu"},
                                                                    {"ReLU", "relu"},
                                                                    {"SiLU", "silu"},
                                                                    {"Sigmoid", "sigmoid"},
                                                                    {"Tanh", "tanh"},
                                                                    {"LeakyReLU", "leaky_relu"},
                                                                    {"SELU", "selu"},
                                                                    {"Mish", "mish"},
                                                                    {"Softplus", "softplus"},
                                                                    {"ReLU6", "relu6"},
                                                                    {"Hardswish", "hard_swish"},
                                                                    {"Identity", "identity"},
                                                                    {"Square", "square"},
                                                                    {"SafeLog", "safe_log"}};
  std::string name = c.string(path, otherwise), known;
  if (size_t dot = name.rfind('.'); dot != std::string::npos)
    name = name.substr(dot + 1);
  for (auto [from, to] : kinds) {
    if (name == from)
      return to;
    known += (known.empty() ? "" : ", ") + std::string(from);
  }
  c.refuse(path, "'" + name + "'", known);
  return "identity";
}

Value activate(Builder &b, Value x, const std::string &kind) {
  if (kind == "square")
    return b.mul(x, x);
  if (kind == "safe_log")
    return brain::log(b, x, 1e-6);
  return kind == "identity" ? x : b.activation(x, kind);
}

std::string readPool(const Config &c, const char *path, const char *otherwise) {
  const std::string mode = c.string(path, otherwise);
  if (mode != "mean" && mode != "max")
    c.refuse(path, "'" + mode + "'", "mean, max");
  return mode;
}

Value firstLayer(const Net &net, Value x, bool batchNorm, int64_t stride) {
  Builder &b = net.b;
  if (!net.c.flag("split_first_layer", true)) {
    // [f, C, k, 1], over samples: the channels are the map's channels.
    const int64_t k = net.c.integer("filter_time_length"), f = net.c.integer("n_filters_time");
    Value w = b.param("conv_time.kernel",
                      b.reshape(b.source("conv_time.weight"), {f, net.channels, 1, k}));
    brain::Window window;
    window.strides = {1, stride};
    return brain::conv(b, b.reshape(x, {net.channels, 1, net.samples}), w,
                       batchNorm ? Value{} : b.param("conv_time.bias"), window);
  }
  const std::string prefix = "conv_time_spat.";
  const std::vector<int64_t> time = net.c.weightShape(prefix + "conv_time.weight"),
                             spat = net.c.weightShape(prefix + "conv_spat.weight");
  if (time.size() != 4 || spat.size() != 4) {
    b.fail(2, "conv_time_spat.conv_time.weight or conv_spat.weight is missing or no 4-D tensor");
    return x;
  }
  Value wt = b.param(prefix + "conv_time.kernel",
                     b.reshape(b.source(prefix + "conv_time.weight"), {time[0], 1, 1, time[2]}));
  Value ws = b.param(prefix + "conv_spat.kernel", b.reshape(b.source(prefix + "conv_spat.weight"),
                                                            {spat[0], spat[1], spat[3], 1}));
  x = brain::conv(b, x, wt, b.param(prefix + "conv_time.bias"));
  return brain::conv(b, x, ws, batchNorm ? Value{} : b.param(prefix + "conv_spat.bias"));
}

Value classifier(const Net &net, Value x) {
  Builder &b = net.b;
  const std::string name = "final_layer.conv_classifier";
  const std::vector<int64_t> map = b.shape(x);
  if (map.size() != 4)
    return x;
  // final_conv_length, or all that is left where that is "auto": its weight says which.
  const std::vector<int64_t> kernel = net.c.weightShape(name + ".weight");
  const int64_t length = kernel.size() == 4 ? kernel[2] * kernel[3] / map[2] : map[3];
  Value w = b.param(name + ".kernel",
                    b.reshape(b.source(name + ".weight"), {net.outputs, map[1], map[2], length}));
  Value y = brain::conv(b, x, w, b.param(name + ".bias"));
  const std::vector<int64_t> left = b.shape(y);
  if (left.size() != 4 || left[3] == 1)
    return b.reshape(y, {net.outputs});
  return b.reshape(y, {net.outputs, left[3]});
}

} // namespace plexus::families

using namespace plexus::families;

/// Samples of a window: n_times, or the window's seconds.
static int64_t readSamples(const Config &c) {
  if (auto n = c.optInt("n_times")) {
    c.inert({"input_window_seconds", "sfreq"});
    return *n;
  }
  return std::llround(c.number("input_window_seconds") * c.number("sfreq"));
}

static void build(const Config &c, Builder &b) {
  static constexpr std::pair<const char *, NetBuilder> nets[] = {
      {"EEGNet", eegNet},
      {"EEGNetv4", eegNet},
      {"ShallowFBCSPNet", shallowFbcspNet},
      {"Deep4Net", deep4Net},
      {"EEGConformer", nullptr}};
  const std::string name = c.string("architecture", "");
  std::string known;
  const auto *net = std::find_if(std::begin(nets), std::end(nets),
                                 [&](const auto &entry) { return name == entry.first; });
  for (auto [id, builder] : nets)
    known += (known.empty() ? "" : ", ") + std::string(id);
  if (net == std::end(nets))
    return c.refuse("architecture", "'" + name + "'", known);
  c.inert({"family", "drop_prob", "chs_info", "final_conv_length"});
  c.unusedWeights({"*.num_batches_tracked"});
  const Net facts{c, b, c.integer("n_chans"), readSamples(c), c.integer("n_outputs")};
  b.info("task", "graph");
  if (!net->second)
    return eegConformer(facts);
  auto segment = b.segment("net", {Builder::rows({facts.channels, facts.samples})});
  Value x = b.reshape(segment.args[0], {1, facts.channels, facts.samples});
  b.endSegment({net->second(facts, x)});
  auto in = b.schedule("forward", {"x"}, {Builder::rows({facts.channels, facts.samples})});
  b.endSchedule({{"y", b.run("net", -1, {in[0]})}});
}

PLX_FAMILY_PLUGIN("braindecode", "EEG decoders: EEGNet, ShallowFBCSPNet, Deep4Net, EEGConformer",
                  build);
