// Fast Fourier transforms over rows of a buffer, each lane of a row for itself.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_FOURIER_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_FOURIER_H

#include "dialects/ssm/Diagonal.h"
#include "passes/lower/cpu/emit/Code.h"

namespace plexus::emit {

using mlir::ssm::Complex;

/// Complex arithmetic on vectors.
struct ComplexCode {
  const Code &code;

  Complex add(const Complex &x, const Complex &y) const;
  Complex sub(const Complex &x, const Complex &y) const;
  Complex mul(const Complex &x, const Complex &y) const;
  /// x times the conjugate of y.
  Complex mulConjugate(const Complex &x, const Complex &y) const;
  /// x times i, or -i.
  Complex turned(const Complex &x, bool clockwise) const;
  mlir::Value negative(mlir::Value x) const;
};

/// Complex rows of `lanes` numbers: part `item` of a memref [items, rows, 2 lanes], whose rows hold
/// real parts, then imaginary ones.
struct FourierRows {
  mlir::Value memref, item;
  int64_t lanes;

  Complex load(const Code &code, mlir::Value row) const;
  void store(const Code &code, mlir::Value row, const Complex &value) const;
};

/// The roots of unity exp(-2 pi i k / size): `table` is a memref [2, >= size / 2 + lanes] of their
/// cosines and sines for k < size / 2; `size` is a power of 2, of type index.
struct Roots {
  mlir::Value table, size;
};
void emitRoots(const Code &code, int64_t lanes, const Roots &roots);

/// A length of transforms: a power of 2 and its logarithm, of type index.
struct FourierSize {
  mlir::Value size, stages;
};
/// The least power of 2 that is at least `least`, and at least 2.
FourierSize emitFourierSize(const Code &code, mlir::Value least);

/// Transforms the first `size.size` (at most the roots' size) of `rows` in place; the result lies
/// in bit-reversed order: row m + d and row 2 m - 1 - d, for m = 2, 4, 8, ... and d < m / 2, have
/// opposite frequencies, row 0 has frequency 0 and row 1 size / 2.
void emitFourier(const Code &code, const Roots &roots, const FourierRows &rows,
                 const FourierSize &size);
/// The way back, times the size: from bit-reversed order to rows in theirs.
void emitInverseFourier(const Code &code, const Roots &roots, const FourierRows &rows,
                        const FourierSize &size);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_FOURIER_H
