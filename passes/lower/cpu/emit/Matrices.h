// Small dense linear algebra in f64: the algebra of dialects/ssm/LinearGaussian.h over memory.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_MATRICES_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_MATRICES_H

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "passes/lower/cpu/emit/Code.h"
#include <functional>

namespace plexus::emit {

/// A matrix in memory, read as f64.
struct StoredMatrix {
  enum class Kind {
    Flat,  ///< Row-major in the last axis of the memref, from `offset` on.
    Dense, ///< The memref's own last axes; of one axis: a row.
    Pair   ///< [2, rows, columns]: two f32 whose sum is meant.
  };
  Kind kind = Kind::Dense;
  mlir::Value memref;
  Code::Values lead; ///< Indices before the matrix's own.
  int64_t offset = 0, rows = 0, columns = 0;
};

/// Emits operations on matrices of static size; results lie in buffers of their own.
class Matrices {
public:
  using Matrix = StoredMatrix;
  /// A buffer of so many f64 for each sequence, [S, size], made outside of all loops.
  using Allocate = std::function<mlir::Value(int64_t size)>;

  /// `lanes`: of f64.
  Matrices(mlir::ImplicitLocOpBuilder &builder, int64_t lanes, mlir::Value sequence,
           Allocate allocate)
      : code{builder, builder.getLoc()}, b(builder), lanes(lanes), sequence(sequence),
        allocate(std::move(allocate)) {}

  mlir::ImplicitLocOpBuilder &builder() { return b; }
  const Code code;

  Matrix fresh(int64_t rows, int64_t columns);
  mlir::Value load(const Matrix &x, mlir::Value i, mlir::Value j);
  mlir::Value load(mlir::VectorType type, const Matrix &x, mlir::Value i, mlir::Value j);
  /// Into a flat f64 matrix, or a dense one of another float type.
  void store(mlir::Value value, const Matrix &x, mlir::Value i, mlir::Value j);
  /// to = from, entry by entry.
  void copy(const Matrix &from, const Matrix &to);

  Matrix product(const Matrix &x, const Matrix &y);
  Matrix productTransposed(const Matrix &x, const Matrix &y);
  Matrix gram(const Matrix &x);
  Matrix transposed(const Matrix &x);
  Matrix identity(const Matrix &like);
  using Body = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)>;
  Matrix map(llvm::ArrayRef<Matrix> inputs, Body body);
  mlir::Value dot(const Matrix &x, const Matrix &y);
  Matrix factor(const Matrix &s);
  Matrix solveTransposed(const Matrix &u, const Matrix &rhs);
  Matrix solve(const Matrix &u, const Matrix &rhs);
  mlir::Value logDiagonal(const Matrix &u);

private:
  /// Vectors next to each other in a row, from a column on.
  struct Group {
    mlir::Value column;
    llvm::SmallVector<mlir::VectorType> types;
  };
  mlir::Value number(double value);
  mlir::Value place(const Group &group, size_t vector);
  /// Calls `body` for the vectors of a row of `columns`, in groups of up to 8.
  void forGroups(int64_t columns, llvm::function_ref<void(const Group &)> body);
  /// init + sum over k in [begin, end) of factor(k) times row k of y, for the group's columns.
  Code::Values sumRows(const Group &group, mlir::Value begin, mlir::Value end,
                       mlir::ValueRange init, const Matrix &y,
                       llvm::function_ref<mlir::Value(mlir::Value)> factor);
  Matrix sums(int64_t rows, int64_t inner, const Matrix &y,
              llvm::function_ref<mlir::Value(mlir::Value i, mlir::Value k)> factor);
  mlir::Value dotRows(const Matrix &x, mlir::Value i, const Matrix &y, mlir::Value j);
  /// 1 / pivot, 0 where it vanishes: `limit` is the largest that counts as nothing.
  mlir::Value reciprocal(mlir::Value pivot, mlir::Value vanishes);
  Matrix solveRows(const Matrix &u, const Matrix &rhs, bool transposed);

  mlir::ImplicitLocOpBuilder &b;
  int64_t lanes;
  mlir::Value sequence;
  Allocate allocate;
};

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_MATRICES_H
