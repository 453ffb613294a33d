// Scales for groups of weights: search for the least square error, and rounding with what was
// found.
#pragma once

#include "runtime/io/PackedForm.h"

#include <cstdint>

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

/// Tries scales near the obvious one, each replaced by the one that fits the values best that it
/// rounds to (least squares), and gives the one with the least error. Scales are numbers of f16,
/// and addends what the form can hold.
Fit fitGroup(const Group &group, const PackedForm &form);

/// The nearest value of x, as it is stored, and what a stored value stands for.
uint8_t storedValue(float x, const Fit &fit, const PackedForm &form);
float restoredValue(uint8_t stored, const Fit &fit, const PackedForm &form);

} // namespace plexus::compiler
