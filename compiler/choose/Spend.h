// Spending a number of bytes on the forms of weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace plexus::compiler {

/// One form that weights may have: what it takes, and what it costs.
struct FormCost {
  uint64_t bytes = 0;
  double error = 0;
};

/// Picks one form of each item so that their bytes are at most `budget` and the sum of their errors
/// is small: from the smallest forms on, the step along an item's convex hull that takes away the
/// most error for a byte comes next (which solves the Lagrangian problem), and what is left goes to
/// whatever steps still fit. No value: even the smallest forms do not fit. Every item has a form.
std::optional<std::vector<size_t>> spend(const std::vector<std::vector<FormCost>> &items,
                                         uint64_t budget);

} // namespace plexus::compiler
