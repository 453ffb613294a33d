// What the emitters of products share: sums of a block of columns, and their epilogue.
#include "passes/lower/cpu/emit/ProductParts.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace plexus::emit {

void fillZero(const Code &code, const Isa &isa, const BlockSums &sums) {
  Value zero = code.constant(code.floats(isa.lanes()), 0);
  code.loop(code.index(0), code.mul(sums.rows, kBlock), isa.lanes(),
            [&](Value i) { code.storeVector(zero, sums.memref, {i}); });
}

void emitRowEpilogue(const Code &code, const Isa &isa, const ProductSpec &spec,
                     const ProductEpilogue &epilogue, Value block, Value row, Value sums,
                     Value place) {
  int64_t columns = spec.blockColumns(), lanes = isa.lanes();
  VectorType type = code.floats(lanes);
  code.loop(0, columns, lanes, [&](Value column) {
    ProductLanes result;
    Value at = code.add(place, column);
    result.row = row;
    result.column = code.add(code.mul(block, columns), column);
    result.sums.push_back(code.loadVector(type, sums, {at}));
    if (spec.gated)
      result.sums.push_back(code.loadVector(type, sums, {code.add(at, columns)}));
    if (spec.n % columns != 0) {
      Value left = code.sub(code.index(spec.n), result.column);
      result.mask = code.make<vector::CreateMaskOp>(
          code.vectorType(lanes, code.builder.getI1Type()), ValueRange{left});
    }
    epilogue(code.builder, code.loc, result);
  });
}

void emitProductEpilogue(const Code &code, const Isa &isa, const ProductSpec &spec,
                         const ProductEpilogue &epilogue, Value block, const BlockSums &sums) {
  code.loop(code.index(0), sums.rows, 1, [&](Value row) {
    emitRowEpilogue(code, isa, spec, epilogue, block, code.add(sums.firstRow, row), sums.memref,
                    code.mul(row, kBlock));
  });
}

void emitRoundedRow(const Code &code, const Isa &isa, Value x, Value row, int64_t k, int64_t width,
                    Value rounded, RoundedPlace place) {
  int64_t lanes = isa.lanes(), full = k / lanes * lanes;
  VectorType type = code.floats(lanes), bf16 = code.vectorType(lanes, code.builder.getBF16Type());
  Value zero = code.constant(type, 0);
  auto store = [&](Value at, Value values) {
    code.storeVector(code.make<arith::TruncFOp>(bf16, values), rounded, {place(at)});
  };
  code.loop(0, full, lanes, [&](Value at) { store(at, code.loadVector(type, x, {row, at})); });
  for (int64_t at = full; at < width; at += lanes) {
    Value values = zero;
    if (at < k) {
      Value mask = code.make<vector::CreateMaskOp>(code.vectorType(lanes, code.builder.getI1Type()),
                                                   ValueRange{code.index(k - at)});
      values =
          code.make<vector::MaskedLoadOp>(type, x, ValueRange{row, code.index(at)}, mask, zero);
    }
    store(code.index(at), values);
  }
}

VectorType ProductLanes::type() const { return cast<VectorType>(sums.front().getType()); }

Value ProductLanes::load(OpBuilder &builder, Location loc, Value memref, ValueRange indices) const {
  Code code{builder, loc};
  if (!mask)
    return code.loadVector(type(), memref, indices);
  return code.make<vector::MaskedLoadOp>(type(), memref, indices, mask, code.constant(type(), 0));
}

void ProductLanes::store(OpBuilder &builder, Location loc, Value value, Value memref,
                         ValueRange indices) const {
  Code code{builder, loc};
  if (mask)
    code.make<vector::MaskedStoreOp>(memref, indices, mask, value);
  else
    code.storeVector(value, memref, indices);
}

} // namespace plexus::emit
