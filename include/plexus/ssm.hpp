// State spaces and other recurrences for graphs written with graph.hpp. Shapes: rows of the ragged
// batch first. An op with a `state` (Builder::carryState) goes on where the sequence was left, and
// keeps what it leaves; without one each sequence of the batch starts from zeros.
#pragma once

#include <plexus/graph.hpp>

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

struct Scan {
  Value deltaBias; ///< [channels] or [heads]
  Value skip;      ///< D: [channels] or [heads]
  Value state;     ///< selectiveScan: [N, channels]; ssd: [heads, N, width]
  bool softplus = true;
  double deltaMin = 0, deltaMax = std::numeric_limits<double>::infinity(); ///< ssd alone
  bool reverse = false;
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
/// With `accumulate` it is gated linear attention.
inline Value deltaRule(Builder &b, Value q, Value k, Value v, Value step, Value beta, Value rate,
                       Value stepBias, Value batch, Value state = {}, double betaScale = 1,
                       bool accumulate = false) {
  return b.op("delta_rule", {q, k, v, step, beta, rate, stepBias, batch, state},
              {{"beta_scale", betaScale}, {"accumulate", accumulate}});
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
};
/// docs/dialects/ssm.md has the formulas.
inline Value diagonal(Builder &b, Value u, Value batch, const Diagonal &o) {
  return b.ops("diagonal",
               {u, o.real, o.imag, batch, o.logStep, o.stepScale, o.logGain, o.readoutReal,
                o.readoutImag, o.state},
               1,
               {{"rates", o.rates},
                {"discretization", o.discretization},
                {"factor", o.factor},
                {"reverse", o.reverse}})[0];
}

} // namespace plexus::graph::ssm
