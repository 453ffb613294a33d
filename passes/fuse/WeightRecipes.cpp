//===- WeightRecipes.cpp - arithmetic of weights before they are packed -----------------------===//
// Recipes by name, and declarations of weights made of others.
//===----------------------------------------------------------------------------------------------===//
#include "passes/fuse/WeightRecipes.h"

using namespace mlir;

namespace plexus::compiler {

Attribute Recipes::einsum(const Twine &axes, ArrayRef<Attribute> parts) const {
  return plx::EinsumRecipeAttr::get(context, axes.str(), parts);
}
Attribute Recipes::sum(ArrayRef<Attribute> parts) const {
  return plx::SumRecipeAttr::get(context, parts);
}
Attribute Recipes::scale(double factor, Attribute of) const {
  return plx::ScaleRecipeAttr::get(context, FloatAttr::get(Float64Type::get(context), factor), of);
}
Attribute Recipes::box(int64_t axis, int64_t count, Attribute of) const {
  return plx::BoxRecipeAttr::get(context, axis, count, of);
}
Attribute Recipes::spectrum(int64_t points, Attribute of) const {
  return plx::SpectrumRecipeAttr::get(context, points, of);
}
Attribute Recipes::concat(int64_t axis, ArrayRef<Attribute> parts) const {
  return plx::ConcatAttr::get(context, axis, parts);
}
Attribute Recipes::slice(int64_t axis, int64_t begin, int64_t size, Attribute of) const {
  return plx::SliceRecipeAttr::get(context, axis, begin, size, of);
}
Attribute Recipes::transpose(ArrayRef<int64_t> order, Attribute of) const {
  return plx::TransposeRecipeAttr::get(context, order, of);
}
Attribute Recipes::reshape(ArrayRef<int64_t> shape, Attribute of) const {
  return plx::ReshapeRecipeAttr::get(context, shape, of);
}

plx::WeightOp WeightRecipes::weightOf(Value value) {
  auto param = value ? value.getDefiningOp<plx::ParamOp>() : plx::ParamOp();
  return param ? symbols.lookup<plx::WeightOp>(param.getWeight()) : plx::WeightOp();
}

Attribute WeightRecipes::recipeOf(Value value) {
  plx::WeightOp weight = weightOf(value);
  if (!weight || weight.getWeightType().getEncoding())
    return {};
  ScopedDiagnosticHandler quiet(model.getContext(), [](Diagnostic &) { return success(); });
  auto type = plx::inferNestedRecipe(weight.getRecipe(), {},
                                     [&] { return mlir::emitError(weight.getLoc()); });
  return succeeded(type) ? weight.getRecipe() : Attribute();
}

Value WeightRecipes::declare(OpBuilder &builder, ArrayRef<Value> from, Attribute recipe,
                             Location loc, StringRef name) {
  std::string joined;
  plx::WeightOp last;
  for (Value value : from)
    if (auto param = value ? value.getDefiningOp<plx::ParamOp>() : plx::ParamOp()) {
      joined += (joined.empty() ? "" : "_") + param.getWeight().str();
      replaced.insert(param.getWeightAttr().getAttr());
      auto weight = symbols.lookup<plx::WeightOp>(param.getWeight());
      last = !last || last->isBeforeInBlock(weight) ? weight : last;
    }
  auto type = plx::inferNestedRecipe(recipe, {}, [&] { return mlir::emitError(loc); });
  OpBuilder top(model.getContext());
  top.setInsertionPointAfter(last);
  auto weight = plx::WeightOp::create(top, last.getLoc(), name.empty() ? StringRef(joined) : name,
                                      *type, recipe);
  symbols.insert(weight);
  replaced.insert(weight.getSymNameAttr()); // may be replaced itself
  return plx::ParamOp::create(builder, loc, weight);
}

void WeightRecipes::finish() {
  llvm::SmallPtrSet<Attribute, 16> read;
  model.walk([&](plx::ParamOp op) {
    if (op->use_empty())
      return op.erase();
    read.insert(op.getWeightAttr().getAttr());
  });
  for (StringAttr name : replaced)
    if (!read.contains(name))
      if (Operation *weight = symbols.lookup(name))
        symbols.erase(weight);
}

} // namespace plexus::compiler
