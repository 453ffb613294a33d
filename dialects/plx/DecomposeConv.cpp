// Decompositions of convolutions, pools over windows, and what stands between them.
#include "dialects/plx/Activations.h"
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "runtime/io/Spectrum.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::plx;

using Values = FailureOr<SmallVector<Value>>;

//===--- Windows ------------------------------------------------------------------------------===//

/// `input` with `fill` around it, as `axes` say.
static Value padded(ImplicitLocOpBuilder &b, Value input, const WindowAxes &axes, double fill) {
  if (llvm::all_of(axes, [](const WindowAxis &a) { return a.begin == 0 && a.end == 0; }))
    return input;
  SmallVector<OpFoldResult> inner = sizesOf(b, input), outer = inner;
  SmallVector<OpFoldResult> offsets(inner.size(), b.getIndexAttr(0)),
      strides(inner.size(), b.getIndexAttr(1));
  for (auto [index, axis] : llvm::enumerate(axes)) {
    outer[2 + index] = b.getIndexAttr(axis.padded());
    offsets[2 + index] = b.getIndexAttr(axis.begin);
  }
  Value empty = tensor::EmptyOp::create(b, outer, elementOf(input));
  Value filled =
      linalg::FillOp::create(b, floatConstant(b, elementOf(input), fill), empty).getResult(0);
  return tensor::InsertSliceOp::create(b, input, filled, offsets, inner, strides);
}

/// The place along an axis that kernel entry `entry` of window `window` reads.
static AffineExpr place(const WindowAxis &axis, AffineExpr window, AffineExpr entry) {
  return window * axis.stride + entry * axis.dilation;
}

/// `[O, C / groups, K...]` of a weight in blocks (Plx_ConvOp).
static Value unblocked(ImplicitLocOpBuilder &b, Value flat, ArrayRef<int64_t> kernel,
                       int64_t groups) {
  int64_t filters = kernel[0] / groups, inner = ShapedType::getNumElements(kernel.drop_front());
  SmallVector<int64_t> blocks = filterBlocks(filters);
  int64_t large = filters % static_cast<int64_t>(blocks.size()), size = blocks.back();
  auto read = [&](ImplicitLocOpBuilder &b, ValueRange) -> Value {
    auto constant = [&](int64_t value) { return indexConstant(b, value); };
    auto mul = [&](Value x, Value y) -> Value { return arith::MulIOp::create(b, x, y); };
    auto add = [&](Value x, Value y) -> Value { return arith::AddIOp::create(b, x, y); };
    Value group = arith::DivUIOp::create(b, loopIndex(b, 0), constant(filters));
    Value filter = arith::RemUIOp::create(b, loopIndex(b, 0), constant(filters));
    // Larger blocks stand first.
    Value split = constant(large * (size + 1));
    Value isLarge = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, filter, split);
    Value start = arith::SelectOp::create(b, isLarge, constant(0), split);
    Value width = arith::SelectOp::create(b, isLarge, constant(size + 1), constant(size));
    Value inside = arith::RemUIOp::create(b, arith::SubIOp::create(b, filter, start), width);
    Value first = arith::SubIOp::create(b, filter, inside);
    Value entry = constant(0);
    for (size_t axis = 1; axis < kernel.size(); ++axis)
      entry = add(mul(entry, constant(kernel[axis])), loopIndex(b, axis));
    Value at = add(mul(group, constant(filters * inner)), mul(first, constant(inner)));
    at = add(at, add(mul(entry, width), inside));
    return tensor::ExtractOp::create(b, flat, at);
  };
  SmallVector<OpFoldResult> sizes;
  for (int64_t extent : kernel)
    sizes.push_back(b.getIndexAttr(extent));
  return mapElements(b, sizes, elementOf(flat), {}, {}, read);
}

/// `[O, C, K...]` of a weight of spectra of `points` (Plx_ConvOp): `w[k] = sum_j Re(y[j] r_j^k)`.
static Value fromSpectra(ImplicitLocOpBuilder &b, Value flat, ArrayRef<int64_t> kernel,
                         int64_t points) {
  constexpr int64_t kLanes = plexus::kSpectrumLanes;
  const int64_t taps = kernel.back(), bins = points / 2, blocks = bins / kLanes;
  const int64_t lines = ShapedType::getNumElements(kernel.drop_front().drop_back());
  SmallVector<float> roots; // [blocks, 2, lanes, taps]
  for (int64_t block = 0; block < blocks; ++block)
    for (bool imag : {false, true})
      for (int64_t lane = 0; lane < kLanes; ++lane)
        for (int64_t k = 0; k < taps; ++k) {
          double angle = plexus::spectrumRoot(bins, block * kLanes + lane) * static_cast<double>(k);
          roots.push_back(static_cast<float>(imag ? -std::sin(angle) : std::cos(angle)));
        }
  auto matrix = RankedTensorType::get({blocks, 2, kLanes, taps}, b.getF32Type());
  Value table = arith::ConstantOp::create(b, DenseElementsAttr::get(matrix, ArrayRef(roots)));
  auto type = RankedTensorType::get({kernel[0], blocks, lines, 2, kLanes}, elementOf(flat));
  ReassociationIndices all = llvm::to_vector(llvm::seq<int64_t>(0, 5));
  Value spectra = tensor::ExpandShapeOp::create(b, type, flat, ArrayRef<ReassociationIndices>(all));
  // Loops: filter, line, tap; block, part, lane.
  SmallVector<OpFoldResult> sizes = {b.getIndexAttr(kernel[0]), b.getIndexAttr(lines),
                                     b.getIndexAttr(taps)};
  Value weight = reduceElements(b, sizes, b.getF32Type(), 0.0, 3, {spectra, table},
                                {dimsMap(b, 6, {0, 3, 1, 4, 5}), dimsMap(b, 6, {3, 4, 5, 2})},
                                [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                  Value factor = convertFloat(b, v[0], v[1].getType());
                                  return arith::AddFOp::create(
                                      b, v[2], arith::MulFOp::create(b, factor, v[1]));
                                });
  SmallVector<ReassociationIndices> axes = {{0}, {}, {static_cast<int64_t>(kernel.size()) - 1}};
  for (int64_t axis = 1; axis + 1 < static_cast<int64_t>(kernel.size()); ++axis)
    axes[1].push_back(axis);
  auto whole = RankedTensorType::get(kernel, b.getF32Type());
  if (whole == weight.getType())
    return weight;
  return tensor::ExpandShapeOp::create(b, whole, weight, axes);
}

Values ConvOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  WindowAxes axes = getAxes();
  SmallVector<int64_t> kernel = getKernelShape();
  int64_t spatial = axes.size(), rank = spatial + 2, loops = rank + 1 + spatial;
  Value weight = getWeight();
  if (std::optional<uint64_t> points = getPoints())
    weight = fromSpectra(b, weight, kernel, static_cast<int64_t>(*points));
  else if (getBlocked())
    weight = unblocked(b, weight, kernel, getGroups());
  Value input = padded(b, getInput(), axes, 0.0);
  // Loops: row, filter, windows...; channel of the group, kernel entries...
  auto dim = [&](int64_t loop) { return b.getAffineDimExpr(loop); };
  int64_t filters = kernel[0] / static_cast<int64_t>(getGroups());
  AffineExpr channel = dim(rank);
  if (getGroups() > 1)
    channel = dim(1).floorDiv(filters) * kernel[1] + channel;
  SmallVector<AffineExpr> reads = {dim(0), channel};
  SmallVector<int64_t> weights = {1, rank};
  for (int64_t i = 0; i < spatial; ++i) {
    reads.push_back(place(axes[i], dim(2 + i), dim(rank + 1 + i)));
    weights.push_back(rank + 1 + i);
  }
  SmallVector<OpFoldResult> sizes = {sizesOf(b, getInput())[0]};
  for (int64_t extent : getType().getShape().drop_front())
    sizes.push_back(b.getIndexAttr(extent));
  Value sums = reduceElements(
      b, sizes, computeType(elementOf(getInput())), 0.0, 1 + spatial, {input, weight},
      {AffineMap::get(loops, 0, reads, b.getContext()), dimsMap(b, loops, weights)},
      [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value factor = convertFloat(b, v[1], v[0].getType());
        return arith::AddFOp::create(b, v[2], arith::MulFOp::create(b, v[0], factor));
      });
  SmallVector<Value> inputs = {sums};
  SmallVector<AffineMap> maps = {rangeMap(b, rank, 0, rank)};
  if (getBias()) {
    inputs.push_back(getBias());
    maps.push_back(dimsMap(b, rank, {1}));
  }
  return SmallVector<Value>{mapElements(b, sizes, getType().getElementType(), inputs, maps,
                                        [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                                          Value x = v[0];
                                          if (v.size() > 1)
                                            x = arith::AddFOp::create(
                                                b, x, convertFloat(b, v[1], x.getType()));
                                          return buildActivation(b, getKind(), x);
                                        })};
}

/// How many places of a window lie inside, along one axis, as a float.
static Value placesInside(ImplicitLocOpBuilder &b, const WindowAxis &axis, int64_t loop) {
  // Entries k with 0 <= first + k d < input: from ceil(-first / d) to ceil((input - first) / d).
  Value window = loopIndex(b, loop);
  auto constant = [&](int64_t value) { return indexConstant(b, value); };
  Value first = arith::SubIOp::create(b, arith::MulIOp::create(b, window, constant(axis.stride)),
                                      constant(axis.begin));
  auto entries = [&](Value distance) -> Value {
    Value count = arith::CeilDivSIOp::create(b, distance, constant(axis.dilation));
    count = arith::MaxSIOp::create(b, count, constant(0));
    return arith::MinSIOp::create(b, count, constant(axis.kernel));
  };
  Value below = entries(arith::SubIOp::create(b, constant(0), first));
  Value above = entries(arith::SubIOp::create(b, constant(axis.input), first));
  Value count = arith::SubIOp::create(b, above, below);
  Value integer = arith::IndexCastOp::create(b, b.getI64Type(), count);
  return arith::SIToFPOp::create(b, b.getF32Type(), integer);
}

Values PoolWindowOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  WindowAxes axes = getAxes();
  int64_t spatial = axes.size(), rank = spatial + 2, loops = rank + spatial;
  bool isMax = getMode() == WindowMode::Max;
  double identity = isMax ? -std::numeric_limits<double>::infinity() : 0.0;
  Value input = padded(b, getInput(), axes, identity);
  SmallVector<AffineExpr> reads = {b.getAffineDimExpr(0), b.getAffineDimExpr(1)};
  for (int64_t i = 0; i < spatial; ++i)
    reads.push_back(place(axes[i], b.getAffineDimExpr(2 + i), b.getAffineDimExpr(rank + i)));
  // The loops over a window take their sizes from this; nobody reads its elements.
  auto window = RankedTensorType::get(getKernel(), b.getF32Type());
  Value shape = arith::ConstantOp::create(b, DenseElementsAttr::get(window, b.getF32FloatAttr(0)));
  SmallVector<OpFoldResult> sizes = {sizesOf(b, getInput())[0]};
  for (int64_t extent : getType().getShape().drop_front())
    sizes.push_back(b.getIndexAttr(extent));
  Value sums = reduceElements(
      b, sizes, computeType(elementOf(getInput())), identity, spatial, {input, shape},
      {AffineMap::get(loops, 0, reads, b.getContext()), rangeMap(b, loops, rank, spatial)},
      [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        if (isMax)
          return arith::MaximumFOp::create(b, v[2], v[0]);
        return arith::AddFOp::create(b, v[2], v[0]);
      });
  return SmallVector<Value>{
      mapElements(b, sizes, getType().getElementType(), sums, rangeMap(b, rank, 0, rank),
                  [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                    if (isMax)
                      return v[0];
                    Value count = floatConstant(b, b.getF32Type(), 1.0);
                    for (auto [index, axis] : llvm::enumerate(axes)) {
                      bool whole = getCountPads() || (axis.begin == 0 && axis.end == 0);
                      Value places = whole ? floatConstant(b, b.getF32Type(), axis.kernel)
                                           : placesInside(b, axis, 2 + index);
                      count = arith::MulFOp::create(b, count, places);
                    }
                    return arith::DivFOp::create(b, v[0], convertFloat(b, count, v[0].getType()));
                  })};
}

//===--- Others -------------------------------------------------------------------------------===//

Values ChannelAffineOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  AffineMap channel = dimsMap(b, rank, {1});
  return SmallVector<Value>{mapElements(
      b, sizesOf(b, getInput()), elementOf(getInput()), {getInput(), getScale(), getShift()},
      {rangeMap(b, rank, 0, rank), channel, channel},
      [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value scaled = arith::MulFOp::create(b, v[0], convertFloat(b, v[1], v[0].getType()));
        return arith::AddFOp::create(b, scaled, convertFloat(b, v[2], v[0].getType()));
      })};
}

Values PermuteOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  SmallVector<OpFoldResult> from = sizesOf(b, getInput()), sizes;
  SmallVector<int64_t> inverse(rank);
  for (auto [axis, source] : llvm::enumerate(getOrder())) {
    sizes.push_back(from[source]);
    inverse[source] = axis;
  }
  return SmallVector<Value>{mapElements(b, sizes, elementOf(getInput()), getInput(),
                                        dimsMap(b, rank, inverse),
                                        [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; })};
}

Values MatmulOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = rankOf(getLhs());
  SmallVector<int64_t> lhs = llvm::to_vector(llvm::seq<int64_t>(0, rank - 2)), rhs = lhs;
  lhs.append({rank - 2, rank});
  if (getTransposed())
    rhs.append({rank - 1, rank});
  else
    rhs.append({rank, rank - 1});
  SmallVector<OpFoldResult> sizes = sizesOf(b, getLhs());
  sizes.back() = sizesOf(b, getRhs())[getTransposed() ? rank - 2 : rank - 1];
  Value sums = reduceElements(
      b, sizes, computeType(elementOf(getLhs())), 0.0, 1, {getLhs(), getRhs()},
      {dimsMap(b, rank + 1, lhs), dimsMap(b, rank + 1, rhs)},
      [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value factor = convertFloat(b, v[1], v[0].getType());
        return arith::AddFOp::create(b, v[2], arith::MulFOp::create(b, v[0], factor));
      });
  if (elementOf(sums) == getType().getElementType())
    return SmallVector<Value>{sums};
  return SmallVector<Value>{mapElements(b, sizes, getType().getElementType(), sums,
                                        rangeMap(b, rank, 0, rank),
                                        [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; })};
}

Values LogOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t rank = rankOf(getInput());
  return SmallVector<Value>{
      mapElements(b, sizesOf(b, getInput()), elementOf(getInput()), getInput(),
                  rangeMap(b, rank, 0, rank), [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                    Value least = floatConstant(b, v[0].getType(), getMin().convertToDouble());
                    return math::LogOp::create(b, arith::MaximumFOp::create(b, v[0], least));
                  })};
}
