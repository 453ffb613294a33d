//===- RowLoops.cpp - runs of linalg ops become parallel loops over rows
//--------------------------===//
// Fuses consecutive linalg ops on buffers that share their leading dimension into one scf.parallel.
//===----------------------------------------------------------------------------------------------===//
#include "passes/Passes.h"
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

/// Emits the loops of one op for one row.
class RowEmitter {
public:
  RowEmitter(OpBuilder &builder, linalg::GenericOp op, Value row, const RowBuffers &buffers)
      : builder(builder), loc(op.getLoc()), op(op), buffers(buffers) {
    indices.assign(op.getNumLoops(), Value());
    indices[0] = row;
    ranges = loopRanges(builder, op);
  }

  void emit() {
    SmallVector<unsigned> parallel, reduction;
    for (unsigned dim = 1; dim < op.getNumLoops(); ++dim)
      (op.getIteratorTypesArray()[dim] == utils::IteratorType::parallel ? parallel : reduction)
          .push_back(dim);
    OpBuilder::InsertionGuard guard(builder);
    for (unsigned dim : parallel)
      enter(dim);
    SmallVector<Value> sums;
    for (OpOperand &output : op.getDpsInitsMutable())
      sums.push_back(needsInit(output) ? load(output) : Value());
    if (!reduction.empty())
      sums = reduce(reduction, sums);
    else
      sums = body(sums);
    for (auto [output, value] : llvm::zip(op.getDpsInitsMutable(), sums))
      memref::StoreOp::create(builder, loc, value, buffer(output), position(output));
  }

private:
  bool needsInit(OpOperand &output) {
    return !op.getMatchingBlockArgument(&output).use_empty() || op.getNumReductionLoops() > 0;
  }

  void enter(unsigned dim) {
    auto loop = scf::ForOp::create(builder, loc, constant(0), ranges[dim], constant(1));
    indices[dim] = loop.getInductionVar();
    builder.setInsertionPointToStart(loop.getBody());
  }

  /// Nested loops over `dims`, which carry the sums.
  SmallVector<Value> reduce(ArrayRef<unsigned> dims, ArrayRef<Value> sums) {
    auto loop =
        scf::ForOp::create(builder, loc, constant(0), ranges[dims.front()], constant(1), sums);
    indices[dims.front()] = loop.getInductionVar();
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> carried(loop.getRegionIterArgs());
    SmallVector<Value> next = dims.size() > 1 ? reduce(dims.drop_front(), carried) : body(carried);
    scf::YieldOp::create(builder, loc, next);
    return llvm::to_vector_of<Value>(loop.getResults());
  }

  /// The op's body at the current indices.
  SmallVector<Value> body(ArrayRef<Value> sums) {
    IRMapping mapping;
    for (OpOperand *input : op.getDpsInputOperands()) {
      BlockArgument argument = op.getMatchingBlockArgument(input);
      if (!argument.use_empty())
        mapping.map(argument, load(*input));
    }
    for (auto [output, sum] : llvm::zip(op.getDpsInitsMutable(), sums))
      if (sum)
        mapping.map(op.getMatchingBlockArgument(&output), sum);
    for (Operation &inner : op.getBody()->without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
        mapping.map(index.getResult(), indices[index.getDim()]);
        continue;
      }
      allowFastMath(builder.clone(inner, mapping), inner);
    }
    SmallVector<Value> results;
    for (Value value : op.getBody()->getTerminator()->getOperands())
      results.push_back(mapping.lookupOrDefault(value));
    return results;
  }

  /// Products may fuse into sums everywhere; the sums of a reduction may be split over lanes.
  void allowFastMath(Operation *clone, Operation &original) {
    auto math = dyn_cast<arith::ArithFastMathInterface>(clone);
    if (!math)
      return;
    auto flags = arith::FastMathFlags::contract;
    bool combines =
        op.getNumReductionLoops() > 0 && llvm::any_of(original.getOperands(), [&](Value operand) {
          auto argument = dyn_cast<BlockArgument>(operand);
          return argument && argument.getOwner() == op.getBody() &&
                 argument.getArgNumber() >= op.getNumDpsInputs();
        });
    if (combines)
      flags = flags | arith::FastMathFlags::reassoc;
    auto old = math.getFastMathFlagsAttr();
    clone->setAttr(
        math.getFastMathAttrName(),
        arith::FastMathFlagsAttr::get(clone->getContext(),
                                      flags | (old ? old.getValue() : arith::FastMathFlags::none)));
  }

  Value load(OpOperand &operand) {
    if (!isa<MemRefType>(operand.get().getType()))
      return operand.get();
    return memref::LoadOp::create(builder, loc, buffer(operand), position(operand));
  }

  Value buffer(OpOperand &operand) {
    Value row = buffers.lookup(operand.get());
    return row ? row : operand.get();
  }

  /// The operand's indices; a one-row buffer has none for the row.
  SmallVector<Value> position(OpOperand &operand) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    ArrayRef<AffineExpr> exprs = map.getResults();
    if (buffers.lookup(operand.get()))
      exprs = exprs.drop_front();
    SmallVector<Value> result;
    for (AffineExpr expr : exprs)
      result.push_back(emitIndex(builder, loc, expr, indices));
    return result;
  }

  Value constant(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }

  OpBuilder &builder;
  Location loc;
  linalg::GenericOp op;
  const RowBuffers &buffers;
  SmallVector<Value> indices;
  SmallVector<Value> ranges;
};

LogicalResult emitGroup(RowGroup &group) {
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
    RowEmitter(builder, op, loop.getInductionVars().front(), buffers).emit();
  for (linalg::GenericOp op : llvm::reverse(group.ops))
    op.erase();
  buffers.eraseOld();
  return success();
}

class RowLoopsPass : public plexus::compiler::impl::RowLoopsBase<RowLoopsPass> {
public:
  void runOnOperation() override {
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
        if (failed(emitGroup(group)))
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
