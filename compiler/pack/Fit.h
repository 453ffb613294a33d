// Scales for groups of weights: search for the least square error, and rounding with what was
// found.
#pragma once

#include "runtime/io/PackedForm.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace plexus::compiler {

uint16_t toHalf(float value); ///< Clamped to what f16 holds.
float fromHalf(uint16_t bits);

/// Neighbours that share a scale.
struct Group {
  const float *x;
  /// How much the square error of each element counts; null: all alike. With the mean square of the
  /// input that an element is multiplied with, the sum is the expected error of the product, as far
  /// as inputs are not correlated.
  const float *importance;
  int64_t size;
};

/// What a group became: x is about scale * q + addend for integers (or small floats) q.
struct Fit {
  float scale = 0, addend = 0;
};

/// Which values a scale has to reach; what lies beyond is clipped.
struct RangeRule {
  enum Kind : uint8_t {
    Mse,       ///< As far as the square error is least.
    MinMax,    ///< All of them.
    Percentile ///< All but the (100 - percentile) % that lie furthest from zero.
  };
  Kind kind = Mse;
  double percentile = 99.9;

  /// "mse", "minmax", "percentile" or "percentile:99.5"; nothing for anything else.
  static std::optional<RangeRule> parse(std::string_view text);
  std::string spelling() const;
};

/// With RangeRule::Mse tries scales near the obvious one, each replaced by the one that fits the
/// values best that it rounds to (least squares), and gives the one with the least error; with the
/// other rules the scale that spans the range. Scales are numbers of f16, and addends what the form
/// can hold.
Fit fitGroup(const Group &group, const PackedForm &form, const RangeRule &rule = {});

/// The nearest value of x, as it is stored, and what a stored value stands for.
uint8_t storedValue(float x, const Fit &fit, const PackedForm &form);
float restoredValue(uint8_t stored, const Fit &fit, const PackedForm &form);

} // namespace plexus::compiler
