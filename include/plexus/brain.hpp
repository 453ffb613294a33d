// Ops for brain decoders as functions over graph::Builder: convolutions and pools over maps
// [rows, channels, height, width], batch norm, subject layers, filters, retrieval. What the ops
// compute: docs/dialects/brain.md and docs/dialects/plx.md.
#pragma once

#include <plexus/filters.hpp>
#include <plexus/graph.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <numbers>

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

/// A bank of `parts` matrices of rows [columns, K], laid out as switchedLinear takes it: each
/// part padded to a multiple of 64 rows, which are not read.
inline Recipe bank(Builder &b, Recipe matrices, int64_t parts, int64_t columns, int64_t inputs) {
  const int64_t padded = (columns + 63) / 64 * 64;
  std::vector<Recipe> rows{matrices};
  for (int64_t missing = padded - columns; missing > 0; missing -= columns)
    rows.push_back(b.scaled(b.slice(matrices, 1, 0, missing < columns ? missing : columns), 0.0));
  Recipe all = rows.size() > 1 ? b.concat(1, rows) : matrices;
  return b.reshape(all, {parts * padded, inputs});
}

/// A layer for each subject, session or day, picked by each row: x [T, ..., K], index [T] (I32),
/// weight a `bank`, bias [parts, columns] or none; [T, ..., columns].
inline Value switchedLinear(Builder &b, Value x, Value index, Value weight, Value bias,
                            int64_t parts, int64_t columns) {
  return b.op("brain.switched_linear", {x, index, weight, bias},
              {{"parts", parts}, {"columns", columns}});
}

/// Row t of the one of `values` that index [T] names: what `switchedLinear` is made of where a
/// graph has the layers one by one.
inline Value choose(Builder &b, Value index, const std::vector<Value> &values) {
  std::vector<plx_value> ids{index.id};
  for (Value value : values)
    ids.push_back(value.id);
  Value out;
  b.api->op(b.g, "brain.choose", ids.data(), ids.size(), nullptr, 0, &out.id, 1);
  return out;
}

/// What belongs to a sequence, for each of its tokens: [S, ...] to [T, ...]; I32 [S] too.
inline Value ofSequence(Builder &b, Value x, Value batch) {
  return b.op("brain.of_sequence", {x, batch});
}

/// The tokens at t - before + j dilation for j = 0 .. taps - 1, side by side: [T, taps C]. Zeros
/// where the sequence has none; whole sequences.
inline Value context(Builder &b, Value x, Value batch, int64_t taps, int64_t dilation,
                     int64_t before) {
  return b.op("brain.context", {x, batch},
              {{"taps", taps}, {"dilation", dilation}, {"before", before}});
}

/// A weight [out, in, taps] of a convolution as the product behind `context` takes it.
inline Recipe contextWeight(Builder &b, Recipe weight, int64_t out, int64_t in, int64_t taps) {
  return b.reshape(b.transpose(weight, {0, 2, 1}), {out, taps * in});
}

/// Virtual channels by attention over sensors (Défossez et al., 2023): x [T, sensors], positions
/// [sensors, 2] in [0, 1], cos and sin [K, K, channels], count [1] (I32) or none: so many of the
/// sensors are there. [T, channels].
inline Value sensorAttention(Builder &b, Value x, Value positions, Value cos, Value sin,
                             Value count = {}) {
  return b.op("brain.sensor_attention", {x, positions, cos, sin, count});
}

struct Retrieved {
  Value cosine, top; ///< [T, G], and [T, topK] I32, best first
};
/// Cosines of x [T, D] with the rows of a gallery [G, D], of which `count` [1] (I32) are there.
inline Retrieved retrieve(Builder &b, Value x, Value gallery, Value count, int64_t topK) {
  const std::vector<Attr> attrs{{"top_k", topK}};
  auto made = count ? b.ops("brain.retrieve", {x, gallery, count}, 2, attrs)
                    : b.ops("brain.retrieve", {x, gallery}, 2, attrs);
  return {made[0], made[1]};
}

/// x exp(s) with a learned s [1]: logits of contrastive models.
inline Value temperature(Builder &b, Value x, Value s) { return b.op("brain.temperature", {x, s}); }

/// Greedy CTC: logits [T, labels] to ids [T] (I32), those of a sequence first, then -1. `state`:
/// a carry state [1], or none.
inline Value ctcCollapse(Builder &b, Value logits, Value batch, int64_t blank, Value state = {}) {
  return b.op("brain.ctc_collapse", {logits, batch, state}, {{"blank", blank}});
}

struct Quantized {
  Value rows, codes; ///< [T, ..., D], and [T, ..., Q] I32
};
/// The nearest codes of x [T, ..., D] in codebooks [Q, K, D], one after another on what is left; by
/// angle where `cosine`.
inline Quantized vectorQuantize(Builder &b, Value x, Value codebooks, bool cosine = false) {
  auto made = b.ops("brain.vector_quantize", {x, codebooks}, 2, {{"cosine", cosine}});
  return {made[0], made[1]};
}

//===--- Filters: rows are samples [T, channels] ---===//

/// Filters that run side by side: as many sections in each.
using FilterBank = std::vector<filters::Sections>;

/// The bank's numbers as builder calls take doubles: their bits.
inline std::vector<int64_t> bitsOf(const FilterBank &bank) {
  std::vector<int64_t> bits;
  for (const filters::Sections &filter : bank)
    for (const filters::Section &section : filter)
      for (double value : section)
        bits.push_back(std::bit_cast<int64_t>(value));
  return bits;
}

/// Shape of the carry state of `sosFilter` over `channels`.
inline std::vector<int64_t> filterState(const FilterBank &bank, int64_t channels,
                                        bool steady = false) {
  const auto filters = static_cast<int64_t>(bank.size()),
             sections = static_cast<int64_t>(bank.empty() ? 0 : bank[0].size());
  return {2 * sections + steady, filters * channels, 2};
}

/// Each filter of the bank over each channel of x [T, C], causally and in double: [T, filters C],
/// filter by filter. `state`: b.carryState of filterState(), or none: sequences start afresh.
/// `steady`: from the steady state of a sequence's first sample instead of zeros.
inline Value sosFilter(Builder &b, Value x, Value batch, const FilterBank &bank, Value state = {},
                       bool steady = false) {
  return b.op(
      "brain.sos_filter", {x, batch, state},
      {{"sos", bitsOf(bank)}, {"filters", static_cast<int64_t>(bank.size())}, {"steady", steady}});
}

/// The same forward and backward over whole sequences, which `extension` ("odd", "even",
/// "constant") lengthens by `padding` samples at either end; padding < 0: the default of the bank's
/// first filter.
inline Value sosFiltFilt(Builder &b, Value x, Value batch, const FilterBank &bank,
                         int64_t padding = -1, const std::string &extension = "odd") {
  if (padding < 0)
    padding = bank.empty() ? 0 : filters::defaultPadding(bank[0]);
  return b.op("brain.sos_filtfilt", {x, batch},
              {{"sos", bitsOf(bank)},
               {"filters", static_cast<int64_t>(bank.size())},
               {"padding", padding},
               {"extension", extension}});
}

/// start + step * position of each row, [T].
inline Value times(Builder &b, Value batch, double start, double step) {
  return b.op("brain.times", {batch}, {{"start", start}, {"step", step}});
}

/// Covariance of the channels over each sequence, [S, C, C]; `center`: less their means.
/// `shrinkage` in [0, 1] towards a multiple of the identity.
inline Value covariance(Builder &b, Value x, Value batch, bool center = true,
                        double shrinkage = 0) {
  return b.op("brain.covariance", {x, batch}, {{"center", center}, {"shrinkage", shrinkage}});
}

/// Logarithms of symmetric matrices [rows, C, C], of eigenvalues no less than `floor`.
inline Value matrixLog(Builder &b, Value x, double floor = 1e-10) {
  return b.op("brain.matrix_log", {x}, {{"floor", floor}});
}

/// The upper triangles of symmetric matrices [rows, C, C] row by row, what is off the diagonal
/// times sqrt 2 so that lengths stay: [rows, C (C + 1) / 2].
inline Value triangles(Builder &b, Value x, const std::string &name) {
  const int64_t channels = b.shape(x).back();
  std::vector<int64_t> columns;
  std::vector<float> factors;
  for (int64_t i = 0; i < channels; ++i)
    for (int64_t j = i; j < channels; ++j) {
      columns.push_back(i * channels + j);
      factors.push_back(i == j ? 1 : std::numbers::sqrt2_v<float>);
    }
  const auto size = static_cast<int64_t>(columns.size());
  Value flat = b.op("kan.pick", {b.reshape(x, {channels * channels})}, {{"columns", columns}});
  return b.mul(flat, b.param(name, b.constant(factors, {size})));
}

//===--- Linear maps over channels and windows ---===//

/// A matrix [rows, columns], row-major.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<float> values;
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), values(rows * columns) {}
  float &at(int64_t row, int64_t column) { return values[row * columns + column]; }
};

/// x [.., columns] times the matrix transposed: [.., rows]. Passes merge it with the products and
/// convolutions beside it.
inline Value apply(Builder &b, Value x, const std::string &name, const Matrix &m) {
  return b.linear(x, b.param(name, b.constant(m.values, {m.rows, m.columns})));
}

/// The same over the channels of windows x [rows, columns, samples]: [rows, m.rows, samples].
inline Value mixChannels(Builder &b, Value x, const std::string &name, const Matrix &m) {
  const std::vector<int64_t> shape = b.shape(x);
  if (shape.size() != 3 || shape[1] != m.columns) {
    b.fail(3, name + " mixes " + std::to_string(m.columns) + " channels of [rows, C, samples]");
    return x;
  }
  Value w = b.param(name, b.constant(m.values, {m.rows, m.columns, 1, 1}));
  return b.reshape(conv(b, b.reshape(x, {m.columns, 1, shape[2]}), w), {m.rows, shape[2]});
}

/// Less the mean of all channels.
inline Matrix averageReference(int64_t channels) {
  Matrix m(channels, channels);
  for (int64_t i = 0; i < channels; ++i)
    for (int64_t j = 0; j < channels; ++j)
      m.at(i, j) = static_cast<float>((i == j) - 1.0 / double(channels));
  return m;
}

/// Less the mean of the channels `references` (one electrode, or two mastoids).
inline Matrix channelReference(int64_t channels, const std::vector<int64_t> &references) {
  Matrix m(channels, channels);
  for (int64_t i = 0; i < channels; ++i) {
    m.at(i, i) = 1;
    for (int64_t r : references)
      m.at(i, r) -= static_cast<float>(1.0 / double(references.size()));
  }
  return m;
}

/// Differences of pairs of channels.
inline Matrix bipolar(int64_t channels, const std::vector<std::array<int64_t, 2>> &pairs) {
  Matrix m(static_cast<int64_t>(pairs.size()), channels);
  for (size_t i = 0; i < pairs.size(); ++i) {
    m.at(static_cast<int64_t>(i), pairs[i][0]) += 1;
    m.at(static_cast<int64_t>(i), pairs[i][1]) -= 1;
  }
  return m;
}

/// Each channel less the mean of its neighbours (Hjorth, 1975); a channel without any stays.
inline Matrix laplacian(const std::vector<std::vector<int64_t>> &neighbours) {
  const auto channels = static_cast<int64_t>(neighbours.size());
  Matrix m(channels, channels);
  for (int64_t i = 0; i < channels; ++i) {
    m.at(i, i) = 1;
    for (int64_t j : neighbours[i])
      m.at(i, j) -= static_cast<float>(1.0 / double(neighbours[i].size()));
  }
  return m;
}

/// A periodic window of `size` samples: "hann", "hamming", "blackman" or "boxcar".
inline std::vector<double> window(const std::string &kind, int64_t size) {
  std::vector<double> w(size, 1.0);
  for (int64_t i = 0; i < size && kind != "boxcar"; ++i) {
    const double turn = 2 * std::numbers::pi * double(i) / double(size);
    w[i] = kind == "hamming"    ? 0.54 - 0.46 * std::cos(turn)
           : kind == "blackman" ? 0.42 - 0.5 * std::cos(turn) + 0.08 * std::cos(2 * turn)
                                : 0.5 - 0.5 * std::cos(turn);
  }
  return w;
}

/// How a window of samples becomes a spectrum.
struct Spectrum {
  int64_t size = 128;          ///< Samples of a window.
  std::string window = "hann"; ///< Of brain::window.
  bool detrend = false;        ///< Less the window's mean, before anything else.
  bool density = false;        ///< Squares sum to a density (rate needed), not to a spectrum.
  double rate = 1;             ///< Samples a second.

  int64_t bins() const { return size / 2 + 1; }
  double step() const { return rate / double(size); }
  std::vector<float> frequencies() const {
    std::vector<float> f;
    for (int64_t k = 0; k < bins(); ++k)
      f.push_back(static_cast<float>(double(k) * step()));
    return f;
  }
  /// [2 bins, size]: real parts of all bins, then imaginary ones. A spectrum is divided by the
  /// window's sum (scipy.signal.stft); the squares of a density's parts sum to the one-sided power
  /// per Hz (scipy.signal.welch).
  Matrix matrix() const {
    const std::vector<double> w = brain::window(window, size);
    double sum = 0, squares = 0;
    for (double v : w) {
      sum += v;
      squares += v * v;
    }
    Matrix m(2 * bins(), size);
    for (int64_t k = 0; k < 2 * bins(); ++k) {
      const int64_t bin = k % bins();
      const bool twice = density && bin > 0 && 2 * bin < size;
      const double scale = density ? std::sqrt((twice ? 2 : 1) / (rate * squares)) : 1 / sum;
      double mean = 0;
      std::vector<double> row(size);
      for (int64_t i = 0; i < size; ++i) {
        const double turn = 2 * std::numbers::pi * double(bin * i % size) / double(size);
        row[i] = scale * w[i] * (k < bins() ? std::cos(turn) : -std::sin(turn));
        mean += row[i] / double(size);
      }
      for (int64_t i = 0; i < size; ++i)
        m.at(k, i) = static_cast<float>(row[i] - (detrend ? mean : 0));
    }
    return m;
  }
  /// [bands, bins]: the integral from lo to hi (both inclusive, Hz) by the trapezoid rule.
  Matrix bands(const std::vector<std::array<double, 2>> &edges) const {
    Matrix m(static_cast<int64_t>(edges.size()), bins());
    for (int64_t band = 0; band < m.rows; ++band)
      for (int64_t k = 0; k + 1 < bins(); ++k)
        if (double(k) * step() >= edges[band][0] && double(k + 1) * step() <= edges[band][1])
          for (int64_t end : {k, k + 1})
            m.at(band, end) += static_cast<float>(step() / 2);
    return m;
  }
};

/// |spectrum|^2 of x [.., 2 bins], real parts and then imaginary ones: [.., bins].
inline Value power(Builder &b, Value x, int64_t bins) {
  Value squares = b.activation(x, "square");
  return b.add(b.slice(squares, 0, bins), b.slice(squares, bins, bins));
}

} // namespace plexus::graph::brain
