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
  bool uniform = false; ///< Knots have equal steps, but for `order` at either end that may be 0.
};

/// sum_ij coef[i, j, o] B_j(x_i) + sum_i base[i, o] f(x_i) + bias[o] (Liu et al., 2024, 2.10-2.12).
/// Outside of its input's knots a spline is 0.
inline Value bspline(Builder &b, Value x, const Spline &s, const SplineOptions &options = {}) {
  return b.ops(
      "kan.bspline", {x, s.grid, s.coef, s.base, s.bias}, 1,
      {{"order", options.order}, {"base_function", options.base}, {"uniform", options.uniform}})[0];
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

/// The splines of one input at x: functions [knots - order - 1] by Cox and de Boor.
inline std::vector<double> splinesAt(const std::vector<double> &knots, int64_t order, double x) {
  std::vector<double> b(knots.size() - 1);
  for (size_t j = 0; j < b.size(); ++j)
    b[j] = knots[j] <= x && x < knots[j + 1];
  auto part = [](double a, double width, double value) {
    return width == 0 ? 0 : a / width * value;
  };
  for (int64_t p = 1; p <= order; ++p, b.pop_back())
    for (size_t j = 0; j + 1 < b.size(); ++j)
      b[j] = part(x - knots[j], knots[j + p] - knots[j], b[j]) +
             part(knots[j + p + 1] - x, knots[j + p + 1] - knots[j + 1], b[j + 1]);
  return b;
}

/// A table of a layer's edges in place of their splines: each is sampled at points + 1 places of
/// equal steps h from its input's first knot to its last, and is linear between them. Off by at
/// most h^2 / 8 times the largest second derivative of the edge; two rows of weights are read of an
/// input, whatever the order. knots [in, n + order + 1] in numbers, coef a recipe [in, n, out]. To
/// be run with tableOptions().
inline Spline table(Builder &b, const std::string &name, const std::vector<float> &knots,
                    int64_t in, int64_t order, Recipe coef, int64_t points) {
  const int64_t count = static_cast<int64_t>(knots.size()) / in, functions = count - order - 1;
  std::vector<float> grid((points + 3) * in), samples;
  for (int64_t i = 0; i < in; ++i) {
    const std::vector<double> own(knots.begin() + i * count, knots.begin() + (i + 1) * count);
    const double begin = own.front(), end = own.back();
    for (int64_t p = 0; p <= points; ++p) {
      // The last place belongs to no interval: what the edge has just before it.
      const double x = p < points ? begin + (end - begin) * p / points : end - (end - begin) * 1e-9;
      std::vector<double> values = splinesAt(own, order, x);
      samples.insert(samples.end(), values.begin(), values.begin() + functions);
      grid[(p + 1) * in + i] = static_cast<float>(p < points ? x : end);
    }
    grid[i] = grid[in + i]; // both ends twice: nothing outside of them
    grid[(points + 2) * in + i] = grid[(points + 1) * in + i];
  }
  Recipe basis = b.constant(samples, {in, points + 1, functions});
  return {b.param(name + ".places", b.constant(grid, {points + 3, in})),
          b.param(name + ".samples", b.einsum("ipj,ijo->ipo", {basis, coef})),
          {},
          {}};
}
/// How a table is run: as splines of degree one over equal steps.
inline SplineOptions tableOptions(const std::string &base = "silu") { return {1, base, true}; }

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
