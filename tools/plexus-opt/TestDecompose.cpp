// A pass for tests: replaces ops by their decompositions, and accessors by what the test says they
// give.
#include "TestDecompose.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace {

/// What an accessor is called in the attribute `accessors` of a function: an array of the batch by
/// its field, others by their mnemonic.
StringRef accessorName(Operation *op) {
  if (auto field = dyn_cast<plx::BatchFieldOp>(op))
    return stringifyBatchField(field.getField());
  return op->getName().stripDialect();
}

/// Replaces accessors by the constants that the surrounding function has in `accessors = {name =
/// dense<...>}`: so that decompositions can be run.
void replaceAccessor(Operation *op) {
  auto function = op->getParentOfType<FunctionOpInterface>();
  auto given = function ? function->getAttrOfType<DictionaryAttr>("accessors") : DictionaryAttr();
  auto contents = given ? given.getAs<DenseElementsAttr>(accessorName(op)) : DenseElementsAttr();
  if (!contents || op->getNumResults() != 1 || !isa<ShapedType>(op->getResult(0).getType()))
    return;
  OpBuilder builder(op);
  Value constant = arith::ConstantOp::create(builder, op->getLoc(), contents);
  Value dynamic =
      tensor::CastOp::create(builder, op->getLoc(), op->getResult(0).getType(), constant);
  op->getResult(0).replaceAllUsesWith(dynamic);
  op->erase();
}

struct TestDecompose : PassWrapper<TestDecompose, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestDecompose)
  StringRef getArgument() const final { return "test-plx-decompose"; }
  StringRef getDescription() const final { return "Replaces ops of plx and attn by their meaning"; }

  void getDependentDialects(DialectRegistry &registry) const final {
    registry.insert<arith::ArithDialect, tensor::TensorDialect>();
  }

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
    getOperation()->walk(replaceAccessor);
  }
};
} // namespace

void plexus::registerTestDecompose() { PassRegistration<TestDecompose>(); }
