//===- ProgramInfo.cpp - what a runtime must know of a model's segments
//---------------------------===//
// Reads SegmentInfo from the IR.
//===----------------------------------------------------------------------------------------------===//
#include "passes/ProgramInfo.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

TensorInfo tensorInfo(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  bool isStatic = type.getRank() == 0 || !type.isDynamicDim(0);
  auto symbol = isStatic ? std::nullopt : plx::sizeSymbol(value);
  return {isStatic ? "" : symbol ? plx::stringify(*symbol).str() : "T", type};
}

std::vector<std::string> names(ArrayRef<StringAttr> attributes) {
  std::vector<std::string> result;
  for (StringAttr name : attributes)
    result.push_back(name.str());
  return result;
}

plx::ReturnOp returnOf(plx::SegmentOp segment) {
  return cast<plx::ReturnOp>(segment.getBody().front().getTerminator());
}

void addTapped(SegmentInfo &info, plx::SegmentOp tapped) {
  info.tappedSymbol = ("plx_" + tapped.getName()).str();
  info.tappedScratch = info.tappedSymbol + "_scratch";
  info.tappedWeights = names(plx::collectParams(tapped));
  info.tappedStates = names(plx::collectStates(tapped));
  // Taps are the results after the segment's own.
  for (Value value : returnOf(tapped).getValues().drop_front(info.outputs.size())) {
    auto tap = value.getDefiningOp<plx::TapOp>();
    info.taps.push_back({tap ? tap.getName().str() : "", tensorInfo(value)});
  }
}

} // namespace

std::vector<SegmentInfo> collectSegments(plx::ModelOp model) {
  std::vector<SegmentInfo> result;
  for (auto segment : model.getBody().getOps<plx::SegmentOp>()) {
    if (segment.getName().ends_with(kTappedSuffix))
      continue;
    SegmentInfo info;
    info.name = segment.getName().str();
    info.symbol = "plx_" + info.name;
    info.scratch = info.symbol + "_scratch";
    for (BlockArgument input : segment.getBody().getArguments())
      if (isa<RankedTensorType>(input.getType()))
        info.inputs.push_back(tensorInfo(input));
    for (Value output : returnOf(segment).getValues())
      info.outputs.push_back(tensorInfo(output));
    info.weights = names(plx::collectParams(segment));
    info.states = names(plx::collectStates(segment));
    info.scalars = plx::countScalars(segment);
    if (auto tapped = model.lookupSymbol<plx::SegmentOp>((segment.getName() + kTappedSuffix).str()))
      addTapped(info, tapped);
    result.push_back(std::move(info));
  }
  return result;
}

} // namespace plexus::compiler
