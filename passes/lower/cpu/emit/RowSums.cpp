// Sums along a row in vectors.
#include "passes/lower/cpu/emit/RowSums.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace plexus::emit {

/// Vectors of partial sums of a long row.
static constexpr int64_t kSums = 4;

static Value total(const Code &code, Value vector) {
  return code.make<vector::ReductionOp>(vector::CombiningKind::ADD, vector,
                                        arith::FastMathFlags::reassoc);
}

Value sumOver(const Code &code, int64_t size, int64_t lanes,
              llvm::function_ref<Value(Value, VectorType, Value)> step) {
  int64_t full = size / lanes * lanes, wide = size / (kSums * lanes) * (kSums * lanes);
  VectorType whole = code.floats(lanes);
  Value sum;
  if (full > 0) {
    // Several sums at once: each addition waits for the one before it.
    Code::Values sums(wide > 0 ? kSums : 1, code.constant(whole, 0));
    if (wide > 0)
      sums = code.loop(code.index(0), code.index(wide), kSums * lanes, sums,
                       [&](Value column, ValueRange so) {
                         Code::Values next;
                         for (int64_t i = 0; i < kSums; ++i)
                           next.push_back(step(code.add(column, i * lanes), whole, so[i]));
                         return next;
                       });
    sums.front() = code.loop(code.index(wide), code.index(full), lanes, sums.front(),
                             [&](Value column, ValueRange so) -> Code::Values {
                               return {step(column, whole, so.front())};
                             })
                       .front();
    for (size_t i = 1; i < sums.size(); ++i)
      sums.front() = code.make<arith::AddFOp>(sums.front(), sums[i]);
    sum = total(code, sums.front());
  }
  if (full == size)
    return sum;
  VectorType type = code.floats(size - full);
  Value rest = total(code, step(code.index(full), type, code.constant(type, 0)));
  return sum ? code.make<arith::AddFOp>(sum, rest).getResult() : rest;
}

} // namespace plexus::emit
