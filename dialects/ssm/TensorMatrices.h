// Matrices of f64 as tensors of static shape: the algebra of LinearGaussian.h for decompositions.
#ifndef PLEXUS_DIALECTS_SSM_TENSORMATRICES_H
#define PLEXUS_DIALECTS_SSM_TENSORMATRICES_H

#include "dialects/plx/LinalgBuild.h"

namespace mlir::ssm {

class TensorMatrices {
public:
  using Matrix = Value; ///< tensor<rows x columns x f64>

  explicit TensorMatrices(ImplicitLocOpBuilder &builder) : b(builder) {}
  ImplicitLocOpBuilder &builder() { return b; }

  /// A float tensor of rank 1 (a row) or 2.
  Matrix of(Value tensor);
  /// A [2, rows, columns] tensor of pairs of f32 (#plx.whiten).
  Matrix ofPairs(Value tensor);
  /// A pair [2, 1] as a number.
  Value numberOf(Value pair);
  /// A scalar as a matrix [1, 1].
  Matrix single(Value number);
  /// The reverse of `of`: a tensor of `type`.
  Value as(RankedTensorType type, Matrix matrix);

  Matrix product(Matrix x, Matrix y);
  Matrix productTransposed(Matrix x, Matrix y);
  Matrix gram(Matrix x);
  Matrix transposed(Matrix x);
  Matrix identity(Matrix like);
  Matrix map(ValueRange inputs, plx::ScalarBody body);
  Value dot(Matrix x, Matrix y);
  Matrix factor(Matrix s);
  Matrix solveTransposed(Matrix u, Matrix rhs);
  Matrix solve(Matrix u, Matrix rhs);
  Value logDiagonal(Matrix u);

  /// Numbers kept as words: [n, 2] of f32, the low word first. `values` are scalars and matrices in
  /// order.
  RankedTensorType wordsType(int64_t numbers);
  Value toWords(int64_t numbers, ValueRange values);
  /// The matrix [rows, columns] that begins at number `first`.
  Matrix fromWords(Value words, int64_t first, int64_t rows, int64_t columns);
  Value numberFromWords(Value words, int64_t number);

private:
  /// Contraction: loops i, j, k; x and y by their maps.
  Matrix contract(int64_t rows, int64_t columns, Matrix x, ArrayRef<int64_t> xDims, Matrix y,
                  ArrayRef<int64_t> yDims);
  Matrix solveRows(Matrix u, Matrix rhs, bool transposed);
  Value element(Matrix x, Value i, Value j);

  ImplicitLocOpBuilder &b;
};

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_TENSORMATRICES_H
