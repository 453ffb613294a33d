//===- ReorderInputs.cpp - products with weights in the order in which they are stored --------===//
// A weight whose columns are stored in another order keeps its blocks when the product reads the
// input's columns in that order.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "mlir/IR/Builders.h"
#include "passes/Passes.h"
#include "passes/fuse/WeightRecipes.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_REORDERINPUTS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using plexus::compiler::WeightRecipes;

namespace {

/// Rewrites one model.
class Inputs {
public:
  explicit Inputs(plx::ModelOp model) : weights(model) {}

  /// y = x W^T with W[n, order[k]] = V[n, k] is x' V^T with x'[k] = x[order[k]].
  void reorder(plx::LinearOp linear) {
    auto unsort = dyn_cast_or_null<plx::UnsortRecipeAttr>(weights.recipeOf(linear.getWeight()));
    if (!unsort || !cast<RankedTensorType>(linear.getInput().getType()).getElementType().isF32())
      return;
    OpBuilder b(linear);
    Value order = part(b, linear, unsort.getParts()[0]),
          stored = part(b, linear, unsort.getParts()[1]);
    linear.getInputMutable().assign(
        plx::ReorderOp::create(b, linear.getLoc(), linear.getInput(), order));
    linear.getWeightMutable().assign(stored);
  }
  void finish() { weights.finish(); }

private:
  /// A part of the product's weight as a weight of its own; several products may share it.
  Value part(OpBuilder &b, plx::LinearOp linear, Attribute recipe) {
    if (plx::WeightOp known = declared.lookup(recipe))
      return plx::ParamOp::create(b, linear.getLoc(), known);
    auto source = dyn_cast<plx::SourceAttr>(recipe);
    Value value = weights.declare(b, {linear.getWeight()}, recipe, linear.getLoc(),
                                  source ? source.getName() : StringRef());
    declared[recipe] = weights.weightOf(value);
    return value;
  }

  WeightRecipes weights;
  llvm::DenseMap<Attribute, plx::WeightOp> declared;
};

class ReorderInputsPass : public plexus::compiler::impl::ReorderInputsBase<ReorderInputsPass> {
  void runOnOperation() override {
    for (auto model : getOperation().getOps<plx::ModelOp>()) {
      Inputs inputs(model);
      model.walk([&](plx::LinearOp linear) { inputs.reorder(linear); });
      inputs.finish();
    }
  }
};

} // namespace
