//===- Rows.cpp - how linalg ops on buffers use their leading dimension -----------------------===//
// The analyses of Rows.h.
//===----------------------------------------------------------------------------------------------===//
#include "passes/lower/cpu/Rows.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/lower/cpu/SegmentArgs.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// Scalar operations that a transcendental function costs.
constexpr int64_t kMathWork = 16;
/// Assumed size of a dimension that is only known at run time.
constexpr int64_t kDynamicExtent = 256;

struct Root {
  Value value;
  bool sameRows; ///< row i of the view is (part of) row i of the root
};

bool keepsRows(ArrayRef<ReassociationIndices> groups) {
  return !groups.empty() && groups.front().size() == 1;
}

/// Follows views to the memory below them.
Root traceRoot(Value value) {
  bool sameRows = true;
  while (Operation *producer = value.getDefiningOp()) {
    if (auto view = dyn_cast<memref::SubViewOp>(producer)) {
      sameRows &= view.getSourceType().getRank() == view.getType().getRank() &&
                  isConstantIntValue(view.getMixedOffsets()[0], 0) &&
                  isConstantIntValue(view.getMixedStrides()[0], 1);
      value = view.getSource();
    } else if (auto view = dyn_cast<memref::ExpandShapeOp>(producer)) {
      sameRows &= keepsRows(view.getReassociationIndices());
      value = view.getSrc();
    } else if (auto view = dyn_cast<memref::CollapseShapeOp>(producer)) {
      sameRows &= keepsRows(view.getReassociationIndices());
      value = view.getSrc();
    } else if (auto view = dyn_cast<memref::CastOp>(producer)) {
      value = view.getSource();
    } else if (auto view = dyn_cast<memref::ReinterpretCastOp>(producer)) {
      sameRows = false;
      value = view.getSource();
    } else {
      break;
    }
  }
  return {value, sameRows};
}

/// The size argument that stands for dimension 0 of a segment's argument.
OpFoldResult argumentRows(BlockArgument argument) {
  auto function = dyn_cast_or_null<func::FuncOp>(argument.getOwner()->getParentOp());
  if (!function)
    return {};
  auto rows = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kRowsAttr);
  for (auto [role, symbol] : llvm::zip(kSizeRoles, kSizeSymbols))
    if (rows && rows.getValue() == symbol)
      if (Value size = segmentArgument(function, role))
        return size;
  return {};
}

} // namespace

bool usesRow(AffineMap map) {
  if (map.getNumResults() == 0 || map.getResult(0) != getAffineDimExpr(0, map.getContext()))
    return false;
  return llvm::none_of(map.getResults().drop_front(),
                       [](AffineExpr expr) { return expr.isFunctionOfDim(0); });
}

SmallVector<BufferAccess> accessesOf(linalg::GenericOp op) {
  SmallVector<BufferAccess> result;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    Root root = traceRoot(operand.get());
    result.push_back({root.value, op.isDpsInit(&operand),
                      root.sameRows && usesRow(op.getMatchingIndexingMap(&operand))});
  }
  // A body may gather: memref.load at computed indices.
  op.getRegion().walk([&](memref::LoadOp load) {
    result.push_back({traceRoot(load.getMemRef()).value, false, false});
  });
  return result;
}

OpFoldResult extentOf(Value memref, unsigned dim) {
  auto type = cast<MemRefType>(memref.getType());
  Builder builder(memref.getContext());
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  if (auto argument = dyn_cast<BlockArgument>(memref))
    return dim == 0 ? argumentRows(argument) : OpFoldResult();
  Operation *producer = memref.getDefiningOp();
  if (auto alloc = dyn_cast<memref::AllocOp>(producer))
    return alloc.getDynamicSizes()[type.getDynamicDimIndex(dim)];
  if (auto view = dyn_cast<memref::SubViewOp>(producer))
    return view.getSourceType().getRank() == type.getRank() ? view.getMixedSizes()[dim]
                                                            : OpFoldResult();
  if (auto view = dyn_cast<memref::ExpandShapeOp>(producer))
    return view.getMixedOutputShape()[dim];
  if (auto view = dyn_cast<memref::CollapseShapeOp>(producer);
      view && dim == 0 && keepsRows(view.getReassociationIndices()))
    return extentOf(view.getSrc(), 0);
  if (auto view = dyn_cast<memref::CastOp>(producer))
    return extentOf(view.getSource(), dim);
  // A pointer made a memref: its sizes are in the descriptor that call::memrefFromPointer builds.
  if (auto rows = producer->getAttrOfType<StringAttr>(kRowsAttr); rows && dim == 0)
    if (auto function = producer->getParentOfType<func::FuncOp>())
      for (auto [role, symbol] : llvm::zip(kSizeRoles, kSizeSymbols))
        if (rows.getValue() == symbol)
          return segmentArgument(function, role);
  return {};
}

OpFoldResult rowCount(linalg::GenericOp op) {
  if (op.getNumLoops() == 0 || op.getIteratorTypesArray()[0] != utils::IteratorType::parallel)
    return {};
  OpFoldResult rows;
  for (OpOperand &output : op.getDpsInitsMutable()) {
    if (!usesRow(op.getMatchingIndexingMap(&output)))
      return {};
    OpFoldResult extent = extentOf(output.get(), 0);
    if (!extent || (rows && !isEqualConstantIntOrValue(rows, extent)))
      return {};
    rows = extent;
  }
  return rows;
}

SmallVector<Value> loopRanges(OpBuilder &builder, linalg::GenericOp op) {
  SmallVector<Value> ranges(op.getNumLoops());
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
      auto loop = dyn_cast<AffineDimExpr>(expr);
      if (!loop || ranges[loop.getPosition()])
        continue;
      OpFoldResult size = extentOf(operand.get(), dim);
      ranges[loop.getPosition()] =
          size ? getValueOrCreateConstantIndexOp(builder, op.getLoc(), size)
               : memref::DimOp::create(builder, op.getLoc(), operand.get(), dim).getResult();
    }
  }
  return ranges;
}

Value emitIndex(OpBuilder &builder, Location loc, AffineExpr expr, ValueRange indices) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return indices[dim.getPosition()];
  return affine::expandAffineExpr(builder, loc, expr, indices, {});
}

int64_t rowWork(linalg::GenericOp op) {
  int64_t work = 0;
  for (Operation &inner : op.getBody()->without_terminator())
    work += isa<math::MathDialect>(inner.getDialect()) ? kMathWork : 1;
  work = std::max<int64_t>(work, 1);
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  for (int64_t size : ArrayRef(sizes).drop_front())
    work *= ShapedType::isDynamic(size) ? kDynamicExtent : size;
  return work;
}

} // namespace plexus::compiler
