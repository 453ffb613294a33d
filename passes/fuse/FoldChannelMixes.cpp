//===- FoldChannelMixes.cpp - references and spatial filters into the next product ------------===//
// A linear map over channels that only one product or convolution over all of them reads becomes
// part of its weight, where that takes fewer multiplications.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "passes/Passes.h"
#include "passes/Report.h"
#include "passes/fuse/WeightRecipes.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_FOLDCHANNELMIXES
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using plexus::compiler::joinedLocation;
using plexus::compiler::WeightRecipes;

namespace {

/// Multiplications while packing that a folded weight may cost: beyond that a model would take long
/// to compile.
constexpr int64_t kMostPacking = int64_t(1) << 28;

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// What `value` is a view of, through reshapes that nobody else reads.
Value behindViews(Value value) {
  for (auto view = value.getDefiningOp<plx::ReshapeOp>(); view && view->hasOneUse();
       view = value.getDefiningOp<plx::ReshapeOp>())
    value = view.getInput();
  return value;
}

/// Rewrites one model.
class Mixes {
public:
  explicit Mixes(plx::ModelOp model) : weights(model), builder(model.getContext()) {}

  void run(plx::SegmentOp segment) {
    for (auto linear : llvm::to_vector(segment.getOps<plx::LinearOp>()))
      while (foldProduct(linear))
        ;
    for (auto conv : llvm::to_vector(segment.getOps<plx::ConvOp>()))
      foldMap(conv);
  }
  void finish() { weights.finish(); }

private:
  //===--- Two products ---===//

  /// w (m x + c) + b is (w m) x + (w c + b). `linear` becomes the new one.
  bool foldProduct(plx::LinearOp &linear) {
    auto mix = linear.getInput().getDefiningOp<plx::LinearOp>();
    if (!mix || !mix->hasOneUse())
      return false;
    Attribute w = weights.recipeOf(linear.getWeight()), m = weights.recipeOf(mix.getWeight());
    Attribute c = weights.recipeOf(mix.getBias()), b = weights.recipeOf(linear.getBias());
    if (!w || !m || !c != !mix.getBias() || !b != !linear.getBias())
      return false;
    int64_t outer = shapeOf(linear.getWeight())[0], middle = shapeOf(mix.getWeight())[0],
            inner = shapeOf(mix.getWeight())[1];
    if (outer * inner >= middle * (inner + outer) || outer * middle * inner > kMostPacking)
      return false;
    builder.setInsertionPoint(linear);
    Location loc = joinedLocation(linear.getLoc(), mix, "folded into the weight of the product");
    Value weight = weights.declare(builder, {mix.getWeight(), linear.getWeight()},
                                   weights.r.einsum("om,mi->oi", {w, m}), loc);
    SmallVector<Value> from{linear.getBias(), mix.getBias()};
    Value bias = linear.getBias();
    if (c) {
      Attribute moved = weights.r.einsum("om,m->o", {w, c});
      from.push_back(linear.getWeight());
      bias = weights.declare(builder, from, b ? weights.r.sum({moved, b}) : moved, loc);
    }
    auto folded =
        plx::LinearOp::create(builder, loc, linear.getType(), mix.getInput(), weight, bias);
    linear.getResult().replaceAllUsesWith(folded.getResult());
    linear.erase();
    mix.erase();
    linear = folded;
    return true;
  }

  //===--- A mix of the lines of a map ---===//

  static bool isF32(plx::ConvOp conv) {
    return conv.getType().getElementType().isF32() && !conv.getBlocked();
  }

  /// The convolution of single places over [rows, C, ...] whose result `conv` reads as the lines of
  /// its one channel, or null.
  static plx::ConvOp mixOf(plx::ConvOp conv) {
    auto mix = behindViews(conv.getInput()).getDefiningOp<plx::ConvOp>();
    if (!mix || !mix->hasOneUse() || !isF32(mix) || mix.getActivation() || mix.getGroups() != 1)
      return {};
    if (!llvm::all_of(mix.getAxes(), [](const plx::WindowAxis &axis) { return axis.isTrivial(); }))
      return {};
    // [rows, C', places...] as [rows, 1, C', places].
    ArrayRef<int64_t> given = shapeOf(mix.getResult()), read = shapeOf(conv.getInput());
    bool isLines = read.size() == 4 && read[1] == 1 && read[2] == given[1] &&
                   ShapedType::getNumElements(given.drop_front(2)) == read[3];
    return isLines ? mix : plx::ConvOp();
  }

  /// Whether the window covers all lines at once: then its weight can take them in another basis.
  static bool coversLines(plx::ConvOp conv) {
    plx::WindowAxes axes = conv.getAxes();
    return axes.size() == 2 && axes[0].kernel == axes[0].input && !axes[0].begin && !axes[0].end &&
           conv.getGroups() == 1;
  }

  void foldMap(plx::ConvOp conv) {
    if (!isF32(conv) || !coversLines(conv))
      return;
    plx::ConvOp mix = mixOf(conv);
    Attribute w = weights.recipeOf(conv.getWeight()),
              m = mix ? weights.recipeOf(mix.getWeight()) : Attribute();
    Attribute c = mix ? weights.recipeOf(mix.getBias()) : Attribute(),
              b = weights.recipeOf(conv.getBias());
    if (!w || !m || !c != !mix.getBias() || !b != !conv.getBias())
      return;
    plx::WindowAxis width = conv.getAxes()[1];
    if (c && (width.begin || width.end)) // no bias in the padding
      return;
    int64_t filters = shapeOf(conv.getResult())[1], lines = shapeOf(conv.getInput())[2],
            channels = shapeOf(mix.getInput())[1];
    int64_t places = width.result(), taps = width.kernel;
    int64_t kept = lines * channels * width.input + filters * lines * taps * places;
    int64_t folded = filters * channels * taps * places;
    if (folded >= kept || filters * lines * channels * taps > kMostPacking)
      return;
    rebuild(conv, mix, w, m, c, b, {filters, lines, channels, taps, width.input});
  }

  struct Sizes {
    int64_t filters, lines, channels, taps, samples;
  };
  void rebuild(plx::ConvOp conv, plx::ConvOp mix, Attribute w, Attribute m, Attribute c,
               Attribute b, const Sizes &n) {
    auto &r = weights.r;
    builder.setInsertionPoint(conv);
    Location loc = joinedLocation(conv.getLoc(), mix, "folded into the weight of the convolution");
    Attribute flat = r.reshape({n.filters, n.lines, n.taps}, w);
    Attribute matrix = r.reshape({n.lines, n.channels}, m);
    Attribute both =
        r.reshape({n.filters, 1, n.channels, n.taps}, r.einsum("olt,lc->oct", {flat, matrix}));
    Value weight = weights.declare(builder, {mix.getWeight(), conv.getWeight()}, both, loc);
    Value bias = conv.getBias();
    if (c) {
      Attribute moved = r.einsum("olt,l->o", {flat, c});
      bias = weights.declare(builder, {conv.getBias(), mix.getBias(), conv.getWeight()},
                             b ? r.sum({moved, b}) : moved, loc);
    }
    auto type = cast<RankedTensorType>(mix.getInput().getType());
    auto lines = RankedTensorType::get({type.getDimSize(0), 1, n.channels, n.samples},
                                       type.getElementType());
    Value input = plx::ReshapeOp::create(builder, loc, lines, mix.getInput());
    auto made = plx::ConvOp::create(builder, loc, input, weight, bias, conv.getStridesAttr(),
                                    conv.getDilationsAttr(), conv.getPadsBeginAttr(),
                                    conv.getPadsEndAttr(), conv.getGroupsAttr(),
                                    conv.getActivationAttr(), DenseI64ArrayAttr(), IntegerAttr());
    Operation *last = conv.getInput().getDefiningOp();
    conv.getResult().replaceAllUsesWith(made.getResult());
    conv.erase();
    while (last) { // the views between them, then the mix
      Operation *next = last == mix ? nullptr : last->getOperand(0).getDefiningOp();
      last->erase();
      last = next;
    }
  }

  WeightRecipes weights;
  OpBuilder builder;
};

class FoldChannelMixesPass
    : public plexus::compiler::impl::FoldChannelMixesBase<FoldChannelMixesPass> {
public:
  void runOnOperation() override {
    for (auto model : getOperation().getOps<plx::ModelOp>()) {
      Mixes mixes(model);
      for (auto segment : llvm::to_vector(model.getBody().getOps<plx::SegmentOp>()))
        mixes.run(segment);
      mixes.finish();
    }
  }
};

} // namespace
