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

void emitProductEpilogue(const Code &code, const Isa &isa, const ProductSpec &spec,
                         const ProductEpilogue &epilogue, Value block, const BlockSums &sums) {
  int64_t columns = spec.blockColumns(), lanes = isa.lanes();
  VectorType type = code.floats(lanes);
  code.loop(code.index(0), sums.rows, 1, [&](Value row) {
    code.loop(0, columns, lanes, [&](Value column) {
      ProductLanes result;
      Value place = code.add(code.mul(row, kBlock), column);
      result.row = code.add(sums.firstRow, row);
      result.column = code.add(code.mul(block, columns), column);
      result.sums.push_back(code.loadVector(type, sums.memref, {place}));
      if (spec.gated)
        result.sums.push_back(code.loadVector(type, sums.memref, {code.add(place, columns)}));
      if (spec.n % columns != 0) {
        Value left = code.sub(code.index(spec.n), result.column);
        result.mask = code.make<vector::CreateMaskOp>(
            code.vectorType(lanes, code.builder.getI1Type()), ValueRange{left});
      }
      epilogue(code.builder, code.loc, result);
    });
  });
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
