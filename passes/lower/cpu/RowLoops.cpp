//===- RowLoops.cpp - runs of linalg ops become parallel loops over rows ----------------------===//
// Fuses consecutive linalg ops on buffers that share their leading dimension into one scf.parallel.
//===----------------------------------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/lower/cpu/RowEmitter.h"
#include "passes/lower/cpu/Rows.h"
#include "passes/lower/cpu/SegmentArgs.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_ROWLOOPS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

/// Largest row of a temporary that is kept on the stack, in bytes.
constexpr int64_t kRowBufferLimit = 32 * 1024;

/// Ops that run in one parallel loop, and the number of its iterations.
struct RowGroup {
  SmallVector<linalg::GenericOp> ops;
  OpFoldResult rows; ///< null: one op without a common row, whose loops run in order
};

/// Whether `op` can join `group`: it must see of the others' buffers only its own row.
bool fits(linalg::GenericOp op, const RowGroup &group) {
  SmallVector<BufferAccess> own = accessesOf(op);
  for (linalg::GenericOp other : group.ops)
    for (const BufferAccess &mine : own)
      for (const BufferAccess &theirs : accessesOf(other))
        if (mine.root == theirs.root && (mine.writes || theirs.writes) &&
            !(mine.ownRow && theirs.ownRow))
          return false;
  return true;
}

/// Splits the linalg ops of `block` into groups. Ops without effects between two members do not end
/// a group (they move in front of it); anything else does.
SmallVector<RowGroup> findGroups(Block &block) {
  SmallVector<RowGroup> groups;
  bool open = false;
  for (Operation &op : block) {
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (!generic) {
      open &= isa<memref::AllocOp>(op) || isMemoryEffectFree(&op);
      continue;
    }
    OpFoldResult rows = rowCount(generic);
    if (!rows) {
      groups.push_back({{generic}, {}});
      open = false;
      continue;
    }
    if (open && isEqualConstantIntOrValue(groups.back().rows, rows) && fits(generic, groups.back()))
      groups.back().ops.push_back(generic);
    else
      groups.push_back({{generic}, rows});
    open = true;
  }
  return groups;
}

/// Moves what lies between the members of `group` (allocations and ops without effects) in front.
void gather(RowGroup &group) {
  Operation *first = group.ops.front(), *last = group.ops.back();
  if (first == last)
    return;
  SmallPtrSet<Operation *, 8> members;
  for (linalg::GenericOp op : group.ops)
    members.insert(op);
  for (Operation *op = first->getNextNode(); op && op != last;) {
    Operation *next = op->getNextNode();
    if (!members.contains(op))
      op->moveBefore(first);
    op = next;
  }
}

/// Shrinks buffers that only `group` uses to one row each.
class RowBuffers {
public:
  explicit RowBuffers(RowGroup &group) {
    for (linalg::GenericOp op : group.ops)
      members.insert(op);
    for (linalg::GenericOp op : group.ops)
      for (Value output : op.getDpsInits())
        consider(output);
  }

  /// Allocates the rows inside the loop that the builder is in.
  void allocate(OpBuilder &builder) {
    for (memref::AllocOp alloc : shrunk) {
      MemRefType type = alloc.getType();
      auto rowType = MemRefType::get(type.getShape().drop_front(), type.getElementType());
      row[alloc] = memref::AllocOp::create(builder, alloc.getLoc(), rowType);
    }
  }

  /// The one-row stand-in for `buffer`, or null.
  Value lookup(Value buffer) const { return row.lookup(buffer); }

  void eraseOld() {
    for (memref::AllocOp alloc : shrunk)
      alloc.erase();
  }

private:
  void consider(Value buffer) {
    auto alloc = buffer.getDefiningOp<memref::AllocOp>();
    if (!alloc || llvm::is_contained(shrunk, alloc))
      return;
    MemRefType type = alloc.getType();
    auto inner = MemRefType::get(type.getShape().drop_front(), type.getElementType());
    if (!inner.hasStaticShape() ||
        inner.getNumElements() * inner.getElementTypeBitWidth() / 8 > kRowBufferLimit)
      return;
    // Every use is a member's operand, so its first index is the row.
    if (llvm::all_of(alloc->getUses(), [&](OpOperand &use) {
          auto generic = dyn_cast<linalg::GenericOp>(use.getOwner());
          return generic && members.contains(generic) &&
                 usesRow(generic.getMatchingIndexingMap(&use));
        }))
      shrunk.push_back(alloc);
  }

  SmallPtrSet<Operation *, 8> members;
  SmallVector<memref::AllocOp> shrunk;
  DenseMap<Value, Value> row;
};

LogicalResult emitGroup(RowGroup &group, int64_t lanes) {
  if (!group.rows) {
    IRRewriter rewriter(group.ops.front());
    if (failed(linalg::linalgOpToLoops(rewriter, group.ops.front())))
      return group.ops.front().emitOpError("has no loop form");
    rewriter.eraseOp(group.ops.front());
    return success();
  }
  gather(group);
  OpBuilder builder(group.ops.back());
  Location loc = group.ops.front().getLoc();
  RowBuffers buffers(group);
  Value rows = getValueOrCreateConstantIndexOp(builder, loc, group.rows);
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  int64_t work = 0;
  for (linalg::GenericOp op : group.ops)
    work += rowWork(op);
  auto loop = scf::ParallelOp::create(builder, loc, zero, rows, one);
  loop->setAttr(kWorkAttr, builder.getI64IntegerAttr(work));
  builder.setInsertionPointToStart(loop.getBody());
  buffers.allocate(builder);
  for (linalg::GenericOp op : group.ops)
    RowEmitter(
        builder, op, loop.getInductionVars().front(),
        [&](Value buffer) { return buffers.lookup(buffer); }, lanes)
        .emit();
  for (linalg::GenericOp op : llvm::reverse(group.ops))
    op.erase();
  buffers.eraseOld();
  return success();
}

class RowLoopsPass : public plexus::compiler::impl::RowLoopsBase<RowLoopsPass> {
public:
  using RowLoopsBase::RowLoopsBase;

  void runOnOperation() override {
    if (lanes < 1 || !llvm::isPowerOf2_64(lanes)) {
      getOperation().emitError("plx-row-loops: lanes must be a power of two, found ")
          << static_cast<int64_t>(lanes);
      return signalPassFailure();
    }
    if (failed(generalize()))
      return signalPassFailure();
    SmallVector<Block *> blocks;
    // Bodies of linalg ops go away with them.
    getOperation().walk([&](Block *block) {
      if (!isa<linalg::LinalgOp>(block->getParentOp()))
        blocks.push_back(block);
    });
    for (Block *block : blocks)
      for (RowGroup &group : findGroups(*block))
        if (failed(emitGroup(group, lanes)))
          return signalPassFailure();
  }

private:
  /// Named linalg ops become generic ones.
  LogicalResult generalize() {
    SmallVector<linalg::LinalgOp> named;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (!isa<linalg::GenericOp>(op))
        named.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (linalg::LinalgOp op : named) {
      rewriter.setInsertionPoint(op);
      if (failed(linalg::generalizeNamedOp(rewriter, op)))
        return op->emitOpError("has no loop form");
    }
    return success();
  }
};

} // namespace
