//===- Decompose.cpp - ops without a CPU form become upstream ops -----------------------------===//
// Applies DecomposeOpInterface until only upstream ops, accessors and ops with an emitter are left.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"
#include "passes/Report.h"
#include "passes/lower/cpu/SegmentLowering.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_DECOMPOSE
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

class DecomposePass : public plexus::compiler::impl::DecomposeBase<DecomposePass> {
public:
  using DecomposeBase::DecomposeBase;

  void runOnOperation() override {
    getOperation().walk([&](plx::SegmentOp segment) {
      noteDecomposed(segment);
      // A decomposition may be made of ops that decompose themselves.
      while (decomposeOnce(segment))
        ;
    });
  }

private:
  bool isDecomposed(plx::DecomposeOpInterface op) const {
    return all || !plexus::compiler::hasCpuForm(op);
  }

  /// The ops themselves are gone when the segment is lowered.
  void noteDecomposed(plx::SegmentOp segment) {
    segment.walk([&](plx::DecomposeOpInterface op) {
      if (isDecomposed(op))
        plexus::compiler::addReportRow(
            segment, op, "generated",
            all ? "decomposed, as all ops were asked to be"
                : "decomposed: loops over rows, one with its neighbours");
    });
  }

  bool decomposeOnce(plx::SegmentOp segment) {
    SmallVector<plx::DecomposeOpInterface> work;
    segment.walk([&](plx::DecomposeOpInterface op) {
      if (isDecomposed(op))
        work.push_back(op);
    });
    bool changed = false;
    for (plx::DecomposeOpInterface op : work) {
      OpBuilder builder(op);
      FailureOr<SmallVector<Value>> results = op.decompose(builder);
      if (failed(results))
        continue;
      op->replaceAllUsesWith(*results);
      op->erase();
      changed = true;
    }
    return changed;
  }
};

} // namespace
