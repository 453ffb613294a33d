// The mixers of Mamba (Gu & Dao, 2023) and Mamba-2 (Dao & Gu, 2024), as their families and hybrids
// use them: projection, causal convolution, scan, gate, projection.
#pragma once

#include "Activation.h"

#include <plexus/ssm.hpp>

#include <limits>

namespace plexus::families {

namespace mamba {
using graph::Builder;
using graph::Config;
using graph::Value;

/// The depthwise convolution `<prefix>conv1d` [channels, 1, kernel] over x, with its state.
inline Value conv(Builder &b, const std::string &prefix, Value x, Value batch, int64_t channels,
                  int64_t kernel, bool bias, const std::string &activation) {
  const std::string name = prefix + "conv1d.weight";
  auto weight = b.param(name, b.transpose(b.reshape(b.source(name), {channels, kernel}), {1, 0}));
  return graph::ssm::causalConv(b, x, weight, batch,
                                {.bias = bias ? b.param(prefix + "conv1d.bias") : Value(),
                                 .state = kernel > 1 ? b.state("conv") : Value(),
                                 .activation = activation});
}

inline Value linear(Builder &b, const std::string &name, Value x, bool bias) {
  auto weight = b.param(name + ".weight");
  return b.linear(x, weight, bias ? b.param(name + ".bias") : Value());
}

/// RMS norm without a gain.
inline Value plainNorm(Builder &b, Value x, int64_t size, double eps) {
  auto ones = b.constant(std::vector<float>(size, 1.0f), {size});
  return b.rmsNorm(x, b.param("ones." + std::to_string(size), ones), eps);
}
} // namespace mamba

/// arXiv:2312.00752.
struct Mamba {
  int64_t inner = 0, entries = 0, rank = 0, kernel = 0;
  std::string activation = "silu"; ///< Of the convolution; the gate is silu.
  bool convBias = true, bias = false;
  enum class Norms { None, Plain, Gain } norms = Norms::None; ///< Of delta, B and C.
  double normEps = 1e-6;

  void declare(graph::Builder &b) const {
    if (kernel > 1)
      b.carryState("conv", {kernel - 1, inner});
    b.carryState("scan", {entries, inner});
  }

  /// h [T, hidden] to [T, hidden]; weights' names begin with `prefix`.
  graph::Value build(graph::Builder &b, const std::string &prefix, graph::Value h,
                     graph::Value batch) const {
    auto both = mamba::linear(b, prefix + "in_proj", h, bias);
    auto x =
        mamba::conv(b, prefix, b.slice(both, 0, inner), batch, inner, kernel, convBias, activation);
    auto parts = mamba::linear(b, prefix + "x_proj", x, false);
    auto part = [&](int64_t begin, int64_t size, const char *name) {
      auto y = b.slice(parts, begin, size);
      if (norms == Norms::Plain)
        return mamba::plainNorm(b, y, size, normEps);
      return norms == Norms::Gain
                 ? b.rmsNorm(y, b.param(prefix + name + "_layernorm.weight"), normEps)
                 : y;
    };
    auto low = part(0, rank, "dt"), bRows = part(rank, entries, "b"),
         cRows = part(rank + entries, entries, "c");
    auto delta = b.linear(low, b.param(prefix + "dt_proj.weight"));
    const std::string a = prefix + "A_log";
    auto rate = b.param(a, b.transpose(graph::ssm::decayRates(b, b.source(a)), {1, 0}));
    auto y = graph::ssm::selectiveScan(b, x, delta, rate, bRows, cRows, batch,
                                       {.deltaBias = b.param(prefix + "dt_proj.bias"),
                                        .skip = b.param(prefix + "D"),
                                        .state = b.state("scan")});
    y = b.tap(b.glu(b.slice(both, inner, inner), y, "silu"), "mixer.gated");
    return mamba::linear(b, prefix + "out_proj", y, bias);
  }
};

/// arXiv:2405.21060.
struct Mamba2 {
  int64_t heads = 0, headDim = 0, groups = 0, entries = 0, kernel = 0;
  std::string activation = "silu"; ///< Of the convolution; the gate is silu.
  bool convBias = true, bias = false;
  double deltaMin = 0, deltaMax = std::numeric_limits<double>::infinity();
  double normEps = 1e-5;

  int64_t inner() const { return heads * headDim; }
  int64_t channels() const { return inner() + 2 * groups * entries; }

  void declare(graph::Builder &b) const {
    if (kernel > 1)
      b.carryState("conv", {kernel - 1, channels()});
    b.carryState("scan", {heads, entries, headDim});
  }

  /// Gated RMS norm, each group of channels for itself.
  graph::Value norm(graph::Builder &b, const std::string &prefix, graph::Value y,
                    graph::Value gate) const {
    auto gain = b.param(prefix + "norm.weight");
    auto gated = b.glu(gate, y, "silu");
    if (groups == 1)
      return b.rmsNorm(gated, gain, normEps);
    const int64_t size = inner() / groups;
    auto normed = mamba::plainNorm(b, b.reshape(gated, {groups, size}), size, normEps);
    return b.mul(b.reshape(normed, {inner()}), gain);
  }

  graph::Value build(graph::Builder &b, const std::string &prefix, graph::Value h,
                     graph::Value batch) const {
    auto all = mamba::linear(b, prefix + "in_proj", h, bias);
    auto gate = b.slice(all, 0, inner()), delta = b.slice(all, inner() + channels(), heads);
    auto mixed = mamba::conv(b, prefix, b.slice(all, inner(), channels()), batch, channels(),
                             kernel, convBias, activation);
    auto part = [&](int64_t begin) {
      return b.reshape(b.slice(mixed, begin, groups * entries), {groups, entries});
    };
    const std::string a = prefix + "A_log";
    auto y = graph::ssm::ssd(b, b.reshape(b.slice(mixed, 0, inner()), {heads, headDim}), delta,
                             b.param(a, graph::ssm::decayRates(b, b.source(a))), part(inner()),
                             part(inner() + groups * entries), batch,
                             {.deltaBias = b.param(prefix + "dt_bias"),
                              .skip = b.param(prefix + "D"),
                              .state = b.state("scan"),
                              .deltaMin = deltaMin,
                              .deltaMax = deltaMax});
    y = b.tap(norm(b, prefix, b.reshape(y, {inner()}), gate), "mixer.gated");
    return mamba::linear(b, prefix + "out_proj", y, bias);
  }
};

/// The step size's limits of config field `path`: [least, most].
inline void readDeltaLimits(const graph::Config &c, const std::string &path, Mamba2 &m) {
  if (c.size(path) < 0)
    return;
  m.deltaMin = c.number(path + ".0");
  m.deltaMax = c.number(path + ".1");
}

/// Fields of both that say how weights were made before training, or which of equal ways to
/// compute.
inline void inertMambaFields(const graph::Config &c) {
  c.inert({"initializer_range", "rescale_prenorm_residual", "residual_in_fp32", "time_step_rank",
           "time_step_scale", "time_step_min", "time_step_max", "time_step_init_scheme",
           "time_step_floor", "use_mambapy", "use_falcon_mambapy", "use_associative_scan",
           "use_mamba_kernels", "chunk_size", "mamba_chunk_size", "num_logits_to_keep"});
}

} // namespace plexus::families
