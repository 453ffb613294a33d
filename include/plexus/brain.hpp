// Ops for brain decoders as functions over graph::Builder: convolutions and pools over maps
// [rows, channels, height, width], batch norm, subject layers, filters, retrieval. What the ops
// compute: docs/dialects/brain.md and docs/dialects/plx.md.
#pragma once

#include <plexus/graph.hpp>

#include <cmath>

namespace plexus::graph::brain {

/// How windows slide over the spatial axes of a map; empty lists are ones (strides, dilations) and
/// zeros (begin, end: places of padding).
struct Window {
  std::vector<int64_t> strides, dilations, begin, end;
  int64_t groups = 1; ///< Of convolutions: groups of channels that do not see each other.
};

inline void addWindow(std::vector<Attr> &attrs, const Window &w) {
  if (!w.strides.empty())
    attrs.emplace_back("strides", w.strides);
  if (!w.dilations.empty())
    attrs.emplace_back("dilations", w.dilations);
  if (!w.begin.empty())
    attrs.emplace_back("pads_begin", w.begin);
  if (!w.end.empty())
    attrs.emplace_back("pads_end", w.end);
}

/// Cross-correlation of x [N, C, S...] with w [O, C / groups, K...], plus bias [O].
inline Value conv(Builder &b, Value x, Value w, Value bias = {}, const Window &window = {}) {
  std::vector<Attr> attrs{{"groups", window.groups}};
  addWindow(attrs, window);
  return b.op("conv", {x, w, bias}, attrs);
}

/// "mean" or "max" over windows of the sizes `kernel`; places of padding do not count.
inline Value pool(Builder &b, Value x, const std::string &mode, const std::vector<int64_t> &kernel,
                  const Window &window = {}) {
  std::vector<Attr> attrs{{"mode", mode}, {"kernel", kernel}};
  addWindow(attrs, window);
  return b.op("pool_window", {x}, attrs);
}

/// scale[c] x[n, c, ...] + shift[c].
inline Value channelAffine(Builder &b, Value x, Value scale, Value shift) {
  return b.op("channel_affine", {x, scale, shift});
}

/// Batch norm of inference, from the tensors `prefix`.running_mean, .running_var and, with
/// `affine`, .weight and .bias. Factor and addend are recipes, which passes fold into convolutions.
inline Value batchNorm(Builder &b, Value x, const std::string &prefix, double eps,
                       bool affine = true) {
  Recipe scale = b.rsqrt(b.source(prefix + ".running_var"), eps);
  if (affine)
    scale = b.einsum("c,c->c", {scale, b.source(prefix + ".weight")});
  Recipe shift = b.scaled(b.einsum("c,c->c", {b.source(prefix + ".running_mean"), scale}), -1);
  if (affine)
    shift = b.sum({shift, b.source(prefix + ".bias")});
  return channelAffine(b, x, b.param(prefix + ".scale", scale), b.param(prefix + ".shift", shift));
}

/// Axes in another order; the row axis (0) stays.
inline Value permute(Builder &b, Value x, const std::vector<int64_t> &order) {
  return b.op("permute", {x}, {{"order", order}});
}

/// x[..., m, k] y[..., k, n], or y[..., n, k] transposed.
inline Value matmul(Builder &b, Value x, Value y, bool transposed = false) {
  return b.op("matmul", {x, y}, {{"transposed", transposed}});
}

/// log(max(x, min)).
inline Value log(Builder &b, Value x, double min) { return b.op("log", {x}, {{"min", min}}); }

/// softmax(q k^T / sqrt(headDim)) v for each row, q k v [N, tokens, heads * headDim].
inline Value attention(Builder &b, Value q, Value k, Value v, int64_t heads) {
  const std::vector<int64_t> shape = b.shape(q);
  if (shape.size() != 3 || heads < 1 || shape[2] % heads) {
    b.fail(3, "attention over " + std::to_string(heads) + " heads needs [N, tokens, width]");
    return q;
  }
  const int64_t tokens = shape[1], width = shape[2];
  auto split = [&](Value x) {
    return permute(b, b.reshape(x, {tokens, heads, width / heads}), {0, 2, 1, 3});
  };
  Value scores = matmul(b, split(q), split(k), true);
  const double scale = 1 / std::sqrt(double(width / heads));
  Value mixed = matmul(b, b.op("softmax", {b.scale(scores, scale)}), split(v));
  return b.reshape(permute(b, mixed, {0, 2, 1, 3}), {tokens, width});
}

/// Exponential moving standardisation of x [T, channels] with the factor `alpha`; the state is
/// [3, channels, 2] (none: each sequence of the batch starts afresh). A sequence's first sample is
/// its first mean, the first variance is 1; computed in double.
inline Value emaStandardize(Builder &b, Value x, Value batch, Value state = {}, double alpha = 0.01,
                            double eps = 1e-4) {
  return b.op("brain.ema_standardize", {x, batch, state}, {{"alpha", alpha}, {"eps", eps}});
}

} // namespace plexus::graph::brain
