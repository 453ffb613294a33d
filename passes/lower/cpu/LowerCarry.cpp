//===- LowerCarry.cpp - loops over tokens, and the states that they carry ---------------------===//
// Handlers of scf.for over tensors and of the accessors of recurrent states: what decompositions of
// recurrences are made of. The loop runs in order; its tensors have one buffer for all iterations.
//===----------------------------------------------------------------------------------------------===//
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Carry.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// The buffer that `result` of a loop is made in, filled with `init`.
Value loopBuffer(SegmentLowering &segment, Value init, Value result) {
  SmallVector<Value> sizes;
  auto empty = init.getDefiningOp<tensor::EmptyOp>();
  if (empty)
    for (Value size : empty.getDynamicSizes())
      sizes.push_back(segment.scalars().lookup(size));
  else if (!cast<RankedTensorType>(init.getType()).hasStaticShape())
    sizes.push_back(segment.rows(init.getLoc(), segment.buffer(init)));
  Value memref = segment.allocate(result, sizes);
  if (!empty)
    linalg::CopyOp::create(segment.builder(), init.getLoc(), segment.buffer(init), memref);
  return memref;
}

/// Puts the values of the next iteration where it looks for them. A value that is not in its place
/// yet may lie in another one's: all of them are copied out first.
void carryOver(SegmentLowering &segment, scf::YieldOp yield, ArrayRef<Value> places) {
  OpBuilder &b = segment.builder();
  Location loc = yield.getLoc();
  SmallVector<std::pair<Value, Value>> moves;
  for (auto [value, place] : llvm::zip(yield.getOperands(), places)) {
    Value made = segment.buffer(value);
    if (made == place)
      continue;
    auto type = cast<MemRefType>(place.getType());
    if (llvm::is_contained(places, made) && type.hasStaticShape()) {
      Value copy = segment.allocate(type, {});
      linalg::CopyOp::create(b, loc, made, copy);
      made = copy;
    }
    moves.emplace_back(made, place);
  }
  for (auto [made, place] : moves)
    linalg::CopyOp::create(b, loc, made, place);
}

LogicalResult lowerFor(SegmentLowering &segment, scf::ForOp op) {
  Location loc = op.getLoc();
  SmallVector<Value> places;
  for (auto [init, argument, result] :
       llvm::zip(op.getInitArgs(), op.getRegionIterArgs(), op.getResults())) {
    if (!isa<RankedTensorType>(init.getType()))
      return op.emitOpError("carries ") << init.getType() << ", which has no form on the CPU";
    places.push_back(loopBuffer(segment, init, result));
    segment.bind(argument, places.back());
  }
  OpBuilder &b = segment.builder();
  auto bound = [&](Value value) { return segment.scalars().lookup(value); };
  auto loop = scf::ForOp::create(b, loc, bound(op.getLowerBound()), bound(op.getUpperBound()),
                                 bound(op.getStep()));
  segment.scalars().map(op.getInductionVar(), loop.getInductionVar());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  if (failed(segment.lowerBlock(*op.getBody())))
    return failure();
  carryOver(segment, cast<scf::YieldOp>(op.getBody()->getTerminator()), places);
  return success();
}

/// The plx_kv of an optional state.
Value stateOf(SegmentLowering &segment, Value state) {
  return state ? segment.scalars().lookup(state) : Value();
}

LogicalResult lowerCarryRead(SegmentLowering &segment, plx::CarryReadOp op) {
  Value last = segment.buffer(op.getLast()), out = last;
  if (op.getLast().hasOneUse() && segment.isTemporary(last))
    segment.bind(op.getResult(), last);
  else
    out = segment.allocate(op.getResult());
  emit::emitCarryRead(segment.builder(), op.getLoc(), segment.batch(),
                      stateOf(segment, op.getState()), segment.scalars().lookup(op.getToken()),
                      op.getReverse(), last, out);
  return success();
}

LogicalResult lowerCarryWrite(SegmentLowering &segment, plx::CarryWriteOp op) {
  emit::emitCarryWrite(segment.builder(), op.getLoc(), segment.batch(),
                       stateOf(segment, op.getState()), segment.scalars().lookup(op.getToken()),
                       op.getReverse(), segment.buffer(op.getValue()));
  return success();
}

} // namespace

void addCarryHandlers(HandlerTable &table) {
  addHandler<scf::ForOp, lowerFor>(table);
  addHandler<plx::CarryReadOp, lowerCarryRead>(table);
  addHandler<plx::CarryWriteOp, lowerCarryWrite>(table);
}

} // namespace plexus::compiler
