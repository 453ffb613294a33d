// Verifier messages in one form: the operand's name, what was expected, what was found.
#ifndef PLEXUS_DIALECTS_PLX_VERIFY_H
#define PLEXUS_DIALECTS_PLX_VERIFY_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace mlir::plx {

/// Checks that the vector operand `name` (may be null) has as many entries as the last axis of
/// `of`.
LogicalResult verifyVector(Operation *op, StringRef name, Value vector, Value of);

/// Checks that `value`, the operand or result `name`, has rank `rank` or more.
LogicalResult verifyMinRank(Operation *op, StringRef name, Value value, int64_t rank);

/// Checks that the leading dimension of the operand `name` is dynamic: rows of the ragged batch.
LogicalResult verifyRows(Operation *op, StringRef name, Value value);

/// Checks that the window or offset `name` lies in 0 .. 2^31 - 1: counts of tokens are i32 at run
/// time.
LogicalResult verifyTokenCount(Operation *op, StringRef name, int64_t count);

/// Checks that the recurrent state `name` (may be null) has the shape `shape`.
LogicalResult verifyCarry(Operation *op, StringRef name, Value state, ArrayRef<int64_t> shape);

/// Checks a quantity: "operand 'weight' has <what> <found>, expected <expected>".
template <typename T>
LogicalResult verifyEqual(Operation *op, StringRef name, StringRef what, T found, T expected) {
  if (found == expected)
    return success();
  return op->emitOpError("'") << name << "' has " << what << ' ' << found << ", expected "
                              << expected;
}

} // namespace mlir::plx

#endif // PLEXUS_DIALECTS_PLX_VERIFY_H
