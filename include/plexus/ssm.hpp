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

/// The scan of Mamba (arXiv:2312.00752): x, delta [T, channels], aLog [N, channels], bRows, cRows
/// [T, N]; h <- exp(-d exp(aLog)) h + d x b, y = sum_n c h + skip x, with d = softplus(delta +
/// deltaBias).
inline Value selectiveScan(Builder &b, Value x, Value delta, Value aLog, Value bRows, Value cRows,
                           Value batch, const Scan &o) {
  return b.ops("selective_scan",
               {x, delta, aLog, bRows, cRows, batch, o.deltaBias, o.skip, o.state}, 1,
               {{"softplus", o.softplus}, {"reverse", o.reverse}})[0];
}

/// The scan of Mamba-2 (arXiv:2405.21060): x [T, heads, width], delta [T, heads], aLog [heads],
/// bRows, cRows [T, groups, N]; one decay a head, d clamped to [deltaMin, deltaMax].
inline Value ssd(Builder &b, Value x, Value delta, Value aLog, Value bRows, Value cRows,
                 Value batch, const Scan &o) {
  std::vector<Attr> attrs{{"softplus", o.softplus}, {"reverse", o.reverse}};
  if (o.deltaMin > 0)
    attrs.emplace_back("delta_min", o.deltaMin);
  if (o.deltaMax < std::numeric_limits<double>::infinity())
    attrs.emplace_back("delta_max", o.deltaMax);
  return b.ops("ssd", {x, delta, aLog, bRows, cRows, batch, o.deltaBias, o.skip, o.state}, 1,
               attrs)[0];
}

} // namespace plexus::graph::ssm
