// Generates the product of activations with a packed weight, with its epilogue.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_PRODUCT_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_PRODUCT_H

#include "mlir/IR/Builders.h"
#include "passes/lower/cpu/emit/Isa.h"
#include "runtime/io/PackedForm.h"
#include <functional>

namespace plexus::emit {

/// How activations enter a product.
enum class ProductCompute {
  F32,      ///< as they are
  Bf16,     ///< few rows: rounded to bf16, pairs multiplied (vdpbf16ps); needs isa.bf16Dot and bf16
  IntFew,   ///< few rows: rounded to 8 bits, in groups; needs an integer weight
  IntAlways ///< the same for any number of rows
};

/// The static half of out[T][n] = epilogue(x[T][k] * W).
struct ProductSpec {
  int64_t k = 0;   ///< Columns of x.
  int64_t n = 0;   ///< Columns of the output (of one half, when gated).
  PackedForm form; ///< Of W, see runtime/io/PackedForm.h.
  /// W holds [gate 32 | up 32] in each block of 64 columns; the epilogue gets both and makes 32.
  bool gated = false;
  ProductCompute compute = ProductCompute::F32;
  /// Above kFewRows activations and elements are rounded to bf16 and pairs multiplied, whatever
  /// `compute` says of few rows; needs isa.bf16Dot and a weight that is bf16 or quantized.
  bool manyPairs = false;
  /// With IntAlways: all of x has one scale, which `range` of the operands gives.
  bool fixedScale = false;

  bool roundsToBytes() const {
    return compute == ProductCompute::IntFew || compute == ProductCompute::IntAlways;
  }
  /// Output columns of one block of 64 weight columns.
  int64_t blockColumns() const { return gated ? 32 : 64; }
  int64_t blocks() const { return (n + blockColumns() - 1) / blockColumns(); }
  /// Bytes of the packed weight.
  int64_t weightBytes() const;
};

/// Finished sums of one row in `lanes` neighbouring output columns: what an epilogue works on.
struct ProductLanes {
  mlir::Value row;                        ///< index, in [0, T)
  mlir::Value column;                     ///< index, output column of lane 0
  llvm::SmallVector<mlir::Value, 2> sums; ///< vector<lanes x f32>: {sum}, or {gate, up} when gated
  mlir::Value mask;                       ///< vector<lanes x i1> of columns < n; null: all are

  mlir::VectorType type() const;
  /// Loads `lanes` elements of memref[indices..., contiguous], those outside the mask as 0.
  mlir::Value load(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value memref,
                   mlir::ValueRange indices) const;
  void store(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, mlir::Value memref,
             mlir::ValueRange indices) const;
};

/// Computes with the sums and stores the result; called once, builds straight-line code.
using ProductEpilogue =
    std::function<void(mlir::OpBuilder &, mlir::Location, const ProductLanes &)>;
/// What a caller makes for many rows in place of generated loops.
struct ProductFallback {
  std::function<void(mlir::OpBuilder &, mlir::Location)> emit; ///< null: nothing
  mlir::Value unless; ///< i1: where it holds the loops run after all; null: nowhere
};

/// The values that a product works on.
struct ProductOperands {
  mlir::Value x;      ///< memref<?x{k}xf32> (rows contiguous; the row stride may differ from k)
  mlir::Value rows;   ///< index, T
  mlir::Value weight; ///< memref<?xi8>, contiguous, 64-byte aligned, weightBytes() long
  /// memref<?xi8> of productScratch(); null where that is 0. Shared by all threads.
  mlir::Value scratch;
  /// With a fixed scale: memref<2xf32>, the scale, above 0, and 0 (plx.fake_quantize).
  mlir::Value range = {};
};

/// Rows up to which the streaming variant runs; above, the tiled one or the caller's.
constexpr int64_t kFewRows = 16;

/// Scratch that emitProduct needs.
struct ProductScratch {
  int64_t rowBytes = 0; ///< for each row
  bool allRows = false; ///< for all T rows; otherwise for kFewRows, whatever T is
  int64_t bytes(int64_t rows) const { return rowBytes * (allRows ? rows : kFewRows); }
};
ProductScratch productScratch(const ProductSpec &spec);

/// Emits the product at the insertion point: `scf.parallel` over blocks of 64 weight columns,
/// inside it the loops over K and row tiles, then the epilogue over each finished [rows x 64] tile.
/// The parallel body keeps its tiles on the stack (at most 160 KiB).
///
/// For T <= kFewRows each weight block is streamed once. Above, a generated tile loop reads the
/// same layout, or, if `manyRows` is given, what it builds runs instead (with its own epilogue).
///
/// Each output element is one chain of fused multiply-adds in the order of k in every variant, so
/// that a row's bits do not depend on T. (With Bf16 pairs of k are the links of that chain, for few
/// rows, and with manyPairs above: a row's bits are the same on each side. With IntFew the few-row
/// variant sums groups of k exactly in integers, and a row's bits are the same for T <= kFewRows
/// and for T above; with IntAlways for all T.)
void emitProduct(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa,
                 const ProductSpec &spec, const ProductOperands &operands,
                 const ProductEpilogue &epilogue, const ProductFallback &manyRows = {});

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_PRODUCT_H
