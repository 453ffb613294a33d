// Rounding that makes up for its own errors: what a column loses is spread over the columns that
// are not rounded yet, as far as their inputs are correlated (GPTQ, arXiv:2210.17323).
#pragma once

#include "compiler/pack/Quantize.h"

#include <vector>

namespace plexus::compiler {

/// The upper triangular factor U [K][K] of H^-1 = U^T U for the mean H of x x^T over inputs x [K],
/// with `damping` times the mean of its diagonal added to it. A column whose inputs are all 0 is
/// left without neighbours. InvalidArgument where H is not positive definite after that.
Expected<std::vector<float>> inverseFactor(const std::vector<float> &hessian, int64_t depth,
                                           double damping = 0.01);

/// Rounds up to 64 rows `x` [rows][depth], which are overwritten, column by column with `factor` =
/// U. Scales of a span are found when its first column is reached, from the rows as they are then.
/// InvalidArgument when a value is not finite.
Status quantizeCompensated(float *x, int64_t rows, const float *factor, const float *importance,
                           QuantizedRows &out);

} // namespace plexus::compiler
