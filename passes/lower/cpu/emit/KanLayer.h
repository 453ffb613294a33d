// Generates layers of basis functions: evaluation of the functions inside the contraction.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_KANLAYER_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_KANLAYER_H

#include "dialects/kan/KanDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "passes/lower/cpu/emit/Isa.h"
#include <functional>

namespace plexus::emit {

/// The functions of `lanes` neighbouring inputs of one row.
struct KanFunctions {
  /// vector<lanes x f32> each. In a window, the first belongs to row `begin` of the coefficients,
  /// otherwise to row 0.
  llvm::SmallVector<mlir::Value> values;
  mlir::Value begin; ///< vector<lanes x i32>; null where all functions are there
  mlir::Value base;  ///< vector<lanes x f32> of the base function, or null
};

/// Evaluates them at x: vector<lanes x f32>, the inputs [first, first + lanes).
using KanEvaluate =
    std::function<KanFunctions(mlir::ImplicitLocOpBuilder &, mlir::Value x, mlir::Value first)>;

/// The static half of out[T][out] = sum_ij coef[i][j][o] b_j(x_i) + sum_i base[i][o] f(x_i) +
/// bias[o].
struct KanSpec {
  int64_t in = 0, out = 0;
  int64_t functions = 0; ///< Rows of coefficients of an input.
  int64_t evaluated = 0; ///< Functions that are not 0 at a place: order + 1 of splines.
  bool window = false;   ///< evaluated < functions may be: they begin at a row of their own.

  /// Output columns that one piece of parallel work makes.
  static constexpr int64_t kColumns = 256;
  /// Rows of a tile, so that its functions stay in the first cache.
  int64_t tileRows() const;
  int64_t columnPieces() const { return (out + kColumns - 1) / kColumns; }
};

struct KanOperands {
  mlir::Value x;    ///< memref<?x{in}xf32>, rows contiguous
  mlir::Value rows; ///< index, T
  mlir::Value coef; ///< memref<{in}x{functions}x{out}xf32> (or bf16, f16)
  mlir::Value base; ///< memref<{in}x{out}xf32>, or null
  mlir::Value bias; ///< memref<{out}xf32>, or null
  mlir::Value out;  ///< memref<?x{out}xf32>
};

/// Emits an scf.parallel over tiles of rows and pieces of columns. In each, the functions of as
/// many inputs as a vector has lanes are evaluated for the tile's rows and kept on the stack, then
/// multiplied with the rows of the coefficients that they belong to, while these are in cache:
/// memory sees each coefficient once a tile, and only those of intervals that some row is in.
///
/// An output element is one chain of fused multiply-adds over inputs, functions in their order and
/// the base function last, for any number of rows.
void emitKanLayer(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa, const KanSpec &spec,
                  const KanOperands &operands, const KanEvaluate &evaluate);

/// The order + 1 splines that are not 0 at x, by de Boor's triangle over the knots around x's
/// interval. grid: memref<{functions + order + 1}x{in}xf32>.
/// uniform: steps are equal, but for `order` at either end that may be 0.
KanFunctions evaluateSplines(mlir::ImplicitLocOpBuilder &builder, const KanSpec &spec,
                             int64_t order, bool uniform, mlir::Value grid, mlir::Value x,
                             mlir::Value first);

struct WaveletOperands {
  mlir::Value x, rows;
  mlir::Value translation, scale, weight; ///< memref<{in}x{out}xf32>
  mlir::Value base, bias;                 ///< memref<{in}x{out}xf32>, memref<{out}xf32>, or null
  mlir::Value out;
};

/// out[T][o] = sum_i weight psi((x_i - translation) / scale) + base x_i + bias: vectors of outputs,
/// tiles of rows that share what is loaded of an edge.
void emitWaveletLayer(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa, int64_t in,
                      int64_t out, mlir::kan::WaveletKind kind, const WaveletOperands &operands);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_KANLAYER_H
