// State spaces and other recurrences for graphs written with graph.hpp. Shapes: rows of the ragged
// batch first. An op with a `state` (Builder::carryState) goes on where the sequence was left, and
// keeps what it leaves; without one each sequence of the batch starts from zeros.
#pragma once

#include <plexus/graph.hpp>

#include <array>
#include <limits>

namespace plexus::graph::ssm {

struct CausalConv {
  Value bias;  ///< [channels]
  Value state; ///< carry state [kernel - 1, channels]
  std::string activation = "identity";
  bool reverse = false; ///< From the sequence's end; only without a state.
};

/// Each channel of x [T, channels] by its own column of weight [kernel, channels] over a token and
/// those before it: y[t] = act(bias + sum_j weight[j] x[t - (kernel - 1) + j]).
inline Value causalConv(Builder &b, Value x, Value weight, Value batch, const CausalConv &o) {
  return b.ops("causal_conv", {x, weight, batch, o.bias, o.state}, 1,
               {{"activation", o.activation}, {"reverse", o.reverse}})[0];
}

inline void addForm(std::vector<Attr> &attrs, const std::string &form, int64_t length) {
  if (form == "auto")
    return;
  attrs.emplace_back("form", form);
  attrs.emplace_back("form_length", length);
}

struct Scan {
  Value deltaBias; ///< [channels] or [heads]
  Value skip;      ///< D: [channels] or [heads]
  Value state;     ///< selectiveScan: [N, channels]; ssd: [heads, N, width]
  bool softplus = true;
  double deltaMin = 0, deltaMax = std::numeric_limits<double>::infinity(); ///< ssd alone
  bool reverse = false;
  /// ssd alone: "auto", "recurrent", "chunked" (forward): how sequences of at least formLength
  /// tokens are computed. The results agree but for rounding.
  std::string form = "auto";
  int64_t formLength = 1;
};

/// The decay rates of scans from the tensor that files have, A_log: -exp(A_log), computed once.
inline Recipe decayRates(Builder &b, Recipe logarithms) { return b.scaled(b.exp(logarithms), -1); }

/// The scan of Mamba (arXiv:2312.00752): x, delta [T, channels], rate [N, channels], bRows, cRows
/// [T, N]; h <- exp(d rate) h + d x b, y = sum_n c h + skip x, with d = softplus(delta +
/// deltaBias).
inline Value selectiveScan(Builder &b, Value x, Value delta, Value rate, Value bRows, Value cRows,
                           Value batch, const Scan &o) {
  return b.ops("selective_scan",
               {x, delta, rate, bRows, cRows, batch, o.deltaBias, o.skip, o.state}, 1,
               {{"softplus", o.softplus}, {"reverse", o.reverse}})[0];
}

/// The scan of Mamba-2 (arXiv:2405.21060): x [T, heads, width], delta [T, heads], rate [heads],
/// bRows, cRows [T, groups, N]; one decay a head, d clamped to [deltaMin, deltaMax].
inline Value ssd(Builder &b, Value x, Value delta, Value rate, Value bRows, Value cRows,
                 Value batch, const Scan &o) {
  std::vector<Attr> attrs{{"softplus", o.softplus}, {"reverse", o.reverse}};
  if (o.deltaMin > 0)
    attrs.emplace_back("delta_min", o.deltaMin);
  if (o.deltaMax < std::numeric_limits<double>::infinity())
    attrs.emplace_back("delta_max", o.deltaMax);
  addForm(attrs, o.form, o.formLength);
  return b.ops("ssd", {x, delta, rate, bRows, cRows, batch, o.deltaBias, o.skip, o.state}, 1,
               attrs)[0];
}

/// Real-gated linear recurrence (De et al., 2024): x and the gates (before their sigmoids) are
/// [T, channels], decay [channels], the state [channels].
inline Value rgLru(Builder &b, Value x, Value inputGate, Value recurrenceGate, Value decay,
                   Value batch, Value state = {}) {
  return b.op("rg_lru", {x, inputGate, recurrenceGate, decay, batch, state});
}

/// Time mixing of RWKV-4 (Peng et al., 2023): key and value [T, channels], decay and first
/// [channels], the state [3, channels].
inline Value wkv(Builder &b, Value key, Value value, Value decay, Value first, Value batch,
                 Value state = {}) {
  return b.op("wkv", {key, value, decay, first, batch, state});
}

/// Gated delta rule (Yang et al., 2024): q and k [T, keyHeads, keyDim], v [T, heads, valueDim],
/// step and beta [T, heads], rate and stepBias [heads], the state [heads, keyDim, valueDim].
/// With `accumulate` it is gated linear attention. `form` as in Scan, for sequences of any length.
inline Value deltaRule(Builder &b, Value q, Value k, Value v, Value step, Value beta, Value rate,
                       Value stepBias, Value batch, Value state = {}, double betaScale = 1,
                       bool accumulate = false, const std::string &form = "auto") {
  std::vector<Attr> attrs{{"beta_scale", betaScale}, {"accumulate", accumulate}};
  addForm(attrs, form, 1);
  return b.ops("delta_rule", {q, k, v, step, beta, rate, stepBias, batch, state}, 1, attrs)[0];
}

/// What cells of recurrent networks may have. `bias` is that of the product with h.
struct Cell {
  Value bias;
  Value projection;    ///< LSTM: [width, units]
  Value state, memory; ///< carry states of h, and of an LSTM's c
  Value initial;       ///< h before a sequence's first token, [units]; not of LSTMs. Zeros without.
  bool reverse = false;
};

/// A cell in the layout of torch.nn: gates [T, 4 units] are the products with the input, its bias
/// included; weight [4 units, width] multiplies h. Returns h, [T, width].
inline Value lstm(Builder &b, Value gates, Value weight, Value batch, const Cell &o) {
  return b.ops("lstm", {gates, weight, batch, o.bias, o.projection, o.state, o.memory}, 1,
               {{"reverse", o.reverse}})[0];
}
/// The same with 3 gates.
inline Value gru(Builder &b, Value gates, Value weight, Value batch, const Cell &o) {
  return b.ops("gru", {gates, weight, batch, o.bias, o.state, o.initial}, 1,
               {{"reverse", o.reverse}})[0];
}
/// h = act(gates + weight h + bias); act: "tanh", "relu", ...
inline Value rnn(Builder &b, Value gates, Value weight, Value batch, const std::string &act,
                 const Cell &o) {
  return b.ops("rnn", {gates, weight, batch, o.bias, o.state, o.initial}, 1,
               {{"activation", act}, {"reverse", o.reverse}})[0];
}

/// Each channel of x [T, C] less its mean over the sequence, by its deviation (+ eps); whole
/// sequences only.
struct Standardized {
  Value rows, mean, deviation; ///< [T, C], [S, C], [S, C]
};
inline Standardized standardize(Builder &b, Value x, Value batch, double eps) {
  auto made = b.ops("standardize", {x, batch}, 3, {{"eps", eps}});
  return {made[0], made[1], made[2]};
}

/// mean + deviation * sum_n coefficients[s, c, n] P_n(2 t - 1) at t = j stepScale / base, j = 1 ..
/// horizon: [S, horizon, C] of coefficients [S, C, N], mean and deviation [S, C], stepScale [1].
inline Value legendre(Builder &b, Value coefficients, Value mean, Value deviation, Value stepScale,
                      int64_t horizon, int64_t base) {
  return b.ops("legendre", {coefficients, mean, deviation, stepScale}, 1,
               {{"horizon", horizon}, {"base", base}})[0];
}

/// A diagonal state space s = a s + b u over modes [N, H].
struct Diagonal {
  std::string rates = "cartesian";    ///< How eigenvalues are given: cartesian, log, polar.
  std::string discretization = "zoh"; ///< zoh, bilinear, dirac
  Value real, imag;                   ///< [N, H]
  Value logStep, stepScale, logGain;  ///< [H], [1], [H]
  Value readoutReal, readoutImag;     ///< [N, H]; without them N = 1 and rows are complex, [T, 2 H]
  Value state;                        ///< carry state [2, N, H]
  double factor = 1;                  ///< Of the readout; 2 where modes stand for conjugate pairs.
  bool reverse = false;
  /// "auto", "recurrent", "scan", "convolution" (with a readout, without a state): how sequences of
  /// at least formLength tokens are computed. The results agree but for rounding.
  std::string form = "auto";
  int64_t formLength = 1;
};
/// docs/dialects/ssm.md has the formulas.
inline Value diagonal(Builder &b, Value u, Value batch, const Diagonal &o) {
  std::vector<Attr> attrs{{"rates", o.rates},
                          {"discretization", o.discretization},
                          {"factor", o.factor},
                          {"reverse", o.reverse}};
  addForm(attrs, o.form, o.formLength);
  return b.ops("diagonal",
               {u, o.real, o.imag, batch, o.logStep, o.stepScale, o.logGain, o.readoutReal,
                o.readoutImag, o.state},
               1, attrs)[0];
}

/// A state space that is diagonal plus low rank, A = diag(l) - p q* (S4, Gu et al., 2022). Modes
/// stand for themselves and their conjugates.
struct Dplr {
  std::string rates = "cartesian"; ///< How eigenvalues are given: cartesian, log, polar.
  Value real, imag;                ///< [N, H]
  Value p, q, b, c;                ///< [2, N, H]: real parts, then imaginary ones
  Value logStep, stepScale;        ///< [H], [1] or none
  Value state;                     ///< carry state [2, N, H]
  bool reverse = false;
  std::string form = "auto"; ///< As for Diagonal, without "scan".
  int64_t formLength = 1;
};
/// u [T, H], discretised by the bilinear transform. docs/dialects/ssm.md has the formulas.
inline Value dplr(Builder &b, Value u, Value batch, const Dplr &o) {
  std::vector<Attr> attrs{{"rates", o.rates}, {"reverse", o.reverse}};
  addForm(attrs, o.form, o.formLength);
  return b.ops("dplr",
               {u, o.real, o.imag, o.p, o.q, o.b, o.c, batch, o.logStep, o.stepScale, o.state}, 1,
               attrs)[0];
}

//===--- Linear-Gaussian state spaces ---------------------------------------------------------===//
// z_0 ~ N(mean, covariance), z_t = A z_{t-1} + offset + N(0, Q), y_t = C z_t + measurementOffset +
// N(0, R): n states, m measurements a token. Computed in f64, in the form of the state's size (the
// matrix inversion lemma); docs/dialects/ssm.md has the equations.

/// C [m, n] and the covariance R [m, m] of the noise, made ready by the packer: R = L L^T must be
/// positive definite, or packing fails by the tensor's name.
struct Measurements {
  Value whitener;       ///< L^-1
  Value readout;        ///< (L^-1 C)^T
  Value information;    ///< C^T R^-1 C
  Value logDeterminant; ///< log det L
};
/// The weights are named `name`.inverse and so on.
inline Measurements measurements(Builder &b, const std::string &name, Recipe readout,
                                 Recipe noise) {
  auto made = [&](const char *result, const std::vector<Recipe> &parts) {
    return b.param(name + "." + result, b.recipe("whiten", parts, {{"result", result}}));
  };
  return {made("inverse", {noise}), made("readout", {noise, readout}),
          made("information", {noise, readout}), made("log_determinant", {noise})};
}

struct Gaussian {
  Value transition; ///< A [n, n]
  Value noise;      ///< Q [n, n]
  Measurements measured;
  Value mean, covariance;  ///< of z_0: [n], [n, n]
  Value offset;            ///< [n]
  Value measurementOffset; ///< [m]
};

/// Numbers of a carry state {kalmanState(n), 2} of a filter over n states.
constexpr int64_t kalmanState(int64_t n) { return 2 + n + n * n; }

/// What the filter knows of each token: before its measurements and with them.
struct Filtered {
  Value predictedMean, predictedCovariance; ///< [T, n], [T, n, n]
  Value mean, covariance;
  Value logLikelihood; ///< [T, 1], of the sequence up to the token
};
/// Kalman filter (Kalman, 1960) of y [T, m]. A token with `observed` [T] (I32) 0, or with a
/// measurement that is not finite, has none.
inline Filtered kalmanFilter(Builder &b, Value y, Value batch, const Gaussian &g,
                             Value observed = {}, Value state = {}) {
  auto made = b.ops("kalman_filter",
                    {y, g.transition, g.noise, g.measured.whitener, g.measured.readout,
                     g.measured.information, g.measured.logDeterminant, g.mean, g.covariance, batch,
                     observed, g.offset, g.measurementOffset, state},
                    5);
  return {made[0], made[1], made[2], made[3], made[4]};
}

/// Rauch, Tung and Striebel's smoother (1965) over whole sequences: means [T, n], covariances
/// [T, n, n], and Cov(z_{t+1}, z_t | y) [T, n, n], zeros at the last token.
struct Smoothed {
  Value mean, covariance, lagCovariance;
};
inline Smoothed kalmanSmoother(Builder &b, Value y, Value batch, const Gaussian &g,
                               Value observed = {}) {
  auto made = b.ops("kalman_smoother",
                    {y, g.transition, g.noise, g.measured.whitener, g.measured.readout,
                     g.measured.information, g.measured.logDeterminant, g.mean, g.covariance, batch,
                     observed, g.offset, g.measurementOffset},
                    3);
  return {made[0], made[1], made[2]};
}

/// Discriminative Kalman filter (Burkhart et al., 2020): estimates f [T, n] of the state with
/// covariances Q, [T, n, n] or one [n, n] for all, in place of a model of the measurements;
/// `transition` A, `noise` and the stationary covariance `prior`, all [n, n]. Mean [T, n] and
/// covariance [T, n, n] of the state; the carry state is {1 + n + n n, 2}.
inline std::array<Value, 2> discriminativeFilter(Builder &b, Value estimates, Value uncertainty,
                                                 Value transition, Value noise, Value prior,
                                                 Value batch, Value state = {}) {
  auto made = state ? b.ops("discriminative_filter",
                            {estimates, uncertainty, transition, noise, prior, batch, state}, 2)
                    : b.ops("discriminative_filter",
                            {estimates, uncertainty, transition, noise, prior, batch}, 2);
  return {made[0], made[1]};
}

//===--- Hidden Markov models -----------------------------------------------------------------===//

/// log p(y | state k) under a generalised linear model: family "bernoulli", "poisson" or
/// "gaussian"; y [T], bias [K]; x [T, D] with weight [K, D], or neither; gaussian: logVariance [K].
/// [T, K].
inline Value emission(Builder &b, const std::string &family, Value y, Value bias, Value x = {},
                      Value weight = {}, Value logVariance = {}) {
  return b.ops("emission", {y, bias, x, weight, logVariance}, 1, {{"family", family}})[0];
}

/// K states: probabilities softmax(initial) [K] at first, softmax over j of transition[i, j] +
/// (inputWeight u_t)_j into token t; u [T, U] with inputWeight [K, U], or neither.
struct Hidden {
  Value initial, transition;
  Value inputs, inputWeight;
};
/// p(z_t | y_0 .. y_t) [T, K] and log p(y_0 .. y_t) [T, 1] from log p(y_t | k) [T, K], whose NaN
/// rows are no measurements. The carry state is {2 + K, 2}.
inline std::array<Value, 2> hmmFilter(Builder &b, Value emissions, Value batch, const Hidden &h,
                                      Value state = {}) {
  auto made = b.ops("hmm_filter",
                    {emissions, h.initial, h.transition, batch, h.inputs, h.inputWeight, state}, 2);
  return {made[0], made[1]};
}
/// p(z_t | all y) [T, K], over whole sequences.
inline Value hmmSmoother(Builder &b, Value emissions, Value batch, const Hidden &h) {
  return b.ops("hmm_smoother", {emissions, h.initial, h.transition, batch, h.inputs, h.inputWeight},
               1)[0];
}
/// The most probable path [T] (I32) and the score of the best path up to each token, [T, 1].
inline std::array<Value, 2> viterbi(Builder &b, Value emissions, Value batch, const Hidden &h) {
  auto made =
      b.ops("viterbi", {emissions, h.initial, h.transition, batch, h.inputs, h.inputWeight}, 2);
  return {made[0], made[1]};
}

} // namespace plexus::graph::ssm
