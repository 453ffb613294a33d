// Generates dot products of quads of bytes: four neighbouring k of a weight with four of a row.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_QUADDOT_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_QUADDOT_H

#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Isa.h"
#include "runtime/io/PackedForm.h"

namespace plexus::emit {

/// sum += w0 x0 + w1 x1 + w2 x2 + w3 x3 in each lane of 32 bits, where w is a value of the weight
/// as it is stored plus `offset()` and x is a signed byte in [-127, 127]. Exact in every form.
class QuadDot {
public:
  QuadDot(Code code, const Isa &isa, const PackedForm &form);

  /// What is added to a stored value: 128 where signed bytes have to become unsigned ones.
  int64_t offset() const { return isSigned && dot == ByteDot::Vnni ? 128 : 0; }

  /// Sums of one row and vector of columns, on their way.
  struct Sum {
    mlir::Value wide;     ///< vector<lanes x i32>
    mlir::Value narrow;   ///< vector<2 lanes x i16> not yet in `wide`, or null
    int64_t products = 0; ///< in `narrow`
  };
  /// A quad of the weight (vector<lanes x i32>), prepared once for all rows.
  struct Weight {
    mlir::Value bytes;     ///< what is multiplied
    mlir::Value signBytes; ///< Avx2, signed: the weight, whose sign the activation takes
  };
  Weight prepare(mlir::Value quad) const;
  /// sum += weight . x; `x`: i32, four bytes.
  void accumulate(Sum &sum, const Weight &weight, mlir::Value x) const;
  /// Adds what is left in `narrow` to `wide`.
  void finish(Sum &sum) const;

private:
  mlir::Value intrinsic(llvm::StringRef name, mlir::Type type, mlir::ValueRange operands) const;
  mlir::Value cast(mlir::Value value, mlir::VectorType type) const;
  mlir::Value genericDot(mlir::Value w, mlir::Value x, mlir::Value sum) const;

  Code code;
  ByteDot dot;
  bool isSigned;
  int64_t most; ///< products that fit in 16 bits
  int64_t lanes;
  mlir::VectorType words, halves, quarters; ///< one register of i32, i16, i8
};

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_QUADDOT_H
