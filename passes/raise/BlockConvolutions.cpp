//===- BlockConvolutions.cpp - weights of convolutions in the order in which they are read
//---------===//
// Gives each convolution whose weight is a recipe the weight in blocks of filters (Plx_ConvOp).
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "passes/Passes.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_BLOCKCONVOLUTIONS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

/// `count` blocks of `size` rows of `of` [O, ...], from row `begin` on, filters innermost, as a
/// vector.
Attribute blocks(Attribute of, int64_t begin, int64_t count, int64_t size,
                 ArrayRef<int64_t> kernel) {
  MLIRContext *context = of.getContext();
  int64_t inner = ShapedType::getNumElements(kernel.drop_front());
  if (count * size != kernel[0])
    of = plx::SliceRecipeAttr::get(context, 0, begin, count * size, of);
  if (size > 1) {
    of = plx::ReshapeRecipeAttr::get(context, {count, size, inner}, of);
    of = plx::TransposeRecipeAttr::get(context, {0, 2, 1}, of);
  }
  return plx::ReshapeRecipeAttr::get(context, {count * size * inner}, of);
}

/// The recipe `of` of a weight [O, C / groups, K...] in blocks.
Attribute blocked(Attribute of, ArrayRef<int64_t> kernel, int64_t groups) {
  int64_t filters = kernel[0] / groups;
  SmallVector<int64_t> sizes = plx::filterBlocks(filters);
  int64_t count = sizes.size(), large = filters % count;
  if (large == 0)
    return blocks(of, 0, groups * count, sizes.back(), kernel);
  SmallVector<Attribute> parts;
  for (int64_t group = 0; group < groups; ++group) {
    int64_t begin = group * filters;
    parts.push_back(blocks(of, begin, large, sizes.front(), kernel));
    parts.push_back(blocks(of, begin + large * sizes.front(), count - large, sizes.back(), kernel));
  }
  return plx::ConcatAttr::get(of.getContext(), 0, parts);
}

class BlockConvolutionsPass
    : public plexus::compiler::impl::BlockConvolutionsBase<BlockConvolutionsPass> {
public:
  void runOnOperation() override {
    for (auto model : getOperation().getOps<plx::ModelOp>())
      run(model);
  }

private:
  void run(plx::ModelOp model) {
    SymbolTable symbols(model);
    llvm::MapVector<std::pair<StringAttr, int64_t>, plx::WeightOp> made;
    SmallVector<plx::ConvOp> convs;
    model.walk([&](plx::ConvOp op) { convs.push_back(op); });
    for (plx::ConvOp conv : convs) {
      auto param = conv.getWeight().getDefiningOp<plx::ParamOp>();
      if (!param || conv.getBlocked() || !conv.getType().getElementType().isF32())
        continue;
      plx::WeightOp &weight = made[{param.getWeightAttr().getAttr(), int64_t(conv.getGroups())}];
      if (!weight)
        weight = declare(symbols, symbols.lookup<plx::WeightOp>(param.getWeight()), conv);
      if (weight)
        replace(conv, param, weight);
    }
    erase(model, symbols, made);
  }

  plx::WeightOp declare(SymbolTable &symbols, plx::WeightOp weight, plx::ConvOp conv) {
    ScopedDiagnosticHandler quiet(&getContext(), [](Diagnostic &) { return success(); });
    auto known = plx::inferNestedRecipe(weight.getRecipe(), {},
                                        [&] { return mlir::emitError(weight.getLoc()); });
    if (failed(known) || weight.getWeightType().getEncoding())
      return {};
    SmallVector<int64_t> kernel = conv.getKernelShape();
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfter(weight);
    auto type = RankedTensorType::get({ShapedType::getNumElements(kernel)}, builder.getF32Type());
    auto fresh = plx::WeightOp::create(builder, weight.getLoc(), weight.getSymName(), type,
                                       blocked(weight.getRecipe(), kernel, conv.getGroups()));
    symbols.insert(fresh);
    return fresh;
  }

  void replace(plx::ConvOp conv, plx::ParamOp param, plx::WeightOp weight) {
    OpBuilder builder(conv);
    conv.setBlocked(conv.getKernelShape());
    conv.getWeightMutable().assign(plx::ParamOp::create(builder, param.getLoc(), weight));
    if (param->use_empty())
      param.erase();
  }

  /// Weights whose blocks alone are read now.
  template <typename Made>
  void erase(plx::ModelOp model, SymbolTable &symbols, const Made &made) {
    llvm::SmallPtrSet<Attribute, 16> read;
    model.walk([&](plx::ParamOp op) { read.insert(op.getWeightAttr().getAttr()); });
    for (auto &[key, weight] : made)
      if (weight && !read.contains(key.first))
        if (Operation *old = symbols.lookup(key.first))
          symbols.erase(old);
  }
};

} // namespace
