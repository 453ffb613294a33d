// Generates dot products of quads of bytes: four neighbouring k of a weight with four of a row.
#include "passes/lower/cpu/emit/QuadDot.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace plexus::emit {

QuadDot::QuadDot(Code code, const Isa &isa, const PackedForm &form)
    : code(code), dot(isa.byteDot), isSigned(form.values == PackedValues::Q8),
      most(32767 / (2 * 127 * form.info().most)), lanes(isa.lanes()),
      words(code.vectorType(lanes, code.builder.getI32Type())),
      halves(code.vectorType(2 * lanes, code.builder.getI16Type())),
      quarters(code.vectorType(4 * lanes, code.builder.getI8Type())) {
  assert(form.isInteger() && most >= 1);
}

Value QuadDot::intrinsic(StringRef name, Type type, ValueRange operands) const {
  return code.make<LLVM::CallIntrinsicOp>(type, code.builder.getStringAttr(name), operands)
      .getResult(0);
}

Value QuadDot::cast(Value value, VectorType type) const {
  return code.make<vector::BitCastOp>(type, value);
}

QuadDot::Weight QuadDot::prepare(Value quad) const {
  if (dot == ByteDot::Generic)
    return {quad, {}};
  Value bytes = cast(quad, quarters);
  if (!isSigned)
    return {bytes, {}};
  if (dot == ByteDot::Vnni)
    return {code.make<arith::XOrIOp>(bytes, code.constant(quarters, -128)), {}};
  // |-128| stays 0x80, which the unsigned side reads as 128.
  return {code.make<math::AbsIOp>(bytes), bytes};
}

void QuadDot::accumulate(Sum &sum, const Weight &weight, Value x) const {
  x = code.splat(lanes, x);
  if (dot == ByteDot::Generic) {
    sum.wide = genericDot(weight.bytes, x, sum.wide);
    return;
  }
  x = cast(x, quarters);
  if (dot == ByteDot::Vnni) {
    Value operands[] = {sum.wide, weight.bytes, x};
    sum.wide = intrinsic("llvm.x86.avx512.vpdpbusd.512", words, operands);
    return;
  }
  if (weight.signBytes)
    x = intrinsic("llvm.x86.avx2.psign.b", quarters, ValueRange{x, weight.signBytes});
  Value products = intrinsic("llvm.x86.avx2.pmadd.ub.sw", halves, ValueRange{weight.bytes, x});
  if (sum.products == most)
    finish(sum);
  sum.narrow = sum.narrow ? code.make<arith::AddIOp>(sum.narrow, products).getResult() : products;
  ++sum.products;
}

void QuadDot::finish(Sum &sum) const {
  if (!sum.narrow)
    return;
  Value ones = code.constant(halves, 1);
  Value pairs = intrinsic("llvm.x86.avx2.pmadd.wd", words, ValueRange{sum.narrow, ones});
  sum.wide = code.make<arith::AddIOp>(sum.wide, pairs);
  sum.narrow = {};
  sum.products = 0;
}

/// Byte by byte.
Value QuadDot::genericDot(Value w, Value x, Value sum) const {
  auto byte = [&](Value quad, int64_t part, bool extendsSign) -> Value {
    auto by = [&](int64_t bits) { return code.constant(words, static_cast<double>(bits)); };
    Value high = part < 3 ? code.make<arith::ShLIOp>(quad, by(24 - 8 * part)).getResult() : quad;
    return extendsSign ? code.make<arith::ShRSIOp>(high, by(24)).getResult()
                       : code.make<arith::ShRUIOp>(high, by(24)).getResult();
  };
  for (int64_t part = 0; part < 4; ++part) {
    Value product = code.make<arith::MulIOp>(byte(w, part, isSigned), byte(x, part, true));
    sum = code.make<arith::AddIOp>(sum, product);
  }
  return sum;
}

} // namespace plexus::emit
