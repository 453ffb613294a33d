// What the emitters of products share: sums of a block of columns, and their epilogue.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_PRODUCTPARTS_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_PRODUCTPARTS_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Product.h"

namespace plexus::emit {

constexpr int64_t kBlock = kPackedColumns; ///< weight columns of a block

/// The sums of some rows in the 64 columns of one block: memref<.. x f32> [rows][64], on the stack.
struct BlockSums {
  mlir::Value memref;
  mlir::Value firstRow; ///< of the product, of row 0 of the memref
  mlir::Value rows;     ///< how many
};

void fillZero(const Code &code, const Isa &isa, const BlockSums &sums);

/// Hands the finished sums of column block `block` to the caller's epilogue, a vector of output
/// columns at a time.
void emitProductEpilogue(const Code &code, const Isa &isa, const ProductSpec &spec,
                         const ProductEpilogue &epilogue, mlir::Value block, const BlockSums &sums);
/// The same for one row of the product, whose 64 sums begin at element `place` of `sums`.
void emitRowEpilogue(const Code &code, const Isa &isa, const ProductSpec &spec,
                     const ProductEpilogue &epilogue, mlir::Value block, mlir::Value row,
                     mlir::Value sums, mlir::Value place);

/// The bf16 of x[row, 0..k), then zeros up to `width`, a multiple of the lanes, into `rounded`, a
/// flat memref of bf16: a vector of lanes that begins at k `at` goes to element place(at).
using RoundedPlace = llvm::function_ref<mlir::Value(mlir::Value at)>;
void emitRoundedRow(const Code &code, const Isa &isa, mlir::Value x, mlir::Value row, int64_t k,
                    int64_t width, mlir::Value rounded, RoundedPlace place);

/// The product of a quantized integer weight with activations that are rounded to 8 bits, in
/// groups: `many` builds it for any number of rows, otherwise for up to kFewRows.
void emitIntegerProduct(const Code &code, const Isa &isa, const ProductSpec &spec,
                        const ProductOperands &operands, const ProductEpilogue &epilogue,
                        bool many);
/// Bytes of scratch that emitIntegerProduct needs for each row.
int64_t integerScratchRowBytes(const ProductSpec &spec);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_PRODUCTPARTS_H
