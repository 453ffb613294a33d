//===- LowerTensors.cpp - buffers for upstream ops and for ops that only move elements --------===//
// Handlers of linalg, tensor, arith and math ops on tensors, and of plx's structure and shape ops.
//===----------------------------------------------------------------------------------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/lower/cpu/Rows.h"
#include "passes/lower/cpu/SegmentLowering.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

//===--- linalg -------------------------------------------------------------------------------===//

/// The buffer for `result`, which starts as `init`: the init's own where nothing else reads it.
/// `keeps` says whether what is in the init matters.
Value destination(SegmentLowering &segment, Location loc, Value init, Value result, bool keeps) {
  OpBuilder &b = segment.builder();
  if (Value known = segment.buffer(init); known && init.hasOneUse() && segment.isTemporary(known)) {
    segment.bind(result, known);
    return known;
  }
  SmallVector<Value> sizes;
  auto type = cast<RankedTensorType>(result.getType());
  auto empty = init.getDefiningOp<tensor::EmptyOp>();
  for (unsigned dim = 0; dim < type.getRank(); ++dim) {
    if (!type.isDynamicDim(dim))
      continue;
    OpFoldResult size = empty ? OpFoldResult(segment.scalars().lookup(empty.getDynamicSize(dim)))
                              : extentOf(segment.buffer(init), dim);
    sizes.push_back(getValueOrCreateConstantIndexOp(b, loc, size));
  }
  Value fresh = segment.allocate(result, sizes);
  if (!empty && keeps)
    linalg::CopyOp::create(b, loc, segment.buffer(init), fresh);
  return fresh;
}

/// The buffer of `tensor`; an empty one that is viewed before anything is written gets its own now.
Value viewable(SegmentLowering &segment, Value tensor) {
  auto empty = tensor.getDefiningOp<tensor::EmptyOp>();
  if (!empty || segment.buffer(tensor))
    return segment.buffer(tensor);
  SmallVector<Value> sizes;
  for (Value size : empty.getDynamicSizes())
    sizes.push_back(segment.scalars().lookup(size));
  return segment.allocate(tensor, sizes);
}

/// The size that `op` asks for, or null where its dimension is not constant.
Value sizeOf(SegmentLowering &segment, tensor::DimOp op) {
  auto dim = op.getConstantIndex();
  if (!dim)
    return {};
  if (auto empty = op.getSource().getDefiningOp<tensor::EmptyOp>())
    return segment.scalars().lookup(empty.getDynamicSize(*dim));
  OpBuilder &b = segment.builder();
  Value memref = segment.buffer(op.getSource());
  if (*dim == 0)
    return segment.rows(op.getLoc(), memref);
  OpFoldResult size = extentOf(memref, *dim);
  return size ? getValueOrCreateConstantIndexOp(b, op.getLoc(), size)
              : memref::DimOp::create(b, op.getLoc(), memref, *dim).getResult();
}

/// What a body reads of whole tensors, entries and sizes, it reads of their buffers.
LogicalResult lowerBody(SegmentLowering &segment, Operation *op) {
  OpBuilder::InsertionGuard guard(segment.builder());
  segment.builder().setInsertionPoint(op);
  WalkResult result = op->walk([&](tensor::DimOp dim) {
    Value size = sizeOf(segment, dim);
    if (!size)
      return WalkResult(
          dim.emitOpError("of a dimension that is not constant has no form on the CPU"));
    dim.replaceAllUsesWith(size);
    dim.erase();
    return WalkResult::advance();
  });
  op->walk([&](tensor::ExtractOp extract) {
    OpBuilder b(extract);
    Value load = memref::LoadOp::create(b, extract.getLoc(), segment.buffer(extract.getTensor()),
                                        extract.getIndices());
    extract.replaceAllUsesWith(load);
    extract.erase();
  });
  return failure(result.wasInterrupted());
}

LogicalResult lowerLinalg(SegmentLowering &segment, linalg::LinalgOp op) {
  SmallVector<Value> operands;
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = operand.get();
    if (op.isDpsInit(&operand))
      operands.push_back(destination(segment, op.getLoc(), value, op.getTiedOpResult(&operand),
                                     op.payloadUsesValueFromOperand(&operand)));
    else if (isa<RankedTensorType>(value.getType()))
      operands.push_back(segment.buffer(value));
    else
      operands.push_back(segment.scalars().lookup(value));
    if (!operands.back())
      return op->emitOpError("operand ") << operand.getOperandNumber() << " has no buffer";
  }
  Operation *lowered = mlir::clone(segment.builder(), op, TypeRange(), operands);
  // Scalars of the segment that the body uses.
  lowered->walk([&](Operation *inner) {
    for (OpOperand &operand : inner->getOpOperands())
      if (Value scalar = segment.scalars().lookupOrNull(operand.get()))
        operand.set(scalar);
  });
  return lowerBody(segment, lowered);
}

//===--- tensor -------------------------------------------------------------------------------===//

LogicalResult lowerEmpty(SegmentLowering &, tensor::EmptyOp) {
  return success(); // its users allocate
}

LogicalResult lowerDim(SegmentLowering &segment, tensor::DimOp op) {
  Value size = sizeOf(segment, op);
  if (!size)
    return op.emitOpError("of a dimension that is not constant has no form on the CPU");
  segment.scalars().map(op.getResult(), size);
  return success();
}

using Reassociation = std::optional<SmallVector<ReassociationIndices>>;

/// `memref` viewed as `type`, by splitting and merging dimensions, as `groups` say where they are
/// known.
FailureOr<Value> reshaped(SegmentLowering &segment, Operation *op, Value memref,
                          RankedTensorType type, Reassociation groups = std::nullopt) {
  OpBuilder &b = segment.builder();
  Location loc = op->getLoc();
  auto from = cast<MemRefType>(memref.getType());
  auto fromTensor = RankedTensorType::get(from.getShape(), from.getElementType());
  if (fromTensor.getShape() == type.getShape())
    return memref;
  if (!groups)
    groups = getReassociationIndicesForReshape(fromTensor, type);
  if (!groups) {
    // By way of rows of one axis.
    ArrayRef<int64_t> row = from.getShape().drop_front();
    if (from.getRank() <= 2 || llvm::any_of(row, ShapedType::isDynamic))
      return op->emitOpError("changes the shape in a way that has no form on the CPU");
    auto rows = RankedTensorType::get({from.getDimSize(0), ShapedType::getNumElements(row)},
                                      type.getElementType());
    FailureOr<Value> flat = reshaped(segment, op, memref, rows);
    return failed(flat) ? flat : reshaped(segment, op, *flat, type);
  }
  if (type.getRank() < from.getRank()) {
    if (!memref::CollapseShapeOp::isGuaranteedCollapsible(cast<MemRefType>(memref.getType()),
                                                          *groups))
      memref = segment.contiguous(loc, memref);
    return memref::CollapseShapeOp::create(b, loc, memref, *groups).getResult();
  }
  SmallVector<OpFoldResult> shape;
  for (int64_t size : type.getShape()) {
    OpFoldResult extent = b.getIndexAttr(size);
    if (ShapedType::isDynamic(size)) {
      // The dynamic dimension of a group is its source's, divided by the static ones beside it.
      auto group = llvm::find_if(*groups, [&](const ReassociationIndices &indices) {
        return llvm::is_contained(indices, static_cast<int64_t>(shape.size()));
      });
      int64_t others = 1;
      for (int64_t dim : *group)
        if (!type.isDynamicDim(dim))
          others *= type.getDimSize(dim);
      OpFoldResult source = extentOf(memref, std::distance(groups->begin(), group));
      Value total =
          source ? getValueOrCreateConstantIndexOp(b, loc, source) : segment.rows(loc, memref);
      extent = others == 1
                   ? total
                   : arith::DivUIOp::create(b, loc, total, segment.indexConstant(loc, others))
                         .getResult();
    }
    shape.push_back(extent);
  }
  auto result = memref::ExpandShapeOp::computeExpandedType(cast<MemRefType>(memref.getType()),
                                                           type.getShape(), *groups);
  if (failed(result))
    return op->emitOpError("splits a dimension whose elements do not lie evenly");
  return memref::ExpandShapeOp::create(b, loc, *result, memref, *groups, shape).getResult();
}

template <typename Op>
LogicalResult lowerReshape(SegmentLowering &segment, Op op) {
  Value source = viewable(segment, op->getOperand(0));
  Reassociation groups;
  if constexpr (std::is_same_v<Op, tensor::ExpandShapeOp> ||
                std::is_same_v<Op, tensor::CollapseShapeOp>)
    groups = op.getReassociationIndices();
  auto view = reshaped(segment, op, source, cast<RankedTensorType>(op.getType()), groups);
  if (failed(view))
    return failure();
  segment.bind(op.getResult(), *view);
  if (isa<plx::PlxDialect>(op->getDialect()))
    segment.report(op, "none", "a view of its input");
  return success();
}

/// The part of `source` that a slice op's offsets, sizes and strides name, as a view of `type`'s
/// shape.
Value partOf(SegmentLowering &segment, OffsetSizeAndStrideOpInterface op, Value source,
             RankedTensorType type) {
  auto inside = [&](SmallVector<OpFoldResult> values) {
    for (OpFoldResult &value : values)
      if (auto dynamic = dyn_cast<Value>(value))
        value = segment.scalars().lookup(dynamic);
    return values;
  };
  auto offsets = inside(op.getMixedOffsets()), sizes = inside(op.getMixedSizes()),
       strides = inside(op.getMixedStrides());
  auto view = memref::SubViewOp::inferRankReducedResultType(
      type.getShape(), cast<MemRefType>(source.getType()), offsets, sizes, strides);
  return memref::SubViewOp::create(segment.builder(), op->getLoc(), view, source, offsets, sizes,
                                   strides);
}

LogicalResult lowerExtractSlice(SegmentLowering &segment, tensor::ExtractSliceOp op) {
  segment.bind(op.getResult(),
               partOf(segment, op, viewable(segment, op.getSource()), op.getType()));
  return success();
}

LogicalResult lowerInsertSlice(SegmentLowering &segment, tensor::InsertSliceOp op) {
  Value whole = destination(segment, op.getLoc(), op.getDest(), op.getResult(), true);
  linalg::CopyOp::create(segment.builder(), op.getLoc(), segment.buffer(op.getSource()),
                         partOf(segment, op, whole, op.getSourceType()));
  return success();
}

LogicalResult lowerExtract(SegmentLowering &segment, tensor::ExtractOp op) {
  SmallVector<Value> indices;
  for (Value index : op.getIndices())
    indices.push_back(segment.scalars().lookup(index));
  segment.scalars().map(op.getResult(),
                        memref::LoadOp::create(segment.builder(), op.getLoc(),
                                               segment.buffer(op.getTensor()), indices)
                            .getResult());
  return success();
}

LogicalResult lowerConstant(SegmentLowering &segment, arith::ConstantOp op) {
  if (auto elements = dyn_cast<DenseElementsAttr>(op.getValue()))
    segment.bind(op.getResult(), segment.constant(op.getLoc(), elements));
  else
    segment.builder().clone(*op, segment.scalars());
  return success();
}

//===--- plx ----------------------------------------------------------------------------------===//

/// Columns [begin, begin + size) of the last dimension of `memref`.
Value columns(SegmentLowering &segment, Location loc, Value memref, int64_t begin, int64_t size) {
  OpBuilder &b = segment.builder();
  auto type = cast<MemRefType>(memref.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)),
      strides(type.getRank(), b.getIndexAttr(1)), sizes;
  for (unsigned dim = 0; dim < type.getRank(); ++dim) {
    OpFoldResult extent = extentOf(memref, dim);
    sizes.push_back(extent ? extent : segment.rows(loc, memref));
  }
  offsets.back() = b.getIndexAttr(begin);
  sizes.back() = b.getIndexAttr(size);
  return memref::SubViewOp::create(b, loc, memref, offsets, sizes, strides);
}

LogicalResult lowerSlice(SegmentLowering &segment, plx::SliceOp op) {
  Value source = segment.buffer(op.getInput());
  segment.bind(op.getResult(), columns(segment, op.getLoc(), source, op.getBegin(), op.getSize()));
  segment.report(op, "none", "a view of its input");
  return success();
}

LogicalResult lowerConcat(SegmentLowering &segment, plx::ConcatOp op) {
  Value result = segment.allocateLike(op.getResult(), op.getInputs().front());
  int64_t begin = 0;
  for (Value input : op.getInputs()) {
    int64_t size = cast<RankedTensorType>(input.getType()).getShape().back();
    linalg::CopyOp::create(segment.builder(), op.getLoc(), segment.buffer(input),
                           columns(segment, op.getLoc(), result, begin, size));
    begin += size;
  }
  segment.report(op, "generated", "rows copied side by side");
  return success();
}

LogicalResult lowerParam(SegmentLowering &segment, plx::ParamOp op) {
  segment.bind(op.getResult(), segment.weight(op));
  return success();
}

LogicalResult lowerGetState(SegmentLowering &segment, plx::GetStateOp op) {
  segment.scalars().map(op.getResult(), segment.state(op));
  return success();
}

/// A tap is one more output of the tapped variant; here it is the identity.
LogicalResult lowerTap(SegmentLowering &segment, plx::TapOp op) {
  segment.bind(op.getResult(), segment.buffer(op.getInput()));
  segment.report(op, "none", "an output of the tapped variant; a barrier to fusion there");
  return success();
}

LogicalResult lowerScalar(SegmentLowering &segment, plx::ScalarOp op) {
  segment.scalars().map(op.getResult(), segment.scalar(op.getIndex()));
  return success();
}

} // namespace

LogicalResult lowerUpstream(SegmentLowering &segment, Operation *op) {
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return lowerLinalg(segment, linalgOp);
  auto isTensor = [](Type type) { return isa<TensorType>(type); };
  if (isMemoryEffectFree(op) && op->getNumRegions() == 0 &&
      llvm::none_of(op->getOperandTypes(), isTensor) &&
      llvm::none_of(op->getResultTypes(), isTensor)) {
    segment.builder().clone(*op, segment.scalars());
    return success();
  }
  return op->emitOpError("has no form on the CPU: it has neither a decomposition nor an emitter");
}

void addTensorHandlers(HandlerTable &table) {
  addHandler<tensor::EmptyOp, lowerEmpty>(table);
  addHandler<tensor::DimOp, lowerDim>(table);
  addHandler<tensor::ExpandShapeOp, lowerReshape<tensor::ExpandShapeOp>>(table);
  addHandler<tensor::CollapseShapeOp, lowerReshape<tensor::CollapseShapeOp>>(table);
  addHandler<tensor::CastOp, lowerReshape<tensor::CastOp>>(table);
  addHandler<tensor::ExtractSliceOp, lowerExtractSlice>(table);
  addHandler<tensor::InsertSliceOp, lowerInsertSlice>(table);
  addHandler<tensor::ExtractOp, lowerExtract>(table);
  addHandler<arith::ConstantOp, lowerConstant>(table);
  addHandler<plx::ReshapeOp, lowerReshape<plx::ReshapeOp>>(table);
  addHandler<plx::SliceOp, lowerSlice>(table);
  addHandler<plx::ConcatOp, lowerConcat>(table);
  addHandler<plx::ParamOp, lowerParam>(table);
  addHandler<plx::GetStateOp, lowerGetState>(table);
  addHandler<plx::ScalarOp, lowerScalar>(table);
  addHandler<plx::TapOp, lowerTap>(table);
}

} // namespace plexus::compiler
