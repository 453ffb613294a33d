// Recipes whose elements depend on many elements of their parts: shapes and values.
#pragma once

#include "compiler/pack/Recipe.h"

namespace plexus::compiler {

/// Shapes from those of the parts, which are known; Mismatch where they do not fit.
Status inferSum(Recipe &r);
Status inferBox(Recipe &r);
Status inferRenorm(Recipe &r);
Status inferEinsum(Recipe &r);
Status inferSpectrum(Recipe &r);
Status inferUnsort(Recipe &r);

/// The elements of `r`, one of these kinds, from those of its parts. Sums are of f64.
std::vector<float> wholeValue(const Recipe &r, const std::vector<std::vector<float>> &parts);

} // namespace plexus::compiler
