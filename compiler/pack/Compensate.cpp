// Columns are rounded in batches; what is behind a batch takes in its errors at once, so that the
// factor streams through the cache a few times in all instead of once for each column.
#include "compiler/pack/Compensate.h"

#include <algorithm>
#include <cmath>

namespace plexus::compiler {
namespace {

constexpr int64_t kBatch = 128; ///< Columns.

/// In partial sums, which run in a vector.
double dot(const double *a, const double *b, int64_t n) {
  double sums[8] = {};
  int64_t k = 0;
  for (; k + 8 <= n; k += 8)
    for (int64_t i = 0; i < 8; ++i)
      sums[i] += a[k + i] * b[k + i];
  for (; k < n; ++k)
    sums[0] += a[k] * b[k];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// The lower triangular Cholesky factor of the symmetric `a` [n][n], in place; false where it is
/// not positive definite.
bool factorize(std::vector<double> &a, int64_t n) {
  for (int64_t j = 0; j < n; ++j) {
    double *row = a.data() + j * n;
    for (int64_t i = 0; i < j; ++i) {
      const double *other = a.data() + i * n;
      row[i] = (row[i] - dot(row, other, i)) / other[i];
    }
    double sum = row[j] - dot(row, row, j);
    if (!(sum > 0))
      return false;
    row[j] = std::sqrt(sum);
  }
  return true;
}

/// The inverse of the lower triangle `l` [n][n], transposed: column i of L^-1 is row i of the
/// result.
std::vector<double> transposedInverse(const std::vector<double> &l, int64_t n) {
  std::vector<double> t(static_cast<size_t>(n * n), 0.0);
  for (int64_t i = 0; i < n; ++i) {
    double *column = t.data() + i * n;
    column[i] = 1 / l[i * n + i];
    for (int64_t r = i + 1; r < n; ++r)
      column[r] = -dot(l.data() + r * n + i, column + i, r - i) / l[r * n + r];
  }
  return t;
}

/// y[0..n) -= factor * x[0..n).
void subtract(float *y, float factor, const float *x, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    y[i] -= factor * x[i];
}

} // namespace

// H = P L L^T P with the order of columns turned round (P) gives H^-1 = U^T U for an upper U
// without inverting H: with M = L^-1 of the turned H, H^-1 = P M^T M P, and U = P M P turned back
// is upper.
Expected<std::vector<float>> inverseFactor(const std::vector<float> &hessian, int64_t n,
                                           double damping) {
  double mean = 0;
  for (int64_t k = 0; k < n; ++k)
    mean += hessian[k * n + k] / n;
  if (!std::isfinite(mean))
    return error(Code::InvalidArgument) << "inputs of the calibration are not finite";
  double added = mean > 0 ? damping * mean : 1;
  std::vector<double> turned(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      turned[(n - 1 - i) * n + (n - 1 - j)] = hessian[i * n + j];
  for (int64_t i = 0; i < n; ++i)
    turned[i * n + i] += added;
  if (!factorize(turned, n))
    return error(Code::InvalidArgument)
           << "the inputs' second moments are not positive definite: more samples are needed";
  std::vector<double> inverse = transposedInverse(turned, n);
  std::vector<float> factor(static_cast<size_t>(n * n), 0.0f);
  // M[r][c] = inverse[c][r] for r >= c; U[i][j] = M[n-1-i][n-1-j] for j >= i.
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i; j < n; ++j)
      factor[i * n + j] = static_cast<float>(inverse[(n - 1 - j) * n + (n - 1 - i)]);
  return factor;
}

Status quantizeCompensated(float *x, int64_t rows, const float *factor, const float *importance,
                           QuantizedRows &out) {
  int64_t depth = out.depth, group = out.geometry.group, span = spanOf(out);
  for (int64_t n = 0; n < rows; ++n)
    PLX_RETURN_IF_ERROR(checkFinite(x + n * depth, out));
  std::vector<std::vector<Fit>> fits(static_cast<size_t>(rows));
  std::vector<float> errors(static_cast<size_t>(kBatch));
  for (int64_t first = 0; first < depth; first += kBatch) {
    int64_t end = std::min(depth, first + kBatch);
    for (int64_t n = 0; n < rows; ++n) {
      float *row = x + n * depth;
      uint8_t *values = out.valuesOf(n);
      for (int64_t k = first; k < end; ++k) {
        if (k % span == 0)
          fitSpan(row, importance, n, k, fits[n], out);
        const Fit &fit = fits[n][k % span / group];
        values[k] = storedValue(row[k], fit, out.form);
        float error = (row[k] - restoredValue(values[k], fit, out.form)) / factor[k * depth + k];
        errors[k - first] = error;
        subtract(row + k + 1, error, factor + k * depth + k + 1, end - k - 1);
      }
      for (int64_t k = first; k < end; ++k)
        subtract(row + end, errors[k - first], factor + k * depth + end, depth - end);
    }
  }
  return Status::ok();
}

} // namespace plexus::compiler
