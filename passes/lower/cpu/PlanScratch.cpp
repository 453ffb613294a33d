//===- PlanScratch.cpp - place a segment's buffers in its call's scratch ----------------------===//
// Gives each buffer of a segment an offset in the call's scratch, by lifetime, and generates the
// function that states how much scratch the segment needs.
//===----------------------------------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/lower/cpu/SegmentArgs.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/SetVector.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_PLANSCRATCH
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

constexpr int64_t kAlignment = 64;
/// Largest buffer that may live on a thread's stack.
constexpr int64_t kStackLimit = 64 * 1024;

/// Bytes of a buffer: `unit` times the product of its dynamic extents.
/// Buffers with the same extents compare by `unit` alone.
struct BufferSize {
  int64_t unit = 1;
  SmallVector<Value, 2> extents;
};

/// One buffer with its lifetime as positions of top-level operations, both ends included.
struct Buffer {
  memref::AllocOp alloc;
  BufferSize size;
  unsigned first = 0, last = 0;
  unsigned slot = 0;
};

/// A piece of the scratch that buffers share one after another.
struct Slot {
  SmallVector<Value, 2> extents;
  int64_t unit = 1;
  unsigned freeAfter = 0;
};

/// Whether `op` may hand on the address of a buffer that it is given.
bool forwardsAddress(Operation *op) {
  return isa<ViewLikeOpInterface, UnrealizedConversionCastOp, scf::YieldOp>(op) ||
         (isMemoryEffectFree(op) && op->getNumResults() > 0 && op->getNumRegions() == 0);
}

/// Position of the last top-level operation that uses `buffer` or anything made from its address.
unsigned lastUse(Value buffer, Block &body, const DenseMap<Operation *, unsigned> &position) {
  unsigned last = 0;
  llvm::SetVector<Value> work;
  work.insert(buffer);
  for (unsigned i = 0; i < work.size(); ++i) {
    for (Operation *user : work[i].getUsers()) {
      Operation *top = body.findAncestorOpInBlock(*user);
      last = std::max(last, position.lookup(top));
      // A yield hands the address to its parent's results.
      Operation *source = isa<scf::YieldOp>(user) ? user->getParentOp() : user;
      if (forwardsAddress(user))
        work.insert_range(source->getResults());
    }
  }
  return last;
}

BufferSize sizeOf(memref::AllocOp alloc) {
  BufferSize size;
  MemRefType type = alloc.getType();
  size.unit = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  auto dynamic = alloc.getDynamicSizes().begin();
  for (int64_t extent : type.getShape()) {
    if (ShapedType::isDynamic(extent))
      size.extents.push_back(*dynamic++);
    else
      size.unit *= extent;
  }
  return size;
}

/// Assigns slots: a free slot with the same extents and the closest unit, else a new one. Slots
/// with other extents are never shared, since which is larger is only known at run time.
SmallVector<Slot> assignSlots(MutableArrayRef<Buffer> buffers) {
  SmallVector<Slot> slots;
  for (Buffer &buffer : buffers) {
    std::optional<unsigned> best;
    int64_t bestWaste = 0;
    for (auto [index, slot] : llvm::enumerate(slots)) {
      if (slot.freeAfter >= buffer.first || slot.extents != buffer.size.extents)
        continue;
      int64_t waste = std::abs(slot.unit - buffer.size.unit);
      if (!best || waste < bestWaste)
        best = index, bestWaste = waste;
    }
    if (!best) {
      best = slots.size();
      slots.push_back({buffer.size.extents, buffer.size.unit, 0});
    }
    Slot &slot = slots[*best];
    slot.unit = std::max(slot.unit, buffer.size.unit);
    slot.freeAfter = buffer.last;
    buffer.slot = *best;
  }
  return slots;
}

/// Copies the arithmetic that computes `value` to the builder's place. Leaves must be in `mapping`,
/// or constants.
FailureOr<Value> cloneSize(OpBuilder &builder, Value value, IRMapping &mapping) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *producer = value.getDefiningOp();
  if (!producer || !isMemoryEffectFree(producer) || producer->getNumRegions() != 0)
    return failure();
  for (Value operand : producer->getOperands())
    if (failed(cloneSize(builder, operand, mapping)))
      return failure();
  builder.clone(*producer, mapping);
  return mapping.lookup(value);
}

class PlanScratchPass : public plexus::compiler::impl::PlanScratchBase<PlanScratchPass> {
public:
  void runOnOperation() override {
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (isSegment(function) &&
          (failed(placeOnStack(function)) || failed(placeInScratch(function))))
        return signalPassFailure();
  }

private:
  /// Static buffers of parallel bodies belong to one iteration and go to its thread's stack.
  LogicalResult placeOnStack(func::FuncOp function) {
    SmallVector<memref::AllocOp> allocs;
    function.walk([&](memref::AllocOp alloc) {
      if (alloc->getParentOfType<scf::ParallelOp>())
        allocs.push_back(alloc);
    });
    for (memref::AllocOp alloc : allocs) {
      MemRefType type = alloc.getType();
      if (!type.hasStaticShape() || sizeOf(alloc).unit > kStackLimit)
        return alloc.emitOpError("inside a parallel body must be static and at most ")
               << kStackLimit << " bytes; allocate it outside the loop";
      // Outside the sequential loops of the body, so that the stack does not grow with them.
      auto parallel = alloc->getParentOfType<scf::ParallelOp>();
      OpBuilder builder = OpBuilder::atBlockBegin(parallel.getBody());
      Value stack = memref::AllocaOp::create(builder, alloc.getLoc(), type,
                                             builder.getI64IntegerAttr(kAlignment));
      alloc.replaceAllUsesWith(stack);
      alloc.erase();
    }
    return success();
  }

  LogicalResult placeInScratch(func::FuncOp function) {
    Block &body = function.getBody().front();
    DenseMap<Operation *, unsigned> position;
    unsigned count = 0;
    for (Operation &op : body)
      position[&op] = count++;
    SmallVector<Buffer> buffers;
    function.walk([&](memref::AllocOp alloc) {
      Buffer buffer{alloc, sizeOf(alloc)};
      buffer.first = position.lookup(body.findAncestorOpInBlock(*alloc));
      buffer.last = std::max(buffer.first, lastUse(alloc, body, position));
      buffers.push_back(buffer);
    });
    SmallVector<Slot> slots = assignSlots(buffers);
    SmallVector<Value> offsets;
    if (failed(emitOffsets(function, slots, offsets)) || failed(emitSizeFunction(function, slots)))
      return failure();
    Value scratch = segmentArgument(function, "scratch");
    if (!scratch)
      return function.emitOpError("has no scratch argument");
    for (Buffer &buffer : buffers) {
      OpBuilder builder(buffer.alloc);
      Value view =
          memref::ViewOp::create(builder, buffer.alloc.getLoc(), buffer.alloc.getType(), scratch,
                                 offsets[buffer.slot], buffer.alloc.getDynamicSizes());
      buffer.alloc.replaceAllUsesWith(view);
      buffer.alloc.erase();
    }
    return success();
  }

  /// Appends to `offsets` the running sum of the slots' sizes, and its end.
  static LogicalResult emitOffsetSum(OpBuilder &builder, Location loc, ArrayRef<Slot> slots,
                                     IRMapping &mapping, SmallVectorImpl<Value> &offsets) {
    Value offset = arith::ConstantIndexOp::create(builder, loc, 0);
    for (const Slot &slot : slots) {
      offsets.push_back(offset);
      Value bytes = arith::ConstantIndexOp::create(builder, loc, slot.unit);
      for (Value extent : slot.extents) {
        FailureOr<Value> size = cloneSize(builder, extent, mapping);
        if (failed(size))
          return emitError(extent.getLoc(), "a buffer's size is not arithmetic of the sizes of the "
                                            "call (tokens, sequences, outputs, context)");
        bytes = arith::MulIOp::create(builder, loc, bytes, *size);
      }
      if (!slot.extents.empty() || slot.unit % kAlignment != 0) {
        Value alignment = arith::ConstantIndexOp::create(builder, loc, kAlignment);
        Value blocks = arith::CeilDivUIOp::create(builder, loc, bytes, alignment);
        bytes = arith::MulIOp::create(builder, loc, blocks, alignment);
      }
      offset = arith::AddIOp::create(builder, loc, offset, bytes);
    }
    offsets.push_back(offset);
    return success();
  }

  static LogicalResult emitOffsets(func::FuncOp function, ArrayRef<Slot> slots,
                                   SmallVectorImpl<Value> &offsets) {
    OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
    IRMapping mapping;
    for (StringRef role : kSizeRoles)
      if (Value size = segmentArgument(function, role))
        mapping.map(size, size);
    return emitOffsetSum(builder, function.getLoc(), slots, mapping, offsets);
  }

  /// `<entry>_scratch(T, S, R, context) -> i64`, beside the segment.
  static LogicalResult emitSizeFunction(func::FuncOp function, ArrayRef<Slot> slots) {
    OpBuilder builder(function);
    Location loc = function.getLoc();
    Type i64 = builder.getI64Type();
    auto entry = function->getAttrOfType<StringAttr>(kSegmentAttr).getValue();
    auto size = func::FuncOp::create(builder, loc, (entry + "_scratch").str(),
                                     builder.getFunctionType({i64, i64, i64, i64}, {i64}));
    builder.setInsertionPointToStart(size.addEntryBlock());
    IRMapping mapping;
    for (auto [role, argument] : llvm::zip(kSizeRoles, size.getArguments()))
      if (Value symbol = segmentArgument(function, role))
        mapping.map(symbol,
                    arith::IndexCastOp::create(builder, loc, builder.getIndexType(), argument));
    SmallVector<Value> offsets;
    if (failed(emitOffsetSum(builder, loc, slots, mapping, offsets)))
      return failure();
    Value total = arith::IndexCastOp::create(builder, loc, i64, offsets.back());
    func::ReturnOp::create(builder, loc, total);
    return success();
  }
};

} // namespace
