//===- NumberParameters.cpp - places of weights and states in a segment's tables --------------===//
// Notes on each plx.param and plx.get_state its index in the segment's weight or state table.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "passes/Passes.h"
#include "passes/lower/cpu/SegmentArgs.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_NUMBERPARAMETERS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

class NumberParametersPass
    : public plexus::compiler::impl::NumberParametersBase<NumberParametersPass> {
public:
  void runOnOperation() override {
    getOperation().walk([&](plx::SegmentOp segment) {
      SmallVector<StringAttr> weights = plx::collectParams(segment);
      SmallVector<StringAttr> states = plx::collectStates(segment);
      segment.walk([&](plx::ParamOp op) { note(op, weights, op.getWeightAttr().getAttr()); });
      segment.walk([&](plx::GetStateOp op) { note(op, states, op.getStateAttr().getAttr()); });
      noteRows(segment);
    });
  }

private:
  /// What the leading dimension of each result counts: its producer will not say once decomposed.
  static void noteRows(plx::SegmentOp segment) {
    auto result = cast<plx::ReturnOp>(segment.getBody().front().getTerminator());
    if (result->hasAttr(plexus::compiler::kRowsAttr))
      return;
    SmallVector<StringRef> rows;
    for (Value value : result.getValues()) {
      auto symbol = plx::sizeSymbol(value);
      rows.push_back(symbol ? plx::stringify(*symbol) : "");
    }
    result->setAttr(plexus::compiler::kRowsAttr,
                    Builder(segment.getContext()).getStrArrayAttr(rows));
  }

  static void note(Operation *op, ArrayRef<StringAttr> table, StringAttr name) {
    int64_t index = llvm::find(table, name) - table.begin();
    op->setAttr(plexus::compiler::kIndexAttr, Builder(op->getContext()).getI64IntegerAttr(index));
  }
};

} // namespace
