// Arithmetic on scalars or vectors of one type, for expansions of transcendental functions.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_LANES_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_LANES_H

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/lower/cpu/emit/Code.h"
#include "llvm/ADT/STLExtras.h"

namespace plexus::emit {

using Predicate = mlir::arith::CmpFPredicate;

/// Arithmetic on one type, a scalar or a vector of f32 or f64.
struct Lanes {
  Code code;
  mlir::Type type;
  mlir::Type integerType; ///< integers of the same shape and width

  Lanes(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type)
      : code{builder, loc}, type(type), integerType(withElement(integerOf(type))) {}

  mlir::Type integerOf(mlir::Type type) const {
    return code.builder.getIntegerType(mlir::getElementTypeOrSelf(type).getIntOrFloatBitWidth());
  }
  mlir::Type withElement(mlir::Type element) const {
    auto vector = mlir::dyn_cast<mlir::VectorType>(type);
    return vector ? mlir::Type(vector.clone(element)) : element;
  }
  mlir::Value number(double value) const { return code.constant(type, value); }
  mlir::Value integer(int64_t value) const { return code.constant(integerType, value); }
  mlir::Value add(mlir::Value a, mlir::Value b) const {
    return code.make<mlir::arith::AddFOp>(a, b);
  }
  mlir::Value sub(mlir::Value a, mlir::Value b) const {
    return code.make<mlir::arith::SubFOp>(a, b);
  }
  mlir::Value mul(mlir::Value a, mlir::Value b) const {
    return code.make<mlir::arith::MulFOp>(a, b);
  }
  mlir::Value mul(mlir::Value a, double b) const { return mul(a, number(b)); }
  mlir::Value div(mlir::Value a, mlir::Value b) const {
    return code.make<mlir::arith::DivFOp>(a, b);
  }
  mlir::Value fma(mlir::Value a, mlir::Value b, mlir::Value c) const { return code.fma(a, b, c); }
  mlir::Value fma(mlir::Value a, double b, mlir::Value c) const {
    return code.fma(a, number(b), c);
  }
  mlir::Value abs(mlir::Value a) const { return code.make<mlir::math::AbsFOp>(a); }
  mlir::Value withSign(mlir::Value magnitude, mlir::Value sign) const {
    return code.make<mlir::math::CopySignOp>(magnitude, sign);
  }
  mlir::Value compare(Predicate predicate, mlir::Value a, double b) const {
    return code.make<mlir::arith::CmpFOp>(predicate, a, number(b));
  }
  mlir::Value select(mlir::Value condition, mlir::Value yes, mlir::Value no) const {
    return code.select(condition, yes, no);
  }
  /// min(a, limit) and max(a, limit); NaN stays.
  mlir::Value atMost(mlir::Value a, double limit) const {
    return select(compare(Predicate::OGT, a, limit), number(limit), a);
  }
  mlir::Value atLeast(mlir::Value a, double limit) const {
    return select(compare(Predicate::OLT, a, limit), number(limit), a);
  }
  mlir::Value bits(mlir::Value a) const {
    return code.make<mlir::arith::BitcastOp>(integerType, a);
  }
  mlir::Value fromBits(mlir::Value a) const { return code.make<mlir::arith::BitcastOp>(type, a); }
  mlir::Value addBits(mlir::Value a, int64_t b) const {
    return code.make<mlir::arith::AddIOp>(a, integer(b));
  }
  mlir::Value andBits(mlir::Value a, int64_t b) const {
    return code.make<mlir::arith::AndIOp>(a, integer(b));
  }
  mlir::Value shiftLeft(mlir::Value a, int64_t b) const {
    return code.make<mlir::arith::ShLIOp>(a, integer(b));
  }

  /// c[0] + x (c[1] + x (c[2] + ...)), fused.
  mlir::Value polynomial(mlir::Value x, llvm::ArrayRef<double> c) const {
    mlir::Value sum = number(c.back());
    for (double term : llvm::reverse(c.drop_back()))
      sum = fma(sum, x, number(term));
    return sum;
  }
};

/// exp and log of f64: polynomials over a reduced range, good to 2e-16 of the result. Special
/// values as of f32 (VectorMath.h); denormal results of exp are flushed to zero, log of a denormal
/// is that of the smallest normal number.
mlir::Value expandWideExp(const Lanes &m, mlir::Value x);
mlir::Value expandWideLog(const Lanes &m, mlir::Value x);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_LANES_H
