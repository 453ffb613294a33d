// What profiling code says of an op that begins, as passes/lower/cpu/MarkOps.cpp writes it.
#pragma once

#include "runtime/support/Status.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plexus {

/// "plx.rms_norm+plx.linear w0 w1 bT5120 mT1048576 a0:16": the ops that run as one, then words:
///   w<n>         weight n of the segment is read whole
///   b<rows><n>   n bytes of tensors are read or written for each row; rows: T, S, R as in Rows, or
///                1 for the whole
///   m<rows><n>   n multiplications for each row
///   a<n>:<heads> so many heads attend to state n of the segment
struct OpText {
  std::string name;
  std::vector<int> weights;
  std::array<int64_t, 4> bytes{}, multiplies{}; ///< By Rows: None, Tokens, Sequences, Outputs.
  std::vector<std::pair<int, int64_t>> attends; ///< State, heads.

  /// Corrupt where a word is none of those.
  static Expected<OpText> parse(std::string_view text);
};

} // namespace plexus
