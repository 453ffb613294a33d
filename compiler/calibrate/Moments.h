// Second moments of the inputs of one product.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace plexus::compiler {

/// Sums of x x^T over rows x [K].
class Moments {
public:
  explicit Moments(int64_t depth)
      : depth_(depth), sums_(static_cast<size_t>(depth * depth), 0.0f) {}

  /// Adds `rows` rows, with `threads` threads.
  void add(const float *x, int64_t rows, int threads);
  int64_t depth() const { return depth_; }
  int64_t rows() const { return rows_; }
  /// Mean of x_k^2, [K].
  std::vector<float> meanSquares() const;
  /// Mean of x x^T, [K][K].
  std::vector<float> mean() const;

private:
  int64_t depth_, rows_ = 0;
  std::vector<float> sums_; ///< [K][K], above the diagonal.
};

} // namespace plexus::compiler
