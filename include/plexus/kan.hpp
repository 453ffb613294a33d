// Kolmogorov-Arnold layers over the graph builder: learned functions on the edges.
//
//   namespace kan = plexus::graph::kan;
//   x = kan::bspline(b, x, kan::splineWeights(b, "layers.0."), {.order = 3});
//
// Inputs are [.., in], results [.., out]. docs/dialects/kan.md has the formulas.
#pragma once

#include <plexus/graph.hpp>

namespace plexus::graph::kan {

/// What a layer of B-splines reads: knots [n + order + 1, in], coefficients [in, n, out], and,
/// where there are, weights [in, out] of the base function and a bias [out].
struct Spline {
  Value grid, coef, base, bias;
};

struct SplineOptions {
  int64_t order = 3;
  std::string base = "silu"; ///< An activation; read where there are base weights.
};

/// sum_ij coef[i, j, o] B_j(x_i) + sum_i base[i, o] f(x_i) + bias[o] (Liu et al., 2024, 2.10-2.12).
/// Outside of its input's knots a spline is 0.
inline Value bspline(Builder &b, Value x, const Spline &s, const SplineOptions &options = {}) {
  return b.ops("kan.bspline", {x, s.grid, s.coef, s.base, s.bias}, 1,
               {{"order", options.order}, {"base_function", options.base}})[0];
}

/// The weights of a layer, as
/// efficient implementations store them: `<prefix>grid` [in, functions + order + 1],
/// `spline_weight` [out, in, functions], `base_weight` [out, in], and with `scaler` `spline_scaler`
/// [out, in], which multiplies the splines.
inline Spline splineWeights(Builder &b, const std::string &prefix, bool scaler = true,
                            bool base = true) {
  Spline s;
  s.grid = b.param(prefix + "knots", b.transpose(b.source(prefix + "grid"), {1, 0}));
  Recipe coef = b.source(prefix + "spline_weight");
  coef = scaler ? b.einsum("oij,oi->ijo", {coef, b.source(prefix + "spline_scaler")})
                : b.transpose(coef, {1, 2, 0});
  s.coef = b.param(prefix + "coef", coef);
  if (base)
    s.base = b.param(prefix + "base", b.transpose(b.source(prefix + "base_weight"), {1, 0}));
  return s;
}

/// sum_ij coef[i, j, o] exp(-((x_i - centers[j]) / width)^2) + bias[o] (Li, 2024). coef [in, n,
/// out].
inline Value rbf(Builder &b, Value x, Value centers, Value coef, double width, Value bias = {}) {
  return b.op("kan.rbf", {x, centers, coef, bias}, {{"width", width}});
}

/// sum_ij coef[i, j, o] T_j(tanh x_i) + bias[o] (Sidharth et al., 2024). coef [in, degree + 1,
/// out].
inline Value chebyshev(Builder &b, Value x, Value coef, Value bias = {}) {
  return b.op("kan.chebyshev", {x, coef, bias});
}

/// sum_ik coef[i, k - 1, o] cos(k x_i) + coef[i, K + k - 1, o] sin(k x_i) + bias[o] (Xu et al.,
/// 2024).
inline Value fourier(Builder &b, Value x, Value coef, Value bias = {}) {
  return b.op("kan.fourier", {x, coef, bias});
}

/// What a layer of wavelets reads, each [in, out] but for the bias [out]; base and bias may be
/// absent.
struct Wavelet {
  Value translation, scale, weight, base, bias;
};
/// sum_i weight psi((x_i - translation) / scale) + base x_i + bias (Bozorgasl & Chen, 2024). kind:
/// "mexican_hat", "morlet" or "dog".
inline Value wavelet(Builder &b, Value x, const Wavelet &w, const std::string &kind) {
  return b.ops("kan.wavelet", {x, w.translation, w.scale, w.weight, w.base, w.bias}, 1,
               {{"kind", kind}})[0];
}

/// Edges that are known functions: y_o = sum of a2 f(a0 x_i + a1) + a3 over those into o.
struct SymbolicEdges {
  std::vector<int64_t> inputs, outputs;
  std::vector<std::string> functions; ///< docs/dialects/kan.md lists them.
};
/// affine [edges, 4]; result [.., size].
inline Value symbolic(Builder &b, Value x, Value affine, const SymbolicEdges &edges, int64_t size) {
  std::string names;
  for (const std::string &name : edges.functions)
    names += (names.empty() ? "" : ",") + name;
  return b.ops("kan.symbolic", {x, affine}, 1,
               {{"inputs", edges.inputs},
                {"outputs", edges.outputs},
                {"functions", names},
                {"size", size}})[0];
}

/// (sum_m n[g, m] x^m) / (1 + |sum_m d[g, m - 1] x^m|) of groups g of channels (Yang & Wang, 2024).
/// numerator [groups or 1, M], denominator [groups, N].
inline Value rational(Builder &b, Value x, Value numerator, Value denominator) {
  return b.ops("kan.rational", {x, numerator, denominator}, 1)[0];
}

/// Channel c becomes functions[c] of it (Yang et al., 2024).
inline Value select(Builder &b, Value x, const std::vector<std::string> &functions) {
  std::string names;
  for (const std::string &name : functions)
    names += (names.empty() ? "" : ",") + name;
  return b.ops("kan.select", {x}, 1, {{"functions", names}})[0];
}

/// The first `sums` channels, then products of runs of `arity` of the others (Liu et al., 2024b).
inline Value multiply(Builder &b, Value x, int64_t sums, int64_t arity) {
  return b.ops("kan.multiply", {x}, 1, {{"sums", sums}, {"arity", arity}})[0];
}

/// x's channels columns[0], columns[1], ...
inline Value pick(Builder &b, Value x, const std::vector<int64_t> &columns) {
  return b.op("kan.pick", {x}, {{"columns", columns}});
}

/// Height and width.
struct Convolution {
  std::vector<int64_t> kernel, stride{1, 1}, padding{0, 0}, dilation{1, 1};
};
/// Windows of an image [B, C, H, W] as rows [B, Ho Wo, C Kh Kw]: any layer over them is its
/// convolutional form. Its result [B, Ho Wo, out] is an image again by `swap` and `reshape`.
inline Value patches(Builder &b, Value x, const Convolution &c, bool channelsLast = false) {
  return b.ops("kan.patches", {x}, 1,
               {{"kernel", c.kernel},
                {"stride", c.stride},
                {"padding", c.padding},
                {"dilation", c.dilation},
                {"channels_last", channelsLast}})[0];
}
/// The last two axes exchanged.
inline Value swap(Builder &b, Value x) { return b.ops("kan.swap", {x}, 1)[0]; }

} // namespace plexus::graph::kan
