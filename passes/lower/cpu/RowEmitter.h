//===- RowEmitter.h - the loops of one linalg op for one row -------------------------------*- C++
//-*-===//
// Emits what a linalg op on buffers does to one row: in vectors where its innermost loop allows it.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_LOWER_CPU_ROWEMITTER_H
#define PLEXUS_PASSES_LOWER_CPU_ROWEMITTER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/IRMapping.h"

namespace plexus::compiler {

/// Emits the loops of one op for one row (its loop 0). The innermost loop runs in vectors of
/// `lanes` elements if its size is static, operands lie contiguously along it or do not depend on
/// it, and the body is elementwise or folds into sums, products or extrema; what does not depend on
/// it is computed once, in front. A fold has several vector accumulators and ends in halves, so its
/// order depends on the row's length alone.
class RowEmitter {
public:
  /// `rowBuffer` gives the one-row stand-in of a buffer, or null.
  RowEmitter(mlir::OpBuilder &builder, mlir::linalg::GenericOp op, mlir::Value row,
             llvm::function_ref<mlir::Value(mlir::Value)> rowBuffer, int64_t lanes);
  void emit();

private:
  using Values = llvm::SmallVector<mlir::Value>;

  // Vectors.
  bool planVectors();
  bool planOperands();
  bool planBody();
  bool planFolds();
  void emitUniform();
  void emitElements();
  void emitFolds();
  Values foldPieces(int64_t width, mlir::Value at, mlir::ValueRange sums);
  Values vectorBody(int64_t width, mlir::Value at);
  mlir::Value widened(mlir::Value value, int64_t width);
  mlir::Value reduced(mlir::Operation *fold, mlir::Value vector);

  // Scalars.
  void emitScalars();
  bool needsInit(mlir::OpOperand &output);
  void enter(unsigned dim);
  Values reduce(llvm::ArrayRef<unsigned> dims, llvm::ArrayRef<mlir::Value> sums);
  Values body(llvm::ArrayRef<mlir::Value> sums);
  mlir::Operation *cloneWithFastMath(mlir::Operation &original, mlir::IRMapping &mapping);

  // Both.
  void enterParallel(std::optional<unsigned> except);
  mlir::Value load(mlir::OpOperand &operand);
  mlir::Value buffer(mlir::OpOperand &operand);
  Values position(mlir::OpOperand &operand);
  mlir::Value constant(int64_t value);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::linalg::GenericOp op;
  llvm::function_ref<mlir::Value(mlir::Value)> rowBuffer;
  int64_t lanes;
  Values indices, ranges;
  // The plan of a vector loop.
  unsigned inner = 0;                         ///< the loop that runs in vectors
  int64_t innerSize = 0;                      ///< its iterations
  llvm::DenseSet<mlir::Value> varying;        ///< values of the body that depend on it
  llvm::SmallVector<mlir::Operation *> folds; ///< of a reduction, for each output
  mlir::IRMapping uniform;                    ///< values of the body that do not
};

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_ROWEMITTER_H
