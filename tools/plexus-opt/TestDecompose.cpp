// A pass for tests: replaces ops by their decompositions.
#include "TestDecompose.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace {
struct TestDecompose : PassWrapper<TestDecompose, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestDecompose)
  StringRef getArgument() const final { return "test-plx-decompose"; }
  StringRef getDescription() const final { return "Replaces ops of plx and attn by their meaning"; }

  void runOnOperation() final {
    // Decompositions may contain ops that decompose in turn.
    SmallVector<plx::DecomposeOpInterface> work;
    auto collect = [&](Operation *root) {
      root->walk([&](plx::DecomposeOpInterface op) { work.push_back(op); });
    };
    collect(getOperation());
    while (!work.empty()) {
      plx::DecomposeOpInterface op = work.pop_back_val();
      Operation *before = op->getPrevNode();
      OpBuilder builder(op);
      FailureOr<SmallVector<Value>> values = op.decompose(builder);
      if (failed(values))
        continue;
      Operation *made = before ? before->getNextNode() : &op->getBlock()->front();
      for (; made != op; made = made->getNextNode())
        collect(made);
      op->replaceAllUsesWith(*values);
      op->erase();
    }
  }
};
} // namespace

void plexus::registerTestDecompose() { PassRegistration<TestDecompose>(); }
