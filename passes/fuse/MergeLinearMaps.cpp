//===- MergeLinearMaps.cpp - chains of linear maps in their cheapest order
//---------------------===//
// Convolutions, batch norm and mean pooling without a nonlinearity between them are one linear map:
// they are merged, or change places, where that takes fewer multiplications.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "passes/Passes.h"
#include "passes/Report.h"
#include "passes/fuse/WeightRecipes.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_MERGELINEARMAPS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using plexus::compiler::joinedLocation;

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Elements of a map for one row.
int64_t perRow(RankedTensorType map) {
  return ShapedType::getNumElements(map.getShape().drop_front());
}

/// Multiplications of a convolution for one row.
int64_t costOf(plx::ConvOp conv) {
  return perRow(conv.getType()) *
         ShapedType::getNumElements(ArrayRef(conv.getKernelShape()).drop_front());
}

/// A map that is linear so far and that nobody else reads.
plx::ConvOp linearConv(Value value) {
  auto conv = value.getDefiningOp<plx::ConvOp>();
  bool linear = conv && conv->hasOneUse() && !conv.getActivation() && !conv.getBlocked();
  return linear && conv.getType().getElementType().isF32() ? conv : plx::ConvOp();
}

/// What a convolution is made of, to be changed and built anew.
struct Draft {
  Value input;
  Attribute weight, bias; ///< Recipes; no bias: null.
  SmallVector<int64_t> kernel;
  plx::WindowAxes axes;
  int64_t groups = 1;
};

/// Rewrites one model.
class Chains {
public:
  explicit Chains(plx::ModelOp model) : weights(model), r(weights.r), builder(model.getContext()) {}

  void run(plx::SegmentOp segment) {
    for (bool changed = true; changed;) {
      changed = false;
      for (Operation &op : llvm::make_early_inc_range(segment.getBody().front())) {
        if (auto affine = dyn_cast<plx::ChannelAffineOp>(op))
          changed = foldAffine(affine) || foldIntoProduct(affine);
        else if (auto linear = dyn_cast<plx::LinearOp>(op))
          changed = foldBeforeProduct(linear);
        else if (auto pool = dyn_cast<plx::PoolWindowOp>(op))
          changed = mergePool(pool);
        else if (auto conv = dyn_cast<plx::ConvOp>(op))
          changed = mergeConv(conv);
        if (changed) // what stood behind may be gone
          break;
      }
    }
    for (auto conv : llvm::to_vector(segment.getOps<plx::ConvOp>()))
      makeProduct(conv);
  }

  void finish() { weights.finish(); }

private:
  Attribute recipeOf(Value value) { return weights.recipeOf(value); }
  Value declare(ArrayRef<Value> from, Attribute recipe, Location loc) {
    return weights.declare(builder, from, recipe, loc);
  }

  //===--- Drafts ---===//

  /// Nothing where a weight is not a recipe.
  std::optional<Draft> draftOf(plx::ConvOp conv) {
    Draft draft{conv.getInput(),          recipeOf(conv.getWeight()),
                recipeOf(conv.getBias()), conv.getKernelShape(),
                conv.getAxes(),           int64_t(conv.getGroups())};
    if (!draft.weight || (conv.getBias() && !draft.bias))
      return std::nullopt;
    return draft;
  }

  plx::ConvOp build(const Draft &draft, ArrayRef<Value> weights, ArrayRef<Value> biases,
                    plx::ActivationKindAttr activation, Location loc) {
    Value weight = declare(weights, draft.weight, loc);
    Value bias = draft.bias ? declare(biases, draft.bias, loc) : Value();
    SmallVector<int64_t> strides, dilations, begin, end;
    for (const plx::WindowAxis &axis : draft.axes) {
      strides.push_back(axis.stride);
      dilations.push_back(axis.dilation);
      begin.push_back(axis.begin);
      end.push_back(axis.end);
    }
    auto list = [&](ArrayRef<int64_t> values, int64_t plain) {
      bool isPlain = llvm::all_of(values, [&](int64_t v) { return v == plain; });
      return isPlain ? DenseI64ArrayAttr() : builder.getDenseI64ArrayAttr(values);
    };
    return plx::ConvOp::create(builder, loc, draft.input, weight, bias, list(strides, 1),
                               list(dilations, 1), list(begin, 0), list(end, 0),
                               builder.getI64IntegerAttr(draft.groups), activation,
                               DenseI64ArrayAttr(), IntegerAttr());
  }

  static std::string letters(size_t count) { return std::string("hijkl").substr(0, count); }

  //===--- Batch norm ---===//

  /// scale (w x + b) + shift is one convolution. Behind a mean pool the affine map goes first.
  bool foldAffine(plx::ChannelAffineOp affine) {
    auto pool = affine.getInput().getDefiningOp<plx::PoolWindowOp>();
    if (pool && pool->hasOneUse() && pool.getMode() == plx::WindowMode::Mean && !padded(pool) &&
        linearConv(pool.getInput())) {
      builder.setInsertionPoint(pool);
      Value before = plx::ChannelAffineOp::create(builder, affine.getLoc(), pool.getInput(),
                                                  affine.getScale(), affine.getShift());
      affine.getScale().getDefiningOp()->moveBefore(before.getDefiningOp());
      affine.getShift().getDefiningOp()->moveBefore(before.getDefiningOp());
      pool.getInputMutable().assign(before);
      affine.getResult().replaceAllUsesWith(pool.getResult());
      affine.erase();
      return true;
    }
    plx::ConvOp conv = linearConv(affine.getInput());
    auto draft = conv ? draftOf(conv) : std::nullopt;
    Attribute scale = recipeOf(affine.getScale()), shift = recipeOf(affine.getShift());
    if (!draft || !scale || !shift)
      return false;
    std::string rest = "c" + letters(draft->axes.size());
    draft->weight = r.einsum("o" + rest + ",o->o" + rest, {draft->weight, scale});
    draft->bias = draft->bias ? r.sum({r.einsum("o,o->o", {draft->bias, scale}), shift}) : shift;
    builder.setInsertionPoint(affine);
    Location loc =
        joinedLocation(conv.getLoc(), affine, "folded into the weight of the convolution");
    auto merged = build(*draft, {conv.getWeight(), affine.getScale()},
                        {conv.getBias(), affine.getShift()}, {}, loc);
    affine.getResult().replaceAllUsesWith(merged.getResult());
    affine.erase();
    conv.erase();
    return true;
  }

  static bool padded(plx::PoolWindowOp pool) {
    return llvm::any_of(pool.getAxes(), [](const plx::WindowAxis &axis) {
      return axis.begin || axis.end || axis.dilation != 1;
    });
  }

  /// scale (w x + b) + shift of rows is one product.
  bool foldIntoProduct(plx::ChannelAffineOp affine) {
    auto linear = affine.getInput().getDefiningOp<plx::LinearOp>();
    if (!linear || !linear->hasOneUse() || typeOf(affine).getRank() != 2 || !isF32(linear))
      return false;
    Attribute weight = recipeOf(linear.getWeight()), bias = recipeOf(linear.getBias()),
              scale = recipeOf(affine.getScale()), shift = recipeOf(affine.getShift());
    if (!weight || !bias != !linear.getBias() || !scale || !shift)
      return false;
    bias = bias ? r.sum({r.einsum("o,o->o", {bias, scale}), shift}) : shift;
    builder.setInsertionPoint(affine);
    Location loc = joinedLocation(linear.getLoc(), affine, "folded into the product's weight");
    replaceProduct(affine, linear, linear.getInput(), r.einsum("ok,o->ok", {weight, scale}), bias,
                   affine, loc);
    linear.erase();
    return true;
  }

  /// w (scale x + shift) + b of rows is one product.
  bool foldBeforeProduct(plx::LinearOp linear) {
    auto affine = linear.getInput().getDefiningOp<plx::ChannelAffineOp>();
    if (!affine || !affine->hasOneUse() || typeOf(affine).getRank() != 2 || !isF32(linear))
      return false;
    Attribute weight = recipeOf(linear.getWeight()), bias = recipeOf(linear.getBias()),
              scale = recipeOf(affine.getScale()), shift = recipeOf(affine.getShift());
    if (!weight || !bias != !linear.getBias() || !scale || !shift)
      return false;
    Attribute moved = r.einsum("ok,k->o", {weight, shift});
    bias = bias ? r.sum({bias, moved}) : moved;
    builder.setInsertionPoint(linear);
    Location loc = joinedLocation(linear.getLoc(), affine, "folded into the product's weight");
    replaceProduct(linear, linear, affine.getInput(), r.einsum("ok,k->ok", {weight, scale}), bias,
                   affine, loc);
    affine.erase();
    return true;
  }

  static bool isF32(plx::LinearOp linear) {
    return typeOf(linear.getWeight()).getElementType().isF32() &&
           linear.getType().getElementType().isF32();
  }

  /// A product of new weights, made of those of `linear` and `affine`, in place of `op`.
  void replaceProduct(Operation *op, plx::LinearOp linear, Value input, Attribute weight,
                      Attribute bias, plx::ChannelAffineOp affine, Location loc) {
    Value matrix = declare({linear.getWeight(), affine.getScale()}, weight, loc);
    Value added = declare({linear.getBias(), affine.getShift(), linear.getWeight()}, bias, loc);
    Value product = plx::LinearOp::create(builder, loc, input, matrix, added);
    op->getResult(0).replaceAllUsesWith(product);
    op->erase();
  }

  //===--- Mean pooling ---===//

  /// The mean over p windows of k places is one window of k + p - 1.
  bool mergePool(plx::PoolWindowOp pool) {
    plx::ConvOp conv = linearConv(pool.getInput());
    auto draft = conv && pool.getMode() == plx::WindowMode::Mean && !padded(pool) ? draftOf(conv)
                                                                                  : std::nullopt;
    if (!draft)
      return false;
    int64_t window = 1;
    for (auto [index, axes] : llvm::enumerate(llvm::zip_equal(draft->axes, pool.getAxes()))) {
      auto &[own, outer] = axes;
      if (outer.kernel == 1 && outer.stride == 1)
        continue;
      if (own.stride != 1 || own.dilation != 1)
        return false;
      own.kernel += outer.kernel - 1;
      own.stride = outer.stride;
      draft->kernel[2 + index] = own.kernel;
      if (outer.kernel > 1)
        draft->weight = r.box(2 + index, outer.kernel, draft->weight);
      window *= outer.kernel;
    }
    int64_t inner = ShapedType::getNumElements(ArrayRef(draft->kernel).drop_front());
    if (perRow(pool.getType()) * inner >= costOf(conv) + perRow(pool.getType()) * window)
      return false;
    draft->weight = r.scale(1.0 / window, draft->weight);
    builder.setInsertionPoint(pool);
    Location loc = joinedLocation(conv.getLoc(), pool, "one convolution, of the windows' sum");
    auto merged = build(*draft, {conv.getWeight()}, {conv.getBias()}, {}, loc);
    pool.getResult().replaceAllUsesWith(merged.getResult());
    pool.erase();
    conv.erase();
    return true;
  }

  //===--- Two convolutions ---===//

  /// Whether no axis has two windows to join: then the two can merge and change places.
  static bool onOwnAxes(const Draft &first, const Draft &second) {
    for (auto [a, b] : llvm::zip_equal(first.axes, second.axes))
      if (!a.isTrivial() && !b.isTrivial())
        return false;
    // A bias is not there in the padding that the second one adds.
    bool pads = llvm::any_of(second.axes,
                             [](const plx::WindowAxis &axis) { return axis.begin || axis.end; });
    return first.groups == 1 && !(first.bias && pads);
  }

  /// `[groups, filters, inputs, K...]` of a grouped weight.
  Attribute grouped(const Draft &draft) {
    SmallVector<int64_t> shape = {draft.groups, draft.kernel[0] / draft.groups};
    shape.append(draft.kernel.begin() + 1, draft.kernel.end());
    return r.reshape(shape, draft.weight);
  }

  /// What the first one's bias becomes behind the second one.
  Attribute joinedBias(const Draft &first, const Draft &second) {
    if (!first.bias)
      return second.bias;
    std::string window = letters(second.axes.size());
    Attribute bias = r.reshape({second.groups, first.kernel[0] / second.groups}, first.bias);
    Attribute behind = r.einsum("gpq" + window + ",gq->gp", {grouped(second), bias});
    behind = r.reshape({second.kernel[0]}, behind);
    return second.bias ? r.sum({behind, second.bias}) : behind;
  }

  /// One convolution with the windows of both, every filter over all inputs.
  Draft merged(const Draft &first, const Draft &second) {
    Draft both{first.input, {}, joinedBias(first, second), {second.kernel[0], first.kernel[1]}, {}};
    std::string outer = letters(second.axes.size()), inner, result = "gpc";
    for (size_t axis = 0; axis < outer.size(); ++axis) {
      char letter = "stuvw"[axis];
      inner += letter;
      result += {outer[axis], letter};
      const plx::WindowAxis &a = first.axes[axis], &b = second.axes[axis];
      both.axes.push_back(b.isTrivial() ? a : b);
      both.kernel.push_back(a.kernel * b.kernel);
    }
    SmallVector<int64_t> shape = {second.groups, first.kernel[0] / second.groups};
    shape.append(first.kernel.begin() + 1, first.kernel.end());
    Attribute middle = r.reshape(shape, first.weight);
    both.weight =
        r.einsum("gpq" + outer + ",gqc" + inner + "->" + result, {grouped(second), middle});
    both.weight = r.reshape(both.kernel, both.weight);
    return both;
  }

  /// Filters of the second one that read one channel of the first, which has one input: the second
  /// one first, on the input, then the first one's window for each of its results.
  std::pair<Draft, Draft> swapped(const Draft &first, const Draft &second) {
    int64_t filters = second.kernel[0], times = filters / second.groups;
    Draft outer{first.input, second.weight, {}, second.kernel, second.axes};
    for (auto [axis, input] : llvm::zip_equal(outer.axes, first.axes))
      axis.input = input.input;
    SmallVector<int64_t> shape = {second.groups, 1}, whole = {filters, 1};
    shape.append(first.kernel.begin() + 2, first.kernel.end());
    whole.append(first.kernel.begin() + 2, first.kernel.end());
    Attribute row = r.reshape(shape, first.weight);
    Attribute repeated = r.concat(1, SmallVector<Attribute>(times, row));
    Draft inner{{},     r.reshape(whole, repeated), joinedBias(first, second), whole, first.axes,
                filters};
    for (auto [axis, input] : llvm::zip_equal(inner.axes, outer.axes))
      axis.input = input.result();
    return {outer, inner};
  }

  /// Multiplications for one row.
  static int64_t costOf(const Draft &draft) {
    int64_t cost = ShapedType::getNumElements(draft.kernel);
    for (const plx::WindowAxis &axis : draft.axes)
      cost *= axis.result();
    return cost;
  }
  static int64_t costOf(plx::ConvOp conv) { return ::costOf(conv); }

  bool mergeConv(plx::ConvOp conv) {
    plx::ConvOp before = linearConv(conv.getInput());
    if (!before || conv.getBlocked())
      return false;
    auto first = draftOf(before), second = draftOf(conv);
    if (!first || !second || !onOwnAxes(*first, *second))
      return false;
    int64_t kept = costOf(before) + costOf(conv), best = kept;
    Draft one = merged(*first, *second);
    best = std::min(best, costOf(one));
    std::optional<std::pair<Draft, Draft>> two;
    if (second->kernel[1] == 1 && first->kernel[1] == 1)
      two = swapped(*first, *second);
    int64_t both = two ? costOf(two->first) + costOf(two->second) : kept;
    if (std::min(best, both) >= kept)
      return false;
    builder.setInsertionPoint(conv);
    SmallVector<Value> weights = {before.getWeight(), conv.getWeight()};
    SmallVector<Value> biases = {before.getBias(), conv.getBias()};
    if (first->bias)
      biases.push_back(conv.getWeight());
    plx::ConvOp result;
    if (both <= best) {
      auto outer = build(two->first, {conv.getWeight()}, {}, {}, conv.getLoc());
      two->second.input = outer.getResult();
      Location loc =
          joinedLocation(before.getLoc(), conv, "before this one: fewer multiplications");
      result = build(two->second, weights, biases, conv.getActivationAttr(), loc);
    } else {
      Location loc =
          joinedLocation(before.getLoc(), conv, "one convolution: fewer multiplications");
      result = build(one, weights, biases, conv.getActivationAttr(), loc);
    }
    conv.getResult().replaceAllUsesWith(result.getResult());
    conv.erase();
    before.erase();
    return true;
  }

  //===--- Over all that is left ---===//

  /// A window as large as the map is a product.
  void makeProduct(plx::ConvOp conv) {
    auto draft = draftOf(conv);
    if (!draft || draft->groups != 1 || conv.getBlocked() || conv.getActivation())
      return;
    for (const plx::WindowAxis &axis : draft->axes)
      if (axis.result() != 1 || axis.kernel != axis.input || axis.begin || axis.end)
        return;
    int64_t inner = ShapedType::getNumElements(ArrayRef(draft->kernel).drop_front());
    builder.setInsertionPoint(conv);
    auto rowType = RankedTensorType::get({typeOf(conv.getInput()).getDimSize(0), inner},
                                         conv.getType().getElementType());
    Value rows = plx::ReshapeOp::create(builder, conv.getLoc(), rowType, conv.getInput());
    Value weight = declare({conv.getWeight()}, r.reshape({draft->kernel[0], inner}, draft->weight),
                           conv.getLoc());
    Value product = plx::LinearOp::create(builder, conv.getLoc(), rows, weight, conv.getBias());
    Value map = plx::ReshapeOp::create(builder, conv.getLoc(), conv.getType(), product);
    conv.getResult().replaceAllUsesWith(map);
    conv.erase();
  }

  plexus::compiler::WeightRecipes weights;
  const plexus::compiler::Recipes &r;
  OpBuilder builder;
};

class MergeLinearMapsPass
    : public plexus::compiler::impl::MergeLinearMapsBase<MergeLinearMapsPass> {
public:
  void runOnOperation() override {
    for (auto model : getOperation().getOps<plx::ModelOp>()) {
      Chains chains(model);
      for (auto segment : llvm::to_vector(model.getBody().getOps<plx::SegmentOp>()))
        chains.run(segment);
      chains.finish();
    }
  }
};

} // namespace
