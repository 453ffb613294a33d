//===- SplitLayers.cpp - a segment for each mixture of forms ----------------------------------===//
// Clones weights and segments whose layers are stored in different forms.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/Passes.h"
#include "passes/quantize/FormRules.h"
#include "passes/raise/Taps.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

#include <map>
#include <set>

namespace plexus::compiler {
#define GEN_PASS_DEF_SPLITLAYERS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

/// The rules of one model's weights, layer by layer, and the clones made for them.
class Splitter {
public:
  Splitter(plx::ModelOp model, FormRules &rules) : model(model), symbols(model), rules(rules) {}

  void run() {
    findUses();
    for (auto weight : llvm::to_vector(model.getOps<plx::WeightOp>()))
      splitWeight(weight);
    for (auto segment : llvm::to_vector(model.getOps<plx::SegmentOp>()))
      if (!segment.getName().ends_with(kTappedSuffix))
        splitSegment(segment);
  }

private:
  using Layers = SmallVector<int64_t>;

  /// The segment, or the one whose tapped variant it is.
  static StringRef plainName(plx::SegmentOp segment) {
    StringRef name = segment.getName();
    name.consume_back(kTappedSuffix);
    return name;
  }

  void findUses() {
    model.walk([&](plx::RunOp run) {
      if (run.getLayer())
        layersOfSegment[run.getSegment().str()].insert(static_cast<int64_t>(*run.getLayer()));
    });
    for (auto segment : model.getOps<plx::SegmentOp>())
      segment.walk([&](plx::ParamOp param) {
        auto layers = layersOfSegment.find(plainName(segment));
        if (layers == layersOfSegment.end())
          return;
        layersOfWeight[param.getWeight().str()].insert(layers->second.begin(),
                                                       layers->second.end());
      });
  }

  /// Layers by the rule that they get; the most come first and keep the name.
  void splitWeight(plx::WeightOp weight) {
    auto uses = layersOfWeight.find(weight.getSymName());
    if (!weight.isPerLayer() || uses == layersOfWeight.end())
      return;
    llvm::MapVector<const FormRule *, Layers> groups;
    for (int64_t layer : uses->second)
      groups[rules.find(weight, layer)].push_back(layer);
    SmallVector<Layers> sorted;
    for (auto &[rule, layers] : groups)
      sorted.push_back(layers);
    llvm::stable_sort(sorted, [](const Layers &a, const Layers &b) { return a.size() > b.size(); });
    OpBuilder builder(weight);
    builder.setInsertionPointAfter(weight);
    std::string name = weight.getSymName().str();
    for (auto [i, layers] : llvm::enumerate(sorted)) {
      plx::WeightOp each = weight;
      if (i > 0) {
        each = cast<plx::WeightOp>(builder.clone(*weight));
        each.setSymName(name + kLayersSeparator.str() + LayerSet::of(layers).spelling());
        symbols.insert(each);
      }
      each->setAttr(kLayersAttr, builder.getDenseI64ArrayAttr(layers));
      for (int64_t layer : layers)
        weightOfLayer[{name, layer}] = each.getSymName().str();
    }
  }

  /// The names that the parameters of a segment have in one layer.
  SmallVector<std::string> namesIn(plx::SegmentOp segment, int64_t layer) {
    SmallVector<std::string> names;
    segment.walk([&](plx::ParamOp param) {
      auto found = weightOfLayer.find({param.getWeight().str(), layer});
      names.push_back(found == weightOfLayer.end() ? param.getWeight().str() : found->second);
    });
    return names;
  }

  void splitSegment(plx::SegmentOp segment) {
    std::string name = segment.getName().str();
    auto tapped = symbols.lookup<plx::SegmentOp>(name + kTappedSuffix.str());
    std::map<std::string, Layers> groups;
    for (int64_t layer : layersOfSegment[name])
      groups[llvm::join(namesIn(segment, layer), "\n")].push_back(layer);
    // Clones come before the original is renamed, whose names they are looked up by.
    SmallVector<Layers> sorted;
    for (auto &[key, layers] : groups)
      sorted.push_back(layers);
    llvm::stable_sort(sorted, [](const Layers &a, const Layers &b) { return a.size() > b.size(); });
    if (sorted.empty())
      return;
    for (auto [i, layers] : llvm::drop_begin(llvm::enumerate(sorted))) {
      std::string own = uniqueName(name, i);
      cloneSegment(segment, own, layers[0]);
      if (tapped)
        cloneSegment(tapped, own + kTappedSuffix.str(), layers[0]);
      for (int64_t layer : layers)
        segmentOfLayer[{name, layer}] = own;
    }
    renameParams(segment, sorted[0][0]);
    if (tapped)
      renameParams(tapped, sorted[0][0]);
    retarget(name);
  }

  std::string uniqueName(const std::string &name, size_t number) {
    std::string own = name + "_" + std::to_string(number);
    while (symbols.lookup(own))
      own += "_";
    return own;
  }

  void cloneSegment(plx::SegmentOp segment, const std::string &name, int64_t layer) {
    OpBuilder builder(segment);
    builder.setInsertionPointAfter(segment);
    auto clone = cast<plx::SegmentOp>(builder.clone(*segment));
    clone.setSymName(name);
    symbols.insert(clone);
    renameParams(clone, layer);
  }

  void renameParams(plx::SegmentOp segment, int64_t layer) {
    segment.walk([&](plx::ParamOp param) {
      auto found = weightOfLayer.find({param.getWeight().str(), layer});
      if (found != weightOfLayer.end())
        param.setWeight(found->second);
    });
  }

  void retarget(const std::string &name) {
    model.walk([&](plx::RunOp run) {
      if (run.getSegment() != name || !run.getLayer())
        return;
      auto found = segmentOfLayer.find({name, static_cast<int64_t>(*run.getLayer())});
      if (found != segmentOfLayer.end())
        run.setSegment(found->second);
    });
  }

  plx::ModelOp model;
  SymbolTable symbols;
  FormRules &rules;
  std::map<std::string, std::set<int64_t>, std::less<>> layersOfSegment, layersOfWeight;
  /// By the name before splitting and the layer.
  std::map<std::pair<std::string, int64_t>, std::string> weightOfLayer, segmentOfLayer;
};

class SplitLayersPass : public plexus::compiler::impl::SplitLayersBase<SplitLayersPass> {
public:
  using SplitLayersBase::SplitLayersBase;

  void runOnOperation() override {
    auto read = FormRules::read(keep + "," + chosen);
    if (!read) {
      emitError(getOperation().getLoc(), "keep: ") << llvm::toString(read.takeError());
      return signalPassFailure();
    }
    if (!read->haveLayers())
      return;
    for (auto model : getOperation().getOps<plx::ModelOp>())
      Splitter(model, *read).run();
  }
};

} // namespace
