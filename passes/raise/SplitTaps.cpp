//===- SplitTaps.cpp - a plain and a tapped variant of each segment ---------------------------===//
// Clones segments with taps into variants that return the tapped values; erases taps elsewhere.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "passes/Passes.h"
#include "passes/raise/Taps.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_SPLITTAPS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

SmallVector<plx::TapOp> tapsOf(plx::SegmentOp segment) {
  SmallVector<plx::TapOp> taps;
  segment.walk([&](plx::TapOp tap) { taps.push_back(tap); });
  return taps;
}

/// A clone of `segment`, after it, that also returns what its taps see.
void addTapped(plx::SegmentOp segment) {
  OpBuilder builder(segment.getContext());
  builder.setInsertionPointAfter(segment);
  auto tapped = cast<plx::SegmentOp>(builder.clone(*segment));
  tapped.setSymName((segment.getName() + kTappedSuffix).str());
  auto result = cast<plx::ReturnOp>(tapped.getBody().front().getTerminator());
  SmallVector<Value> values(result.getValues());
  SmallVector<Type> types(tapped.getResultTypes());
  for (plx::TapOp tap : tapsOf(tapped)) {
    values.push_back(tap.getResult());
    types.push_back(tap.getResult().getType());
  }
  result.getValuesMutable().assign(values);
  tapped.setFunctionType(builder.getFunctionType(tapped.getArgumentTypes(), types));
  // Result attributes, if any, cover the segment's own results only.
  tapped.removeResAttrsAttr();
}

class SplitTapsPass : public plexus::compiler::impl::SplitTapsBase<SplitTapsPass> {
public:
  void runOnOperation() override {
    SmallVector<plx::SegmentOp> segments;
    getOperation().walk([&](plx::SegmentOp segment) { segments.push_back(segment); });
    for (plx::SegmentOp segment : segments) {
      SmallVector<plx::TapOp> taps = tapsOf(segment);
      if (taps.empty() || segment.getName().ends_with(kTappedSuffix))
        continue;
      addTapped(segment);
      for (plx::TapOp tap : taps) {
        tap.getResult().replaceAllUsesWith(tap.getInput());
        tap.erase();
      }
    }
  }
};

} // namespace
