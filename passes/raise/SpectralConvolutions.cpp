//===- SpectralConvolutions.cpp - convolutions by transforms of tiles -------------------------===//
// Gives convolutions the form `points` (Plx_ConvOp) where that takes fewer operations.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/SpectralTiles.h"
#include "mlir/IR/Builders.h"
#include "passes/Passes.h"
#include "passes/fuse/WeightRecipes.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_SPECTRALCONVOLUTIONS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

constexpr int64_t kPoints[] = {32, 64, 128};
/// Cycles of one operation on 16 lanes, of which two run at once.
constexpr double kOperation = 0.5;
/// What a core reads of the last level cache, where spectra lie between runs.
constexpr double kBytesPerCycle = 24;
/// More than this, of all convolutions of a model, comes from memory.
constexpr int64_t kMostBytes = int64_t(16) << 20;
/// What must be saved: counts are not times.
constexpr double kWorth = 0.75;

/// A convolution's sizes as its costs see them.
struct Sizes {
  int64_t filters, inputs; ///< Inputs: lines of a window.
  int64_t lines, results;  ///< Of the input, with its pads; lines of the result.
  plx::WindowAxis width;

  explicit Sizes(plx::ConvOp conv) {
    SmallVector<int64_t> kernel = conv.getKernelShape();
    plx::WindowAxes axes = conv.getAxes();
    filters = kernel[0];
    inputs = ShapedType::getNumElements(ArrayRef(kernel).drop_front().drop_back());
    lines = kernel[1];
    results = 1;
    width = axes.back();
    for (const plx::WindowAxis &axis : ArrayRef(axes).drop_back()) {
      lines *= axis.padded();
      results *= axis.result();
    }
  }

  double direct() const {
    return kOperation * static_cast<double>(filters * inputs * width.kernel * results) *
           static_cast<double>(llvm::divideCeil(width.result(), kLanes));
  }

  double spectral(int64_t points) const {
    plx::SpectralTiles tiles(width, points);
    int64_t products = 4 * filters * inputs * results * tiles.count * tiles.blocks();
    int64_t transforms = tiles.count * (lines + filters * results);
    int64_t transform = points * (llvm::Log2_64(points) + 3) / 8;
    double read = static_cast<double>(spectraBytes(points)) / kBytesPerCycle;
    return std::max(kOperation * static_cast<double>(products), read) +
           kOperation * static_cast<double>(transforms * transform);
  }

  int64_t spectraBytes(int64_t points) const { return 4 * filters * inputs * points; }

private:
  static constexpr int64_t kLanes = plexus::kSpectrumLanes;
};

/// The points of the cheapest form whose spectra have at most `room` bytes; 0: the direct one.
int64_t cheapest(const Sizes &sizes, int64_t room) {
  double least = kWorth * sizes.direct();
  int64_t best = 0;
  for (int64_t points : kPoints) {
    if (points < sizes.width.kernel || sizes.spectraBytes(points) > room)
      continue;
    double cost = sizes.spectral(points);
    if (cost >= least)
      continue;
    least = cost;
    best = points;
  }
  return best;
}

bool fits(plx::ConvOp conv) {
  plx::WindowAxes axes = conv.getAxes();
  return !conv.getBlocked() && conv.getGroups() == 1 && axes.size() <= 2 &&
         axes.back().stride == 1 && axes.back().dilation == 1 &&
         conv.getType().getElementType().isF32();
}

class SpectralConvolutionsPass
    : public plexus::compiler::impl::SpectralConvolutionsBase<SpectralConvolutionsPass> {
public:
  void runOnOperation() override {
    for (auto model : getOperation().getOps<plx::ModelOp>()) {
      plexus::compiler::WeightRecipes weights(model);
      made.clear();
      SmallVector<plx::ConvOp> convs;
      model.walk([&](plx::ConvOp conv) { convs.push_back(conv); });
      int64_t room = kMostBytes;
      for (plx::ConvOp conv : convs) {
        if (!fits(conv))
          continue;
        Sizes sizes(conv);
        if (int64_t points = cheapest(sizes, room))
          if (rewrite(conv, points, weights))
            room -= sizes.spectraBytes(points);
      }
      weights.finish();
    }
  }

private:
  /// Whether a weight was made: it is not where `conv` shares one, or its own is no recipe.
  bool rewrite(plx::ConvOp conv, int64_t points, plexus::compiler::WeightRecipes &weights) {
    Attribute recipe = weights.recipeOf(conv.getWeight());
    if (!recipe)
      return false;
    constexpr int64_t kLanes = plexus::kSpectrumLanes;
    SmallVector<int64_t> kernel = conv.getKernelShape();
    int64_t filters = kernel[0], taps = kernel.back(), blocks = points / (2 * kLanes);
    int64_t inputs = ShapedType::getNumElements(kernel) / (filters * taps);
    const plexus::compiler::Recipes &r = weights.r;
    recipe = r.spectrum(points, r.reshape({filters, inputs, taps}, recipe));
    recipe = r.reshape({filters, inputs, 2, blocks, kLanes}, recipe);
    recipe = r.transpose({0, 3, 1, 2, 4}, recipe);
    recipe = r.reshape({filters * inputs * points}, recipe);
    OpBuilder builder(conv);
    // Variants of a segment read one weight.
    Value &known = made[recipe];
    const bool shared = known != nullptr;
    if (shared)
      known = builder.clone(*known.getDefiningOp())->getResult(0);
    else
      known = weights.declare(builder, {conv.getWeight()}, recipe, conv.getLoc());
    conv.setBlocked(kernel);
    conv.setPoints(points);
    conv.getWeightMutable().assign(known);
    return !shared;
  }

  llvm::DenseMap<Attribute, Value> made; ///< What reads a weight, by its recipe.
};

} // namespace
