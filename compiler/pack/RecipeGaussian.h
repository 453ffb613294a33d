// Recipes of linear-Gaussian models: measurements of which the noise is white.
#pragma once

#include "compiler/pack/Recipe.h"

namespace plexus::compiler {

/// The shape of a Whiten recipe from those of its parts.
Status inferWhiten(Recipe &r);

/// Its elements (#plx.whiten): numbers computed in f64, first as f32, then what that leaves of
/// them. Mismatch where the covariance matrix is not positive definite; the message names its
/// tensor.
Expected<std::vector<float>> whiten(const Recipe &r, const std::vector<std::vector<float>> &parts);

} // namespace plexus::compiler
