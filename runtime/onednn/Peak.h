// The rate at which oneDNN multiplies large matrices here: the ceiling of products.
#pragma once

#include <optional>

namespace plexus {

/// Types of a product's two sides, as oneDNN names them.
enum class PeakType { F32, Bf16, U8S8 };

/// Operations a second (two for each multiply-add) of a 512 x 2048 x 2048 product whose weights lie
/// as oneDNN likes them, on the calling thread's OpenMP team: the best of a few. Nullopt where
/// oneDNN has nothing but its reference code for these types on this machine.
std::optional<double> matmulPeak(PeakType type);

} // namespace plexus
