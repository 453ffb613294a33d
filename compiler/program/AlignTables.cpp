// One weight table and one state table for a segment and its tapped variant.
#include "compiler/program/ProgramBuilder.h"
#include "passes/raise/Taps.h"

#include "llvm/ADT/SetVector.h"

namespace plexus::compiler {

using namespace mlir;

namespace {

/// The tables list what a body reads by first appearance, and fusion may order the two bodies
/// differently: reads of `names` go to the top of the body, in that order.
template <typename OpT>
void hoistReads(plx::SegmentOp segment, const llvm::SetVector<StringAttr> &names,
                llvm::function_ref<StringAttr(OpT)> nameOf,
                llvm::function_ref<OpT(OpBuilder &, StringAttr)> create) {
  Block &body = segment.getBody().front();
  auto reads = llvm::to_vector(body.getOps<OpT>());
  OpBuilder builder = OpBuilder::atBlockBegin(&body);
  for (StringAttr name : names) {
    OpT read = create(builder, name);
    for (OpT old : reads)
      if (nameOf(old) == name)
        old->replaceAllUsesWith(read->getResults());
  }
  for (OpT old : reads)
    old.erase();
}

StringAttr weightOf(plx::ParamOp op) { return op.getWeightAttr().getAttr(); }
StringAttr stateOf(plx::GetStateOp op) { return op.getStateAttr().getAttr(); }

} // namespace

void alignTappedTables(plx::ModelOp model) {
  for (auto plain : model.getOps<plx::SegmentOp>()) {
    auto tapped = model.lookupSymbol<plx::SegmentOp>((plain.getName() + kTappedSuffix).str());
    if (!tapped)
      continue;
    llvm::SetVector<StringAttr> params, states;
    for (plx::SegmentOp segment : {plain, tapped}) {
      params.insert_range(plx::collectParams(segment));
      states.insert_range(plx::collectStates(segment));
    }
    for (plx::SegmentOp segment : {plain, tapped}) {
      hoistReads<plx::GetStateOp>(segment, states, stateOf, [&](OpBuilder &b, StringAttr name) {
        return plx::GetStateOp::create(b, segment.getLoc(), model.lookupSymbol<plx::StateOp>(name));
      });
      hoistReads<plx::ParamOp>(segment, params, weightOf, [&](OpBuilder &b, StringAttr name) {
        return plx::ParamOp::create(b, segment.getLoc(), model.lookupSymbol<plx::WeightOp>(name));
      });
    }
  }
}

} // namespace plexus::compiler
