// Sums along a row in vectors.
#include "passes/lower/cpu/emit/RowSums.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace plexus::emit {

static Value total(const Code &code, Value vector) {
  return code.make<vector::ReductionOp>(vector::CombiningKind::ADD, vector,
                                        arith::FastMathFlags::reassoc);
}

Value sumOver(const Code &code, int64_t size, int64_t lanes,
              llvm::function_ref<Value(Value, VectorType, Value)> step) {
  int64_t full = size / lanes * lanes;
  Value sum;
  if (full > 0) {
    VectorType type = code.floats(lanes);
    Value vector = code.loop(code.index(0), code.index(full), lanes, code.constant(type, 0),
                             [&](Value column, ValueRange so) -> Code::Values {
                               return {step(column, type, so.front())};
                             })
                       .front();
    sum = total(code, vector);
  }
  if (full == size)
    return sum;
  VectorType type = code.floats(size - full);
  Value rest = total(code, step(code.index(full), type, code.constant(type, 0)));
  return sum ? code.make<arith::AddFOp>(sum, rest).getResult() : rest;
}

} // namespace plexus::emit
