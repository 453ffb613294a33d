//===- Rows.h - how linalg ops on buffers use their leading dimension -------------------*- C++
//-*-===//
// Analyses behind RowLoops: what a linalg op reads and writes, row by row.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_LOWER_CPU_ROWS_H
#define PLEXUS_PASSES_LOWER_CPU_ROWS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace plexus::compiler {

/// One buffer that a linalg op touches.
struct BufferAccess {
  mlir::Value root; ///< where the memory comes from: an allocation, an argument, ...
  bool writes = false;
  bool ownRow = false; ///< iteration d0 touches row d0 of the root, and nothing else of it
};

/// Whether `map`'s first result is d0 and no other result uses d0.
bool usesRow(mlir::AffineMap map);

/// The buffers that `op` touches, those its body loads from included.
llvm::SmallVector<BufferAccess> accessesOf(mlir::linalg::GenericOp op);

/// Iterations of d0 if `op` is parallel over it and each output has it as its row; null otherwise.
mlir::OpFoldResult rowCount(mlir::linalg::GenericOp op);

/// The size of `memref`'s dimension `dim`, traced to where the memory was made; null if unknown.
mlir::OpFoldResult extentOf(mlir::Value memref, unsigned dim);

/// Sizes of all loops of `op`, as index values.
llvm::SmallVector<mlir::Value> loopRanges(mlir::OpBuilder &builder, mlir::linalg::GenericOp op);

/// The value of an affine expression at `indices`.
mlir::Value emitIndex(mlir::OpBuilder &builder, mlir::Location loc, mlir::AffineExpr expr,
                      mlir::ValueRange indices);

/// Elementary operations of one row of `op`.
int64_t rowWork(mlir::linalg::GenericOp op);

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_ROWS_H
