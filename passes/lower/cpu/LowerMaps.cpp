//===- LowerMaps.cpp - convolutions and pools of maps
//------------------------------------------===//
// Handlers of plx.conv with blocked weights and of plx.pool_window; other forms are decomposed.
//===----------------------------------------------------------------------------------------------===//
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/lower/cpu/MapShapes.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Conv.h"
#include "passes/lower/cpu/emit/ConvSpectrum.h"
#include "passes/lower/cpu/emit/Pool.h"

using namespace mlir;

namespace plexus::compiler {

bool isF32(Value value) { return cast<RankedTensorType>(value.getType()).getElementType().isF32(); }

std::pair<plx::WindowAxis, plx::WindowAxis> planar(const plx::WindowAxes &axes) {
  plx::WindowAxis line;
  line.input = 1;
  return axes.size() == 1 ? std::pair(line, axes[0]) : std::pair(axes[0], axes[1]);
}

Value flatBuffer(SegmentLowering &segment, Location loc, Value memref) {
  memref = segment.contiguous(loc, memref);
  auto type = cast<MemRefType>(memref.getType());
  if (type.getRank() == 1)
    return memref;
  ReassociationIndices all = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  return memref::CollapseShapeOp::create(segment.builder(), loc, memref,
                                         ArrayRef<ReassociationIndices>(all));
}

emit::ConvShape convShape(Value input, ArrayRef<int64_t> kernel, int64_t groups,
                          const plx::WindowAxes &axes, plx::ActivationKind activation,
                          bool joinsLines) {
  emit::ConvShape shape;
  shape.filters = kernel[0];
  shape.channels = cast<RankedTensorType>(input.getType()).getDimSize(1);
  shape.groups = groups;
  std::tie(shape.height, shape.width) = planar(axes);
  shape.activation = activation;
  // Lines of a map that is read entry by entry are one line.
  if (joinsLines && shape.height.isTrivial() && shape.width.isTrivial()) {
    shape.width.input *= shape.height.input;
    shape.height.input = 1;
  }
  return shape;
}

namespace {

//===--- Convolution --------------------------------------------------------------------------===//

bool takesConv(Operation *op) {
  auto conv = cast<plx::ConvOp>(op);
  bool biasFits = !conv.getBias() || isF32(conv.getBias());
  return conv.getBlocked() && isF32(conv.getInput()) && isF32(conv.getWeight()) && biasFits &&
         conv.getAxes().size() <= 2;
}

/// Transforms of all tiles of the lines, then products and the way back.
void lowerSpectra(SegmentLowering &segment, plx::ConvOp op, const emit::ConvShape &shape,
                  Value rows, Value input, Value weight, Value bias, Value result) {
  Location loc = op.getLoc();
  OpBuilder &b = segment.builder();
  emit::SpectralConv conv{shape, {shape.width, static_cast<int64_t>(*op.getPoints())}};
  auto type = MemRefType::get({ShapedType::kDynamic, conv.spectraElements()}, b.getF32Type());
  Value spectra = flatBuffer(segment, loc, segment.allocate(type, rows));
  // Vector operations of a tile's transform, and of its products with a filter.
  int64_t points = conv.tiles.points, lanes = segment.isa().lanes();
  int64_t transform = points * (llvm::Log2_64(points) + 3) * 2 / lanes;
  segment.emitParallel(
      transform, [&] { emit::emitSpectra(b, loc, segment.isa(), conv, rows, input, spectra); });
  // A filter's spectra come from the last level of cache, 12 bytes in the time of an operation.
  int64_t window = shape.channels * shape.height.kernel;
  int64_t products =
      std::max(2 * points * window / lanes, 4 * points * window / (12 * conv.tiles.count));
  constexpr int64_t kWorth = 2; // Half of the usual piece is worth a thread: little is handed over.
  int64_t part = emit::spectralPart(segment.isa(), conv);
  segment.emitParallel(kWorth * part * (products + transform), [&] {
    emit::emitConvSpectrum(b, loc, segment.isa(), conv, rows, spectra, weight, bias, result);
  });
  segment.report(op, "generated",
                 "spectra of tiles of " + std::to_string(conv.tiles.points) + " samples");
}

LogicalResult lowerConv(SegmentLowering &segment, plx::ConvOp op) {
  Location loc = op.getLoc();
  OpBuilder &b = segment.builder();
  emit::ConvShape shape =
      convShape(op.getInput(), op.getKernelShape(), op.getGroups(), op.getAxes(), op.getKind(),
                /*joinsLines=*/!op.getPoints());
  Value maps = segment.buffer(op.getInput()), rows = segment.rows(loc, maps);
  Value input = flatBuffer(segment, loc, maps);
  if (shape.copies()) {
    auto type = MemRefType::get({ShapedType::kDynamic, shape.inputElements()}, b.getF32Type());
    Value copy = flatBuffer(segment, loc, segment.allocate(type, rows));
    segment.emitParallel(2 * shape.inputElements() / shape.channels, [&] {
      emit::emitConvInput(b, loc, segment.isa(), shape, rows, input, copy);
    });
    input = copy;
  }
  Value weight = segment.buffer(op.getWeight());
  Value bias = op.getBias() ? segment.buffer(op.getBias()) : Value();
  Value result = flatBuffer(segment, loc, segment.allocateLike(op.getResult(), op.getInput()));
  if (op.getPoints()) {
    lowerSpectra(segment, op, shape, rows, input, weight, bias, result);
    return success();
  }
  int64_t lanes = segment.isa().lanes();
  int64_t tile = shape.work() / std::max<int64_t>(1, shape.filters * shape.height.result() *
                                                         shape.width.result() / (16 * lanes));
  segment.emitParallel(tile / lanes, [&] {
    emit::emitConv(b, loc, segment.isa(), shape, rows, input, weight, bias, result);
  });
  segment.report(op, "generated", "blocks of filters and vectors of columns in registers");
  return success();
}

//===--- Pool ---------------------------------------------------------------------------------===//

bool takesPool(Operation *op) {
  auto pool = cast<plx::PoolWindowOp>(op);
  plx::WindowAxes axes = pool.getAxes();
  if (!isF32(pool.getInput()) || axes.size() > 2)
    return false;
  auto [height, width] = planar(axes);
  constexpr int64_t kLargest = 4096; // places: windows are unrolled
  return llvm::none_of(axes,
                       [](const plx::WindowAxis &axis) {
                         return axis.begin || axis.end || axis.dilation != 1;
                       }) &&
         height.kernel * std::max<int64_t>(width.kernel, 16) <= kLargest;
}

LogicalResult lowerPoolWindow(SegmentLowering &segment, plx::PoolWindowOp op) {
  Location loc = op.getLoc();
  emit::PoolShape shape;
  shape.channels = cast<RankedTensorType>(op.getInput().getType()).getDimSize(1);
  std::tie(shape.height, shape.width) = planar(op.getAxes());
  shape.isMax = op.getMode() == plx::WindowMode::Max;
  Value maps = segment.buffer(op.getInput()), rows = segment.rows(loc, maps);
  Value input = flatBuffer(segment, loc, maps);
  Value result = flatBuffer(segment, loc, segment.allocateLike(op.getResult(), op.getInput()));
  int64_t window = shape.height.kernel * (8 + shape.width.kernel / segment.isa().lanes());
  segment.emitParallel(shape.width.result() * window, [&] {
    emit::emitPoolWindow(segment.builder(), loc, segment.isa(), shape, rows, input, result);
  });
  segment.report(op, "generated",
                 shape.acrossWindows(segment.isa()) ? "vectors of neighbouring windows"
                                                    : "each window in vectors along it");
  return success();
}

} // namespace

void addMapHandlers(HandlerTable &table) {
  addHandler<plx::ConvOp, lowerConv>(table, takesConv);
  addHandler<plx::PoolWindowOp, lowerPoolWindow>(table, takesPool);
}

} // namespace plexus::compiler
