// How far weights are from themselves in a form, before anything is packed.
#pragma once

#include "compiler/pack/Fit.h"
#include "compiler/pack/Recipe.h"
#include "runtime/io/PackedForm.h"

#include <vector>

namespace plexus::compiler {

/// Rows of a weight, evenly spread.
struct SampledRows {
  int64_t depth = 0; ///< K.
  std::vector<float> x;
  /// [K] mean squares of the inputs that the columns are multiplied with; empty: all alike.
  std::vector<float> importance;
};

/// At most `most` rows of the bound recipe's matrix.
Expected<SampledRows> sampleRows(const Recipe &bound, int64_t most);

/// The square error of the rows in `form`, rounded to the nearest, over their square, both weighted
/// by importance: the share of noise in the product's outputs, as far as inputs are not correlated.
/// InvalidArgument when a value is not finite.
Expected<double> errorIn(const PackedForm &form, const SampledRows &rows,
                         const RangeRule &ranges = {});

} // namespace plexus::compiler
