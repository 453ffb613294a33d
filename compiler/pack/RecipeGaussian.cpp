// Recipes of linear-Gaussian models: measurements of which the noise is white.
#include "compiler/pack/RecipeGaussian.h"

#include <cmath>

namespace plexus::compiler {
namespace {

/// Row-major.
struct Matrix {
  int64_t rows, columns;
  std::vector<double> values;

  Matrix(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), values(static_cast<size_t>(rows * columns)) {}
  double &at(int64_t i, int64_t j) { return values[i * columns + j]; }
  double at(int64_t i, int64_t j) const { return values[i * columns + j]; }
};

Matrix matrixOf(const Recipe &part, const std::vector<float> &values) {
  Matrix m(part.shape[0], part.shape[1]);
  m.values.assign(values.begin(), values.end());
  return m;
}

/// The first source below `r`, for messages.
const std::string &nameOf(const Recipe &r) { return r.parts.empty() ? r.name : nameOf(r.parts[0]); }

/// L of the lower triangle of `r` = L L^T.
Expected<Matrix> choleskyOf(const Matrix &r, const std::string &name) {
  Matrix l(r.rows, r.rows);
  for (int64_t i = 0; i < r.rows; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      double rest = r.at(i, j);
      for (int64_t k = 0; k < j; ++k)
        rest -= l.at(i, k) * l.at(j, k);
      if (i != j) {
        l.at(i, j) = rest / l.at(j, j);
      } else if (rest > 0) {
        l.at(i, i) = std::sqrt(rest);
      } else {
        return error(Code::Mismatch)
               << "the covariance matrix '" << name << "' is not positive definite (pivot " << i
               << " is " << rest << "): the noise of every measurement needs a variance of its own";
      }
    }
  return l;
}

/// L^-1 b.
Matrix solveLower(const Matrix &l, Matrix b) {
  for (int64_t i = 0; i < l.rows; ++i)
    for (int64_t j = 0; j < b.columns; ++j) {
      double rest = b.at(i, j);
      for (int64_t k = 0; k < i; ++k)
        rest -= l.at(i, k) * b.at(k, j);
      b.at(i, j) = rest / l.at(i, i);
    }
  return b;
}

Matrix transposed(const Matrix &m) {
  Matrix t(m.columns, m.rows);
  for (int64_t i = 0; i < m.rows; ++i)
    for (int64_t j = 0; j < m.columns; ++j)
      t.at(j, i) = m.at(i, j);
  return t;
}

/// m^T m.
Matrix gram(const Matrix &m) {
  Matrix g(m.columns, m.columns);
  for (int64_t k = 0; k < m.rows; ++k)
    for (int64_t i = 0; i < m.columns; ++i)
      for (int64_t j = 0; j < m.columns; ++j)
        g.at(i, j) += m.at(k, i) * m.at(k, j);
  return g;
}

Matrix identity(int64_t size) {
  Matrix m(size, size);
  for (int64_t i = 0; i < size; ++i)
    m.at(i, i) = 1;
  return m;
}

Matrix logDeterminant(const Matrix &l) {
  Matrix sum(1, 1);
  for (int64_t i = 0; i < l.rows; ++i)
    sum.values[0] += std::log(l.at(i, i));
  return sum;
}

} // namespace

Status inferWhiten(Recipe &r) {
  const std::vector<int64_t> &noise = r.parts[0].shape, &last = r.parts.back().shape;
  if (noise.size() != 2 || noise[0] != noise[1] || last.size() != 2 || last[0] != noise[0])
    return error(Code::Mismatch) << "no covariance matrix and its measurements: shapes "
                                 << shapeToString(noise) << " and " << shapeToString(last);
  if (r.name == "log_determinant")
    r.shape = {2, 1};
  else if (r.name == "readout")
    r.shape = {2, last[1], noise[0]};
  else if (r.name == "information")
    r.shape = {2, last[1], last[1]};
  else
    r.shape = {2, noise[0], noise[0]};
  return Status::ok();
}

Expected<std::vector<float>> whiten(const Recipe &r, const std::vector<std::vector<float>> &parts) {
  PLX_ASSIGN(Matrix l, choleskyOf(matrixOf(r.parts[0], parts[0]), nameOf(r.parts[0])));
  Matrix made(0, 0);
  if (r.name == "log_determinant") {
    made = logDeterminant(l);
  } else if (r.name == "inverse") {
    made = solveLower(l, identity(l.rows));
  } else {
    Matrix readout = solveLower(l, matrixOf(r.parts[1], parts[1]));
    made = r.name == "readout" ? transposed(readout) : gram(readout);
  }
  std::vector<float> value(made.values.begin(), made.values.end());
  for (size_t i = 0; i < made.values.size(); ++i)
    value.push_back(static_cast<float>(made.values[i] - value[i]));
  return value;
}

} // namespace plexus::compiler
