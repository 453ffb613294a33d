//===- LowerGated.cpp - recurrences with gates ------------------------------------------------===//
// Handlers of ssm.rg_lru, ssm.wkv and ssm.delta_rule.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/ssm/SsmOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/GatedScans.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// Elementary operations of a token's vector with several transcendental functions.
constexpr int64_t kGateWork = 16 * 256;

/// The plx_kv of an optional state.
Value stateOf(SegmentLowering &segment, Value state) {
  return state ? segment.scalars().lookup(state) : Value();
}

LogicalResult lowerRgLru(SegmentLowering &segment, ssm::RgLruOp op) {
  emit::RgLruOperands operands{segment.buffer(op.getInput()),
                               segment.buffer(op.getInputGate()),
                               segment.buffer(op.getRecurrenceGate()),
                               segment.buffer(op.getDecay()),
                               segment.batch(),
                               stateOf(segment, op.getState()),
                               segment.allocateLike(op.getResult(), op.getInput())};
  segment.emitParallel(
      kGateWork, [&] { emit::emitRgLru(segment.builder(), op.getLoc(), segment.isa(), operands); });
  segment.report(op, "generated", "the state stays in registers along each sequence");
  return success();
}

LogicalResult lowerWkv(SegmentLowering &segment, ssm::WkvOp op) {
  emit::WkvOperands operands{segment.buffer(op.getKey()),
                             segment.buffer(op.getValue()),
                             segment.buffer(op.getDecay()),
                             segment.buffer(op.getFirst()),
                             segment.batch(),
                             stateOf(segment, op.getState()),
                             segment.allocateLike(op.getResult(), op.getKey())};
  segment.emitParallel(
      kGateWork, [&] { emit::emitWkv(segment.builder(), op.getLoc(), segment.isa(), operands); });
  segment.report(op, "generated", "the state stays in registers along each sequence");
  return success();
}

LogicalResult lowerDeltaRule(SegmentLowering &segment, ssm::DeltaRuleOp op) {
  emit::DeltaRuleOperands operands{
      segment.buffer(op.getQuery()),      segment.buffer(op.getKey()),
      segment.buffer(op.getValue()),      segment.buffer(op.getStep()),
      segment.buffer(op.getBeta()),       segment.buffer(op.getRate()),
      segment.buffer(op.getStepBias()),   segment.batch(),
      stateOf(segment, op.getState()),    segment.allocateLike(op.getResult(), op.getValue()),
      op.getBetaScale().convertToFloat(), op.getAccumulate()};
  int64_t depth = cast<RankedTensorType>(op.getKey().getType()).getDimSize(2);
  segment.emitParallel(4 * depth * op.getType().getDimSize(2), [&] {
    emit::emitDeltaRule(segment.builder(), op.getLoc(), segment.isa(), operands);
  });
  segment.report(op, "generated", "columns of the state stay in the first cache along a sequence");
  return success();
}

/// Vectors are loaded as f32, one column of the last axis after another.
bool allF32(Operation *op) {
  return llvm::all_of(op->getOperandTypes(), [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return !tensor || tensor.getElementType().isF32();
  });
}

/// The state's columns are on the stack.
bool takesDeltaRule(Operation *op) {
  auto key = cast<RankedTensorType>(cast<ssm::DeltaRuleOp>(op).getKey().getType());
  return allF32(op) && key.getDimSize(2) <= 512;
}

} // namespace

void addGatedHandlers(HandlerTable &table) {
  addHandler<ssm::RgLruOp, lowerRgLru>(table, allF32);
  addHandler<ssm::WkvOp, lowerWkv>(table, allF32);
  addHandler<ssm::DeltaRuleOp, lowerDeltaRule>(table, takesDeltaRule);
}

} // namespace plexus::compiler
