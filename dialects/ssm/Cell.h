// What the cells of recurrent networks have in common.
#ifndef PLEXUS_DIALECTS_SSM_CELL_H
#define PLEXUS_DIALECTS_SSM_CELL_H

#include "dialects/ssm/SsmOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ssm {

/// One of `ssm.lstm`, `ssm.gru`, `ssm.rnn`, taken apart. Optional operands are null where absent.
struct Cell {
  /// Fails on another op.
  static FailureOr<Cell> of(Operation *op);

  Operation *op;
  Value gates, weight, batch, bias, projection, state, memory, initial;
  bool reverse = false;
  int64_t parts = 1; ///< Gates: 4, 3, 1.
  int64_t units = 0; ///< Of each gate.
  int64_t width = 0; ///< Of h: the units, or the rows of the projection.

  bool hasMemory() const { return isa<LstmOp>(op); }

  /// What a step makes of a unit: h (before a projection) and the memory, null where there is none.
  /// `x` and `u` hold the unit's gates: products with the input, and with h and its bias. All are
  /// f32 scalars or vectors.
  struct Step {
    Value output, memory;
  };
  Step build(ImplicitLocOpBuilder &builder, ValueRange x, ValueRange u, Value last,
             Value memory) const;
};

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_CELL_H
