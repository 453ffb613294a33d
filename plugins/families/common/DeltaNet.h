// Layers of gated delta rule (Yang et al., 2024): projections, a causal convolution over queries,
// keys and values, the recurrence, a gated norm of each head.
#pragma once

#include <plexus/family.hpp>
#include <plexus/ssm.hpp>

#include <cmath>
#include <vector>

namespace plexus::families {

struct DeltaNet {
  int64_t keyHeads = 0, heads = 0, keyDim = 0, valueDim = 0, kernel = 4;
  std::string activation = "silu"; ///< Behind the convolution.
  double normEps = 1e-6, betaScale = 1;

  int64_t keys() const { return keyHeads * keyDim; }
  int64_t values() const { return heads * valueDim; }
  int64_t channels() const { return 2 * keys() + values(); }

  /// Refuses shapes that there are no layers of.
  void check(const graph::Config &c) const {
    if (keyHeads < 1 || heads % keyHeads)
      c.refuse("linear_num_value_heads", std::to_string(heads),
               "a multiple of linear_num_key_heads");
    if (kernel < 2)
      c.refuse("linear_conv_kernel_dim", std::to_string(kernel), "2 and more");
  }

  void declare(graph::Builder &b) const {
    b.carryState("conv", {kernel - 1, channels()});
    b.carryState("delta_state", {heads, keyDim, valueDim});
  }

  /// Decay rates from the tensor `logarithms`.
  graph::Value rate(graph::Builder &b, const std::string &logarithms) const {
    return b.param(logarithms, graph::ssm::decayRates(b, b.source(logarithms)));
  }

  /// What a layer's projections give, and its weights.
  struct Inputs {
    graph::Value mixed;      ///< [T, channels]: queries, keys, values.
    graph::Value gate;       ///< [T, values]
    graph::Value step, beta; ///< [T, heads]
    graph::Value kernel;     ///< [K, channels]
    graph::Value rate, stepBias, norm;
  };

  /// [T, values].
  graph::Value build(graph::Builder &b, graph::Value batch, const Inputs &in) const {
    namespace ssm = graph::ssm;
    ssm::CausalConv conv;
    conv.state = b.state("conv");
    conv.activation = activation;
    auto mixed = ssm::causalConv(b, in.mixed, in.kernel, batch, conv);
    auto part = [&](int64_t begin, int64_t count, int64_t width) {
      return b.reshape(b.slice(mixed, begin, count * width), {count, width});
    };
    // Keys and queries of length one, queries by 1 / sqrt(keyDim) too: x / sqrt(sum x^2 + 1e-6).
    auto unit = [&](graph::Value x, const char *name, double factor) {
      std::vector<float> gain(keyDim, static_cast<float>(factor / std::sqrt(double(keyDim))));
      return b.rmsNorm(x, b.param(name, b.constant(gain, {keyDim})), 1e-6 / double(keyDim));
    };
    auto q = unit(part(0, keyHeads, keyDim), "query_gain", 1 / std::sqrt(double(keyDim)));
    auto k = unit(part(keys(), keyHeads, keyDim), "key_gain", 1);
    auto v = part(2 * keys(), heads, valueDim);
    auto y = ssm::deltaRule(b, q, k, v, in.step, in.beta, in.rate, in.stepBias, batch,
                            b.state("delta_state"), betaScale);
    auto normed = b.rmsNorm(y, in.norm, normEps);
    return b.reshape(b.glu(b.reshape(in.gate, {heads, valueDim}), normed, "silu"), {values()});
  }
};

/// Rows `name` [channels, 1, K] of a depthwise convolution as the op takes them: [K, channels].
inline graph::Recipe kernelOf(graph::Builder &b, graph::Recipe source, int64_t channels,
                              int64_t kernel) {
  return b.transpose(b.reshape(source, {channels, kernel}), {1, 0});
}

} // namespace plexus::families
