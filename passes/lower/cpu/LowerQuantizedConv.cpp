//===- LowerQuantizedConv.cpp - convolutions in integers of 8 bits ----------------------------===//
// Handler of plx.quantized_conv.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/Packed.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/lower/cpu/MapShapes.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/ByteConv.h"
#include "passes/lower/cpu/emit/Code.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

using Axis = emit::ByteConvShape::Axis;

bool takesQuantizedConv(Operation *op) {
  auto conv = cast<plx::QuantizedConvOp>(op);
  plx::PackedAttr packed = plx::getPacked(conv.getWeight().getType());
  PackedForm bytes{PackedValues::Q8, PackedZeros::None, 0};
  return packed && packed.getForm() == bytes && isF32(conv.getInput()) && isF32(conv.getRange()) &&
         (!conv.getBias() || isF32(conv.getBias())) && conv.getAxes().size() <= 2;
}

emit::ByteConvShape shapeOf(plx::QuantizedConvOp op) {
  emit::ByteConvShape shape;
  plx::WindowAxes axes = op.getAxes();
  shape.conv = convShape(op.getInput(), op.getKernel(), op.getGroups(), axes, op.getKind());
  int64_t axis = op.getQuadAxis();
  shape.axis = axis == 1                                                 ? Axis::Channels
               : axis == static_cast<int64_t>(op.getKernel().size()) - 1 ? Axis::Width
                                                                         : Axis::Height;
  return shape;
}

LogicalResult lowerQuantizedConv(SegmentLowering &segment, plx::QuantizedConvOp op) {
  Location loc = op.getLoc();
  OpBuilder &b = segment.builder();
  emit::Code code{b, loc};
  const emit::Isa &isa = segment.isa();
  emit::ByteConvShape shape = shapeOf(op);
  Value maps = segment.buffer(op.getInput());
  emit::ByteConvOperands operands;
  operands.rows = segment.rows(loc, maps);
  operands.input = flatBuffer(segment, loc, maps);
  operands.range = segment.buffer(op.getRange());
  operands.weight = segment.buffer(op.getWeight());
  operands.bias = op.getBias() ? segment.buffer(op.getBias()) : Value();
  auto allocate = [&](Type element, Value size) {
    return segment.allocate(MemRefType::get({ShapedType::kDynamic}, element), size);
  };
  operands.bytes = allocate(b.getI8Type(), code.mul(operands.rows, shape.rowBytes()));
  operands.words =
      allocate(b.getI32Type(), code.add(code.mul(operands.rows, shape.rowWords()), isa.lanes()));
  Value filters = code.index(shape.blocks() * kPackedColumns);
  operands.scales = allocate(b.getF32Type(), filters);
  operands.starts = allocate(b.getI32Type(), filters);
  operands.output = flatBuffer(segment, loc, segment.allocateLike(op.getResult(), op.getInput()));
  segment.emitParallel(8 * shape.lineWords(),
                       [&] { emit::emitByteConvInput(b, loc, isa, shape, operands); });
  segment.emitParallel(shape.quads(),
                       [&] { emit::emitByteConvScales(b, loc, isa, shape, operands); });
  int64_t tile =
      shape.conv.work() / std::max<int64_t>(1, shape.conv.filters * shape.conv.height.result() *
                                                   shape.conv.width.result() / (16 * isa.lanes()));
  segment.emitParallel(tile / (4 * isa.lanes()),
                       [&] { emit::emitByteConv(b, loc, isa, shape, operands); });
  segment.report(op, "generated",
                 Twine("bytes multiplied in quads of ") +
                     (shape.axis == Axis::Channels ? "channels"
                      : shape.axis == Axis::Height ? "lines"
                                                   : "columns") +
                     ", a measured scale for all activations");
  return success();
}

} // namespace

void addQuantizedConvHandlers(HandlerTable &table) {
  addHandler<plx::QuantizedConvOp, lowerQuantizedConv>(table, takesQuantizedConv);
}

} // namespace plexus::compiler
